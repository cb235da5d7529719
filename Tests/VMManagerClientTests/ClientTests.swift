import DBus
import Synchronization
import Testing
import VMManagerAPI
import VMModel

@testable import VMManagerClient

/// The client against the contract on a real bus.
struct ClientTests {
    private let uuid = VM.sample.uuid

    @Test func readsAreTyped() async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus)
            let client = VMManagerClient(connection: try await bus.connect())
            let summary = VMSummary(
                uuid: uuid, name: "sample", state: "running", memoryMB: 2048, vcpus: 2, autostart: true)
            #expect(try await client.vms() == [summary])
            #expect(try await client.uuid(of: .name("sample")) == uuid)
            #expect(try await client.uuid(of: .uuid(uuid)) == uuid)
            #expect(try await client.details(of: .name("sample")).name == "sample")
            #expect(try await client.details(of: .uuid(uuid)).memoryMB == 2048)
            #expect(try await client.templates().map(\.name) == ["linux-basic"])
            #expect(try await client.checkHost() == [HostCheck("kvm", "warn", "not usable", advice: "load it")])
            let members = ["ListVMs", "GetVM", "GetVMByUUID", "GetVM", "ListTemplates", "CheckHost"]
            #expect(service.calls.map(\.member) == members)
            #expect(service.calls.allSatisfy { !$0.allowsInteractiveAuthorization })
        }
    }

    @Test func aNameIsActedOnInOneCall() async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus)
            let client = VMManagerClient(connection: try await bus.connect())
            try await client.start(.name("a"))
            try await client.stop(.name("a"), timeout: 5, force: true)
            try await client.destroy(.name("a"))
            try await client.pause(.name("a"))
            try await client.resume(.name("a"))
            try await client.reboot(.name("a"))
            #expect(try await client.delete(.name("a"), deleteDisks: true) == ["/kept.qcow2"])
            let calls = service.calls
            #expect(
                calls.map(\.member) == [
                    "StartVM", "StopVM", "DestroyVM", "PauseVM", "ResumeVM", "RebootVM", "DeleteVM",
                ])
            #expect(calls.allSatisfy { $0.path == BusNames.manager && $0.arguments.first == .string("a") })
            #expect(calls[1].arguments[1] == .options([("timeout", .uint32(5)), ("force", .boolean(true))]))
            #expect(calls[6].arguments[1] == .options([("delete_disks", .boolean(true))]))
            #expect(calls.allSatisfy { !$0.allowsInteractiveAuthorization })
        }
    }

    @Test func aUUIDIsActedOnAtItsObject() async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus)
            let client = VMManagerClient(connection: try await bus.connect(), allowsPrompts: false)
            let vm = VMReference.uuid(uuid)
            try await client.start(vm)
            try await client.stop(vm)
            try await client.destroy(vm)
            try await client.pause(vm)
            try await client.resume(vm)
            try await client.reboot(vm)
            try await client.reset(vm)
            #expect(try await client.delete(vm) == ["/kept.qcow2"])
            try await client.setAutostart(vm, true)
            #expect(try await client.xml(of: vm) == "<domain/>")
            let calls = service.calls
            #expect(calls.map(\.member) == VMMethod.allCases.map(\.rawValue))
            #expect(calls.allSatisfy { $0.path == BusNames.path(of: uuid) && !$0.allowsInteractiveAuthorization })
            #expect(calls[1].arguments == [.options([("timeout", .uint32(60))])])
            #expect(calls[8].arguments == [.boolean(true), .options([])])
        }
    }

    @Test func whatOnlyTheObjectCanIsLookedUpFirst() async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus)
            let client = VMManagerClient(connection: try await bus.connect())
            try await client.setAutostart(.name("sample"), false)
            #expect(service.calls.map(\.member) == ["GetVM", "SetAutostart"])
        }
    }

    @Test func creationAndRendering() async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus)
            let client = VMManagerClient(connection: try await bus.connect())
            var vm = NewVM(name: "new")
            vm.template = "linux-basic"
            #expect(try await client.create(vm) == uuid)
            #expect(try await client.render(vm) == "<domain/>")
            #expect(
                service.calls.map(\.arguments) == [
                    [.string("new"), .options([("template", .string("linux-basic"))])],
                    [.string("linux-basic"), .string("new"), .options([])],
                ])
            await #expect(throws: VMError.self) { try await client.render(NewVM(name: "new")) }
        }
    }

    @Test func failuresAreTyped() async throws {
        try await TestBus.with { bus in
            let client = VMManagerClient(connection: try await bus.connect())
            let absent = await #expect(throws: ClientError.self) { try await client.vms() }
            #expect(absent?.kind == .serviceNotRunning)

            let refusal = VMError(.invalidState, "cannot pause 'a': it is shut-off")
            let service = try await FakeService(on: bus) { call in
                switch call.member {
                case "PauseVM": throw refusal.busError
                case "DeleteVM": throw DBusError.accessDenied("DeleteVM needs org.neuronos.vmmanager.delete.any")
                default: return FakeService.usualAnswer(call)
                }
            }
            await #expect(throws: refusal) { try await client.pause(.name("a")) }
            let denied = await #expect(throws: ClientError.self) { try await client.delete(.name("a")) }
            #expect(denied?.message.contains("org.neuronos.vmmanager.delete.any") == true)
            // Refused by the bus itself, as its policy says.
            let byBus = await #expect(throws: ClientError.self) { try await client.reset(.name("a")) }
            #expect(byBus?.kind == .accessDenied)
            let missing = VMUUID(high: 1, low: 2)
            let unknown = await #expect(throws: VMError.self) { try await client.start(.uuid(missing)) }
            #expect(unknown?.code == .notFound)
            await #expect(throws: VMError.self) { try await client.details(of: .uuid(missing)) }
            _ = service
        }
    }

    /// Nobody is asked where nobody has to be; an agent is fetched where there is none; and prompts come one after the other.
    @Test(arguments: [false, true])
    func whoHasToAuthenticateIsAskedOneAtATime(_ hasAgent: Bool) async throws {
        try await TestBus.with { bus in
            let agents = Mutex(hasAgent ? 1 : 0)
            let prompts = Mutex(0)
            let most = Mutex(0)
            let service = try await FakeService(on: bus) { call in
                if call.member == "ResumeVM" { return [] }
                guard call.allowsInteractiveAuthorization, agents.withLock({ $0 }) > 0 else {
                    throw DBusError.interactiveAuthorizationRequired("somebody has to authenticate")
                }
                let open = prompts.withLock { prompts in
                    prompts += 1
                    return prompts
                }
                most.withLock { $0 = max($0, open) }
                for _ in 0..<20 { await Task.yield() }
                prompts.withLock { $0 -= 1 }
                return []
            }
            var client = VMManagerClient(connection: try await bus.connect())
            client.provideAgent = {
                agents.withLock { $0 += 1 }
                return true
            }
            try await client.resume(.name("a"))
            try await withThrowingTaskGroup { [client] group in
                for name in ["a", "b", "c", "d"] { group.addTask { try await client.pause(.name(name)) } }
                try await group.waitForAll()
            }
            #expect(most.withLock { $0 } == 1)
            #expect(agents.withLock { $0 } == 1)
            let expected = hasAgent ? 9 : 10
            #expect(service.calls.count == expected)
        }
    }

    @Test(arguments: [false, true])
    func withoutAnAgentOrLeaveToAskItSaysSo(_ allowsPrompts: Bool) async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus) { _ in
                throw DBusError.interactiveAuthorizationRequired("somebody has to authenticate")
            }
            let client = VMManagerClient(connection: try await bus.connect(), allowsPrompts: allowsPrompts)
            let error = await #expect(throws: ClientError.self) { try await client.pause(.name("a")) }
            #expect(error?.kind == .authorizationRequired)
            #expect(service.calls.map(\.allowsInteractiveAuthorization) == (allowsPrompts ? [false, true] : [false]))
        }
    }

    @Test func aHungServiceIsGivenUp() async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus) { _ in
                try await Task.sleep(for: .seconds(3600))
                return []
            }
            let client = VMManagerClient(connection: try await bus.connect())
            var call = Call.manager(.startVM, [.string("a"), .options([])])
            call.patience = .milliseconds(50)
            let error = await #expect(throws: ClientError.self) { try await client.call(call) }
            #expect(error?.kind == .noReply)
            #expect(service.calls.count == 1)
        }
    }

    @Test func aServiceThatEndsIsNotWaitedFor() async throws {
        try await TestBus.with { bus in
            let (started, signal) = AsyncStream<Void>.makeStream()
            let service = try await FakeService(on: bus) { _ in
                signal.yield()
                try await Task.sleep(for: .seconds(3600))
                return []
            }
            let client = VMManagerClient(connection: try await bus.connect())
            async let stopping: Void = client.stop(.name("a"))
            for await _ in started { break }
            await service.end()
            do {
                try await stopping
                Issue.record("the call succeeded without a reply")
            } catch {
                #expect((error as? ClientError)?.kind == .noReply)
            }
        }
    }

    @Test func withoutABusItSaysSo() async {
        let error = await #expect(throws: ClientError.self) {
            try await VMManagerClient.connect(bus: .address("unix:path=/nonexistent/bus"))
        }
        #expect(error?.kind == .busUnreachable)
    }

    @Test func aConnectionOfItsOwnIsClosed() async throws {
        try await TestBus.with { bus in
            let client = try await VMManagerClient.connect(bus: .address(bus.address))
            await client.close()
            let error = await #expect(throws: ClientError.self) { try await client.vms() }
            #expect(error?.kind == .busUnreachable)
        }
    }

    @Test func deadlinesFollowTheWork() {
        let stop = Call.manager(.stopVM, patience: .seconds(90))
        #expect(stop.timeout(mayPrompt: false) == .seconds(90))
        #expect(stop.timeout(mayPrompt: true) >= .seconds(90))
        #expect(Call.manager(.listVMs).timeout(mayPrompt: false) == .seconds(25))
    }
}
