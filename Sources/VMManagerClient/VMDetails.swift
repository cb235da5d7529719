import DBus
import VMManagerAPI
public import VMModel

/// The properties of one VM as the service gave them.
public struct VMDetails: Hashable, Sendable {
    public let uuid: VMUUID
    public let name: String
    /// The state's text; kept as it came, so that a client shows also a state that it does not know.
    public let state: String
    /// Why it is in that state; one word, or empty.
    public let stateReason: String
    /// MiB.
    public let memoryMB: UInt64
    public let vcpus: UInt32
    public let autostart: Bool
    public let isPersistent: Bool
    /// Empty for VMs of other tools.
    public let template: String
    /// `windows`, `linux` or `macos`; empty where nobody said.
    public let osType: String
    /// Who created it; nil for VMs of other tools.
    public let ownerUID: UInt32?
    /// Microseconds since the epoch; nil where nobody said.
    public let createdAt: UInt64?
    public let hasSavedState: Bool
    /// The object path of the job that works on it; nil for none.
    public let job: String?

    /// The values of `GetAll`; nil when one is missing or of another type.
    init?(properties: [String: DBusValue]) {
        func value(_ property: VMProperty) -> DBusValue? { properties[property.rawValue] }
        guard let uuid = value(.uuid)?.stringValue.flatMap({ VMUUID($0) }), let name = value(.name)?.stringValue,
            let state = value(.state)?.stringValue, let stateReason = value(.stateReason)?.stringValue,
            let memoryMB = value(.memoryMB)?.uint64Value, let vcpus = value(.vcpus)?.uint32Value,
            let autostart = value(.autostart)?.boolValue, let isPersistent = value(.persistent)?.boolValue,
            let template = value(.template)?.stringValue, let osType = value(.osType)?.stringValue,
            let ownerUID = value(.ownerUID)?.uint32Value, let createdAt = value(.createdAt)?.uint64Value,
            let hasSavedState = value(.hasSavedState)?.boolValue, let job = value(.job)?.objectPathValue
        else { return nil }
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
        self.ownerUID = ownerUID == .max ? nil : ownerUID
        self.createdAt = createdAt == 0 ? nil : createdAt
        self.hasSavedState = hasSavedState
        self.job = job == .root ? nil : job.rawValue
    }
}
