import CLibvirt

/// What a domain is doing, and how it came to that.
public struct DomainStatus: Sendable, Hashable {
    /// What it is doing.
    public var state: DomainState
    /// How it came to that: libvirt's number, whose meaning depends on ``state``. `virDomainRunningReason` and its kin.
    public var reason: Int32

    public init(state: DomainState, reason: Int32) {
        self.state = state
        self.reason = reason
    }

    /// The reason as a word, such as `booted`, `user` or `saved`; `unknown` if libvirt does not say or says something
    /// new.
    public var reasonName: String {
        let names: [String] =
            switch state {
            case .running:
                [
                    "unknown", "booted", "migrated", "restored", "from-snapshot", "unpaused", "migration-canceled",
                    "save-canceled", "wakeup", "crashed", "post-copy", "post-copy-failed",
                ]
            case .paused:
                [
                    "unknown", "user", "migration", "save", "dump", "io-error", "watchdog", "from-snapshot",
                    "shutting-down", "snapshot", "crashed", "starting-up", "post-copy", "post-copy-failed",
                ]
            case .shutdown: ["unknown", "user"]
            case .shutOff:
                [
                    "unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot",
                    "daemon",
                ]
            case .crashed: ["unknown", "panicked"]
            case .noState, .blocked, .pmSuspended, .other: ["unknown"]
            }
        return names.indices.contains(Int(reason)) ? names[Int(reason)] : "unknown"
    }
}

/// What a domain is doing. `virDomainState`
public enum DomainState: Sendable, Hashable {
    /// libvirt does not know.
    case noState
    case running
    /// It waits for a resource.
    case blocked
    case paused
    /// It is being shut down.
    case shutdown
    case shutOff
    case crashed
    /// The guest put itself to sleep.
    case pmSuspended
    /// A state that this version does not know.
    case other(Int32)

    init(_ state: Int32) {
        let known: [DomainState] = [
            .noState, .running, .blocked, .paused, .shutdown, .shutOff, .crashed, .pmSuspended,
        ]
        self = known.indices.contains(Int(state)) ? known[Int(state)] : .other(state)
    }
}

/// The size of a domain. `virDomainInfo`
public struct DomainInfo: Sendable, Hashable {
    /// What it is doing.
    public var state: DomainState
    /// The most memory it may have, in KiB.
    public var maximumMemoryInKiB: UInt64
    /// The memory it has, in KiB.
    public var memoryInKiB: UInt64
    /// Its virtual CPUs.
    public var vcpus: UInt32
    /// The CPU time it has used, in nanoseconds.
    public var cpuTimeInNanoseconds: UInt64
}
