import Libvirt
import Testing
import VMCore
import VMModel

@testable import LibvirtHypervisor

@Suite struct MappingTests {
    private let uuid = VMUUID(high: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210)

    @Test func keepsUUIDs() throws {
        let domain = try DomainUUID(uuid)
        #expect(domain.description == uuid.description)
        #expect(VMUUID(domain) == uuid)
    }

    @Test(arguments: [
        (DomainState.running, VMState.running), (.blocked, .blocked), (.paused, .paused), (.shutdown, .shuttingDown),
        (.shutOff, .shutOff), (.crashed, .crashed), (.pmSuspended, .suspended), (.noState, .unknown),
        (.other(42), .unknown),
    ])
    func mapsStates(state: DomainState, expected: VMState) {
        #expect(VMState(state) == expected)
    }

    @Test func showsNoGuessAsAReason() {
        #expect(DomainStatus(state: .shutOff, reason: 5).reasonWord == "saved")
        #expect(DomainStatus(state: .shutOff, reason: 0).reasonWord == "")
        #expect(DomainStatus(state: .shutOff, reason: 77).reasonWord == "")
        #expect(DomainStatus(state: .paused, reason: 11).reasonWord == StateReason.startingUp)
    }

    @Test func tellsTransitionsThatAnEventDescribes() throws {
        #expect(try event(.suspended, .suspendedPaused) == .stateChanged(uuid, .paused, reason: "user"))
        #expect(try event(.suspended, .suspendedIOError) == .stateChanged(uuid, .paused, reason: "io-error"))
        #expect(try event(.resumed, .resumedUnpaused) == .stateChanged(uuid, .running, reason: "unpaused"))
        #expect(try event(.stopped, .stoppedShutdown) == .stateChanged(uuid, .shutOff, reason: "shutdown"))
        #expect(try event(.stopped, .stoppedCrashed) == .stateChanged(uuid, .shutOff, reason: "crashed"))
        #expect(try event(.shutdown, .shutdownGuest) == .stateChanged(uuid, .shuttingDown, reason: ""))
        #expect(try event(.undefined, .undefinedRemoved) == .undefined(uuid))
    }

    @Test func hasEverythingElseRead() throws {
        #expect(try event(.defined, .definedAdded) == .changed(uuid))
        #expect(try event(.defined, .definedRenamed) == .changed(uuid))
        #expect(try event(.undefined, .undefinedRenamed) == .changed(uuid))
        #expect(try event(.stopped, .stoppedSaved) == .changed(uuid))
        // Said of a start that failed, and of a QEMU that was killed.
        #expect(try event(.stopped, .stoppedFailed) == .changed(uuid))
        #expect(try event(.crashed, .init(rawValue: 0)) == .changed(uuid))
        #expect(try event(.init(rawValue: 99), .init(rawValue: 99)) == .changed(uuid))
        #expect(try event(.metadataChange(.element, namespace: nil)) == .changed(uuid))
        #expect(try event(.controlError) == .changed(uuid))
    }

    @Test func leavesOutWhatChangesNothing() throws {
        // QEMU says so while it is ended from outside; the end follows.
        #expect(try event(.shutdown, .shutdownHost) == nil)
        #expect(try event(.reboot) == nil)
        #expect(try event(.deviceAdded(alias: "net0")) == nil)
    }

    @Test(arguments: [
        (LibvirtError.Code.noDomain, VMError.Code.notFound), (.domExist, .alreadyExists),
        (.storageVolExist, .alreadyExists), (.operationInvalid, .invalidState), (.operationTimeout, .timeout),
        (.xmlInvalidSchema, .templateInvalid), (.xmlError, .templateInvalid), (.xmlDetail, .templateInvalid),
        (.configUnsupported, .hostUnsupported), (.noNetwork, .hostUnsupported), (.rpc, .failed),
        (.internalError, .failed), (.init(rawValue: 4711), .failed),
    ])
    func mapsErrorsByTheirNumber(code: LibvirtError.Code, expected: VMError.Code) {
        let error = LibvirtError(
            code: code, source: .qemu, message: "cannot open '/etc/shadow'", operation: "virDomainCreate", object: "vm")
        let mapped = VMError(error, connectionIsLost: false)
        #expect(mapped.code == expected)
        #expect(!mapped.message.contains("/etc/shadow"))
        #expect(mapped.cause?.code == code.rawValue && mapped.cause?.domain == LibvirtError.Source.qemu.rawValue)
        #expect(mapped.cause?.operation == "virDomainCreate" && mapped.cause?.text == "cannot open '/etc/shadow'")
        #expect(VMError(error, connectionIsLost: true).code == .hypervisorUnavailable)
    }

    @Test func mapsErrorsOfOurOwn() {
        func code(_ kind: LibvirtError.Kind) -> VMError.Code {
            VMError(LibvirtError(kind: kind, code: .ok, message: "", operation: "x"), connectionIsLost: false).code
        }
        #expect(code(.deadlineExceeded) == .timeout)
        #expect(code(.queueFull) == .busy)
        #expect(code(.connectionClosed) == .hypervisorUnavailable)
    }

    private func event(
        _ event: DomainEvent.LifecycleEvent, _ detail: DomainEvent.LifecycleDetail
    ) throws -> HypervisorEvent? {
        try self.event(.lifecycle(.init(event, detail)))
    }

    private func event(_ kind: DomainEvent.Kind) throws -> HypervisorEvent? {
        HypervisorEvent(DomainEvent(uuid: try DomainUUID(uuid), id: nil, nameBytes: [], kind: kind))
    }
}
