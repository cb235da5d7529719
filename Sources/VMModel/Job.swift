/// The number of a job, and the last element of its object's path. It is never used again while the service runs.
public struct JobID: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    public let rawValue: UInt64

    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    public var description: String { String(rawValue) }

    public static func < (left: JobID, right: JobID) -> Bool { left.rawValue < right.rawValue }
}

/// What a job does; the text is that of the property `Operation` on the bus.
public enum JobOperation: String, Hashable, Sendable, CaseIterable {
    case create
    case start
    case stop
    case delete
    case importMedia = "import-media"
}

/// An operation that takes long enough to be watched: the values of the properties on the bus.
public struct Job: Hashable, Sendable {
    public let id: JobID
    public let operation: JobOperation
    /// The name of the VM or medium that it works on.
    public let target: String
    /// The VMs that it works on; none for a job of the host, such as the import of a medium.
    public let vms: [VMUUID]
    /// Who asked for it.
    public let startedByUID: UInt32
    /// Microseconds since the epoch.
    public let startedAt: UInt64
    /// From 0 to 1; nil while nothing can be said of it.
    public var progress: Double?
    /// Whether it can still be cancelled.
    public var isCancelable: Bool
    /// nil while it runs.
    public var outcome: Outcome?
    /// Whether nobody waits for a reply, so that the job alone tells why it failed.
    public let isInBackground: Bool

    /// How a job ended.
    public enum Outcome: Hashable, Sendable {
        /// With what there is to say besides; mostly nothing.
        case succeeded(String)
        case failed(VMError)
    }

    public init(
        id: JobID, operation: JobOperation, target: String, vms: [VMUUID], startedByUID: UInt32, startedAt: UInt64,
        isCancelable: Bool, isInBackground: Bool = false
    ) {
        self.id = id
        self.operation = operation
        self.target = target
        self.vms = vms
        self.startedByUID = startedByUID
        self.startedAt = startedAt
        self.isCancelable = isCancelable
        self.isInBackground = isInBackground
    }
}
