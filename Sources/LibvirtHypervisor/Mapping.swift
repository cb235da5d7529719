import Libvirt
import VMCore
import VMModel

extension VMUUID {
    init(_ uuid: DomainUUID) {
        // Both are sixteen bytes, so that there is always one.
        self = VMUUID(bytes: uuid.bytes) ?? VMUUID(high: 0, low: 0)
    }
}

extension DomainUUID {
    init(_ uuid: VMUUID) throws {
        guard let same = DomainUUID(uuid.description) else { throw VMError(.invalidArgument, "the UUID is not one") }
        self = same
    }
}

extension VMState {
    init(_ state: DomainState) {
        self =
            switch state {
            case .running: .running
            case .blocked: .blocked
            case .paused: .paused
            case .shutdown: .shuttingDown
            case .shutOff: .shutOff
            case .crashed: .crashed
            case .pmSuspended: .suspended
            case .noState, .other: .unknown
            }
    }
}

extension DomainStatus {
    /// The reason as the property has it: empty where libvirt does not say.
    var reasonWord: String { reasonName == "unknown" ? "" : reasonName }
}

extension HypervisorEvent {
    /// What the core needs to hear of an event; nil for what changes nothing that it knows.
    init?(_ event: DomainEvent) {
        let uuid = VMUUID(event.uuid)
        switch event.kind {
        case .lifecycle(let lifecycle):
            // QEMU says this too while it is being ended from outside; the end itself follows at once.
            guard lifecycle.event != .shutdown || lifecycle.detail != .shutdownHost else { return nil }
            self = Self.lifecycle(uuid, lifecycle)
        case .metadataChange, .controlError: self = .changed(uuid)
        default: return nil
        }
    }

    /// Only a transition that the event describes fully is told as such; everything else is read.
    private static func lifecycle(_ uuid: VMUUID, _ lifecycle: DomainEvent.Lifecycle) -> HypervisorEvent {
        switch (lifecycle.event, lifecycle.detail) {
        case (.undefined, .undefinedRemoved): .undefined(uuid)
        case (.suspended, .suspendedPaused): .stateChanged(uuid, .paused, reason: "user")
        case (.suspended, .suspendedIOError): .stateChanged(uuid, .paused, reason: "io-error")
        case (.resumed, .resumedUnpaused): .stateChanged(uuid, .running, reason: "unpaused")
        case (.stopped, .stoppedShutdown): .stateChanged(uuid, .shutOff, reason: "shutdown")
        case (.stopped, .stoppedDestroyed): .stateChanged(uuid, .shutOff, reason: "destroyed")
        case (.stopped, .stoppedCrashed): .stateChanged(uuid, .shutOff, reason: "crashed")
        case (.shutdown, _): .stateChanged(uuid, .shuttingDown, reason: "")
        // Among others a stop that "failed": of a start that did not work and of a QEMU that was killed libvirt says the same.
        default: .changed(uuid)
        }
    }
}

extension VMError {
    static func unavailable(_ cause: Cause? = nil) -> VMError {
        VMError(.hypervisorUnavailable, "there is no connection to libvirt at present; try again later", cause: cause)
    }

    /// - Parameter connectionIsLost: whether the connection is known to be gone, whatever code the call reported.
    init(_ error: LibvirtError, connectionIsLost: Bool) {
        let cause = Cause(error)
        switch error.kind {
        case .connectionClosed: self = .unavailable(cause)
        case .deadlineExceeded: self.init(.timeout, "libvirt did not answer in time", cause: cause)
        case .queueFull: self.init(.busy, "too many calls wait for libvirt", cause: cause)
        case .libvirt:
            if connectionIsLost {
                self = .unavailable(cause)
            } else {
                let (code, message) = Self.meaning(of: error.code)
                self.init(code, message, cause: cause)
            }
        }
    }

    private static func meaning(of code: LibvirtError.Code) -> (Code, String) {
        switch code {
        case .noDomain: (.notFound, "it does not exist any more")
        case .domExist: (.alreadyExists, "there is a VM of that name or UUID")
        case .storageVolExist: (.alreadyExists, "there is a disk of that name")
        case .operationInvalid: (.invalidState, "its state does not allow it")
        case .operationTimeout: (.timeout, "libvirt is still busy with it")
        case .agentUnresponsive: (.timeout, "the guest does not answer")
        case .noNetwork: (.hostUnsupported, "its network does not exist")
        case .configUnsupported, .argumentUnsupported, .noSupport:
            (.hostUnsupported, "the host cannot do what it asks for")
        case .xmlError, .xmlDetail, .xmlInvalidSchema: (.templateInvalid, "libvirt does not accept the definition")
        case .noConnect, .invalidConnection:
            (.hypervisorUnavailable, "libvirt cannot be reached; try again later")
        default: (.failed, "libvirt could not do it; the service's log has the reason")
        }
    }
}

extension VMError.Cause {
    init(_ error: LibvirtError) {
        self.init(
            domain: error.source.rawValue, code: error.code.rawValue, operation: error.operation, text: error.message)
    }
}
