/// A VM as the inventory knows it: the values of the properties on the bus.
public struct VM: Hashable, Sendable {
    public let uuid: VMUUID
    /// For a VM of another tool any text; bytes that were not UTF-8 are shown as U+FFFD.
    public var name: String
    public var state: VMState
    /// Why it is in this state, one word such as `booted`, `user` or `destroyed`; empty when nothing is known.
    public var stateReason: String
    /// The memory it may use at most, MiB.
    public var memoryMB: UInt64
    public var vcpus: UInt32
    /// Whether libvirt starts it when the host starts.
    public var autostart: Bool
    /// Whether its definition outlives its process.
    public var isPersistent: Bool
    /// The template it was made from; empty for VMs of other tools.
    public var template: String
    /// `windows`, `linux` or `macos`; empty where nobody said.
    public var osType: String
    /// Who created it; nil for VMs of other tools.
    public var ownerUID: UInt32?
    /// When it was created, microseconds since the epoch; 0 where nobody said.
    public var createdAt: UInt64
    /// Whether a saved memory image exists, from which the next start goes on.
    public var hasSavedState: Bool
    /// The job that works on it; nil for none.
    public var job: JobID?

    public init(
        uuid: VMUUID, name: String, state: VMState, stateReason: String = "", memoryMB: UInt64 = 0, vcpus: UInt32 = 0,
        autostart: Bool = false, isPersistent: Bool = true, template: String = "", osType: String = "",
        ownerUID: UInt32? = nil, createdAt: UInt64 = 0, hasSavedState: Bool = false
    ) {
        self.uuid = uuid
        self.name = name
        self.state = state
        self.stateReason = stateReason
        self.memoryMB = memoryMB
        self.vcpus = vcpus
        self.autostart = autostart
        self.isPersistent = isPersistent
        self.template = template
        self.osType = osType
        self.ownerUID = ownerUID
        self.createdAt = createdAt
        self.hasSavedState = hasSavedState
    }
}

/// One row of the list of VMs, as `ListVMs` gives it.
public struct VMSummary: Hashable, Sendable {
    public let uuid: VMUUID
    public let name: String
    /// The state's text; kept as it came, so that a client shows also a state that it does not know.
    public let state: String
    /// MiB.
    public let memoryMB: UInt64
    public let vcpus: UInt32
    public let autostart: Bool

    public init(uuid: VMUUID, name: String, state: String, memoryMB: UInt64, vcpus: UInt32, autostart: Bool) {
        self.uuid = uuid
        self.name = name
        self.state = state
        self.memoryMB = memoryMB
        self.vcpus = vcpus
        self.autostart = autostart
    }
}
