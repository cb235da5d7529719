import CLibvirt

extension DomainEvent {
    /// A change of a domain's life, with libvirt's detail of it.
    public struct Lifecycle: Sendable, Hashable {
        /// What happened.
        public var event: LifecycleEvent
        /// How; its meaning depends on ``event``.
        public var detail: LifecycleDetail

        public init(_ event: LifecycleEvent, _ detail: LifecycleDetail) {
            self.event = event
            self.detail = detail
        }
    }

    /// What happened to a domain. Open: numbers of later libvirt versions are kept. `virDomainEventType`
    public struct LifecycleEvent: RawRepresentable, Sendable, Hashable {
        public let rawValue: Int32

        public init(rawValue: Int32) { self.rawValue = rawValue }

        init(_ value: virDomainEventType) { rawValue = Int32(bitPattern: value.rawValue) }

        /// Its configuration came or changed.
        public static let defined = LifecycleEvent(VIR_DOMAIN_EVENT_DEFINED)
        /// Its configuration went.
        public static let undefined = LifecycleEvent(VIR_DOMAIN_EVENT_UNDEFINED)
        /// It runs.
        public static let started = LifecycleEvent(VIR_DOMAIN_EVENT_STARTED)
        /// It is paused.
        public static let suspended = LifecycleEvent(VIR_DOMAIN_EVENT_SUSPENDED)
        /// It runs on.
        public static let resumed = LifecycleEvent(VIR_DOMAIN_EVENT_RESUMED)
        /// It is off.
        public static let stopped = LifecycleEvent(VIR_DOMAIN_EVENT_STOPPED)
        /// The guest is done; its process is about to end.
        public static let shutdown = LifecycleEvent(VIR_DOMAIN_EVENT_SHUTDOWN)
        /// The guest put itself to sleep.
        public static let pmSuspended = LifecycleEvent(VIR_DOMAIN_EVENT_PMSUSPENDED)
        /// The guest panicked.
        public static let crashed = LifecycleEvent(VIR_DOMAIN_EVENT_CRASHED)
    }

    /// How a change of a domain's life came about; libvirt numbers the details of each event from 0.
    public struct LifecycleDetail: RawRepresentable, Sendable, Hashable {
        public let rawValue: Int32

        public init(rawValue: Int32) { self.rawValue = rawValue }

        private init(_ value: UInt32) { rawValue = Int32(bitPattern: value) }

        /// `.defined`: the domain is new.
        public static let definedAdded = LifecycleDetail(VIR_DOMAIN_EVENT_DEFINED_ADDED.rawValue)
        /// `.defined`: its configuration changed.
        public static let definedUpdated = LifecycleDetail(VIR_DOMAIN_EVENT_DEFINED_UPDATED.rawValue)
        /// `.defined`: it has a new name, which the event carries.
        public static let definedRenamed = LifecycleDetail(VIR_DOMAIN_EVENT_DEFINED_RENAMED.rawValue)
        /// `.undefined`: its configuration was deleted.
        public static let undefinedRemoved = LifecycleDetail(VIR_DOMAIN_EVENT_UNDEFINED_REMOVED.rawValue)
        /// `.undefined`: it lost the name that the event carries, and has another.
        public static let undefinedRenamed = LifecycleDetail(VIR_DOMAIN_EVENT_UNDEFINED_RENAMED.rawValue)
        /// `.started`: from boot.
        public static let startedBooted = LifecycleDetail(VIR_DOMAIN_EVENT_STARTED_BOOTED.rawValue)
        /// `.started`: from a saved state.
        public static let startedRestored = LifecycleDetail(VIR_DOMAIN_EVENT_STARTED_RESTORED.rawValue)
        /// `.suspended`: on request.
        public static let suspendedPaused = LifecycleDetail(VIR_DOMAIN_EVENT_SUSPENDED_PAUSED.rawValue)
        /// `.suspended`: after an error of a disk.
        public static let suspendedIOError = LifecycleDetail(VIR_DOMAIN_EVENT_SUSPENDED_IOERROR.rawValue)
        /// `.resumed`: on request.
        public static let resumedUnpaused = LifecycleDetail(VIR_DOMAIN_EVENT_RESUMED_UNPAUSED.rawValue)
        /// `.shutdown`: by itself, as far as libvirt can tell.
        public static let shutdownFinished = LifecycleDetail(VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED.rawValue)
        /// `.shutdown`: by the guest.
        public static let shutdownGuest = LifecycleDetail(VIR_DOMAIN_EVENT_SHUTDOWN_GUEST.rawValue)
        /// `.shutdown`: by a signal to the emulator.
        public static let shutdownHost = LifecycleDetail(VIR_DOMAIN_EVENT_SHUTDOWN_HOST.rawValue)
        /// `.stopped`: the guest shut down.
        public static let stoppedShutdown = LifecycleDetail(VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN.rawValue)
        /// `.stopped`: forced off by the host.
        public static let stoppedDestroyed = LifecycleDetail(VIR_DOMAIN_EVENT_STOPPED_DESTROYED.rawValue)
        /// `.stopped`: the guest crashed.
        public static let stoppedCrashed = LifecycleDetail(VIR_DOMAIN_EVENT_STOPPED_CRASHED.rawValue)
        /// `.stopped`: migrated to another host.
        public static let stoppedMigrated = LifecycleDetail(VIR_DOMAIN_EVENT_STOPPED_MIGRATED.rawValue)
        /// `.stopped`: saved to a file.
        public static let stoppedSaved = LifecycleDetail(VIR_DOMAIN_EVENT_STOPPED_SAVED.rawValue)
        /// `.stopped`: the emulator failed.
        public static let stoppedFailed = LifecycleDetail(VIR_DOMAIN_EVENT_STOPPED_FAILED.rawValue)
        /// `.stopped`: a snapshot of the domain that was off was loaded.
        public static let stoppedFromSnapshot = LifecycleDetail(VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT.rawValue)
    }
}
