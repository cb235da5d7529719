/// What a VM is doing; the text is the `State` property on the bus.
public enum VMState: String, Hashable, Sendable, CaseIterable {
    case creating
    case running
    case blocked
    case paused
    case shuttingDown = "shutting-down"
    case shutOff = "shut-off"
    case crashed
    case suspended
    case unknown

    /// Whether a QEMU process may stand behind it, so that destroying it makes sense.
    public var mayHaveProcess: Bool {
        switch self {
        case .running, .blocked, .paused, .shuttingDown, .crashed, .suspended, .unknown: true
        case .creating, .shutOff: false
        }
    }

    /// Whether the guest executes, so that it can answer a request to shut down or reboot.
    public var isExecuting: Bool { self == .running || self == .blocked }
}

/// The family of guest system a VM is for.
public enum GuestOS: String, Hashable, Sendable, CaseIterable {
    case windows
    case linux
    case macos
}

/// Words for why a VM is in its state that the rules look at; there are more, which only people read.
public enum StateReason {
    /// Paused because its start is not finished.
    public static let startingUp = "starting-up"
}
