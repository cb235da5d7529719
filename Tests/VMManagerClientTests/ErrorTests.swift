import DBus
import Testing
import VMManagerAPI
import VMModel

@testable import VMManagerClient

struct ErrorTests {
    private func failure(_ call: Call, _ name: String, _ message: String = "text") -> any Error {
        call.failure(DBusError(name: name, message: message))
    }

    private let stop = Call.manager(.stopVM)

    @Test func theServicesOwnErrorsKeepCodeAndWords() throws {
        let known = try #require(failure(stop, "org.neuronos.VMManager.Error.InvalidState") as? VMError)
        #expect(known == VMError(.invalidState, "text"))
        let unknown = try #require(failure(stop, "org.neuronos.VMManager.Error.Eclipse") as? VMError)
        #expect(unknown.code.rawValue == "Eclipse")
        #expect(unknown.message == "text")
    }

    @Test func anObjectThatIsMissingIsAVMThatIsMissing() throws {
        let call = Call.vm(VM.sample.uuid, .start, [], patience: .seconds(1))
        let error = try #require(failure(call, DBusError.Name.unknownObject) as? VMError)
        #expect(error.code == .notFound)
        #expect(error.message.contains(VM.sample.uuid.description))
        let manager = try #require(failure(stop, DBusError.Name.unknownObject) as? ClientError)
        #expect(manager.kind == .protocolMismatch)
    }

    @Test(arguments: [
        (DBusError.Name.serviceUnknown, ClientError.Kind.serviceNotRunning),
        (DBusError.Name.nameHasNoOwner, .serviceNotRunning),
        ("org.freedesktop.DBus.Error.Spawn.ChildExited", .serviceNotRunning),
        ("org.freedesktop.systemd1.NoSuchUnit", .serviceNotRunning),
        ("org.freedesktop.DBus.Error.TimedOut", .serviceNotRunning),
        (DBusError.Name.noReply, .noReply),
        (DBusError.Name.timeout, .noReply),
        (DBusError.Name.disconnected, .busUnreachable),
        (DBusError.Name.unknownMethod, .protocolMismatch),
        (DBusError.Name.unknownInterface, .protocolMismatch),
        (DBusError.Name.invalidArgs, .protocolMismatch),
        (DBusError.Name.accessDenied, .accessDenied),
        (DBusError.Name.interactiveAuthorizationRequired, .authorizationRequired),
        (DBusError.Name.failed, .other),
        ("com.example.Strange", .other),
    ])
    func otherErrorsHaveAKind(_ name: String, _ kind: ClientError.Kind) throws {
        let error = try #require(failure(stop, name) as? ClientError)
        #expect(error.kind == kind)
        #expect(error.cause == DBusError(name: name, message: "text"))
        #expect(error.message.hasSuffix(".") == false)
    }

    @Test func anUnknownErrorKeepsNameAndText() throws {
        let error = try #require(failure(stop, "com.example.Strange") as? ClientError)
        #expect(error.message == "StopVM: text (com.example.Strange)")
        let silent = try #require(failure(stop, "com.example.Strange", "") as? ClientError)
        #expect(silent.message == "StopVM: com.example.Strange")
    }

    @Test func aDenialNamesTheAuthorization() throws {
        let byBus = try #require(
            failure(stop, DBusError.Name.accessDenied, "Rejected send message, 2 matched rules; type=…")
                as? ClientError)
        #expect(byBus.message.hasPrefix("access denied to StopVM by the bus"))
        let words = "CreateVM needs org.neuronos.vmmanager.create, which polkit does not give"
        let byService = try #require(
            failure(.manager(.createVM), DBusError.Name.accessDenied, words) as? ClientError)
        #expect(byService.message.hasPrefix("access denied: \(words); an administrator can allow it"))
        let prompt = try #require(
            failure(stop, DBusError.Name.interactiveAuthorizationRequired, words) as? ClientError)
        #expect(prompt.message.hasPrefix("not authorized: \(words); authenticate where a prompt can be shown"))
        let reading = try #require(failure(.manager(.listVMs), DBusError.Name.accessDenied) as? ClientError)
        #expect(reading.message == "access denied by the bus: text")
    }
}

struct ServiceWatchTests {
    private let change = VMChange.hypervisorConnected(true)

    @Test func aRestartIsALossAndAReturn() {
        var watch = ServiceWatch(owner: ":1.1")
        #expect(watch.ownerChanged(from: ":1.1", to: "") == [.serviceLost])
        #expect(watch.ownerChanged(from: "", to: ":1.2") == [.serviceBack])
        #expect(watch.signal(change, from: ":1.2") == [change])
    }

    @Test func aChangeOfHandsIsBoth() {
        var watch = ServiceWatch(owner: ":1.1")
        #expect(watch.ownerChanged(from: ":1.1", to: ":1.2") == [.serviceLost, .serviceBack])
    }

    @Test func theFirstOwnerComesBackOnceOnly() {
        var watch = ServiceWatch(owner: nil)
        #expect(watch.ownerChanged(from: "", to: ":1.1") == [.serviceBack])
        #expect(watch.ownerChanged(from: "", to: ":1.1") == [])
    }

    @Test func aSignalBeforeTheNewsOfItsSenderBringsTheNews() {
        var watch = ServiceWatch(owner: ":1.1")
        #expect(watch.signal(change, from: ":1.2") == [.serviceLost, .serviceBack, change])
        #expect(watch.ownerChanged(from: ":1.1", to: "") == [])
        #expect(watch.ownerChanged(from: "", to: ":1.2") == [])
        #expect(watch.ownerChanged(from: ":1.2", to: "") == [.serviceLost])
    }

    @Test func aSignalAfterTheLossOfItsSenderIsOnlyLate() {
        var watch = ServiceWatch(owner: ":1.1")
        _ = watch.ownerChanged(from: ":1.1", to: "")
        #expect(watch.signal(change, from: ":1.1") == [change])
        #expect(watch.ownerChanged(from: "", to: ":1.2") == [.serviceBack])
    }

    @Test func oldNewsOfTwoRestartsAreNoNews() {
        var watch = ServiceWatch(owner: ":1.1")
        _ = watch.signal(change, from: ":1.2")
        #expect(watch.signal(change, from: ":1.3") == [.serviceLost, .serviceBack, change])
        for (old, new) in [(":1.1", ""), ("", ":1.2"), (":1.2", ""), ("", ":1.3")] {
            #expect(watch.ownerChanged(from: old, to: new) == [])
        }
    }
}
