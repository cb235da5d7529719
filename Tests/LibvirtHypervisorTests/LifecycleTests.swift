import Testing
import VMCore
import VMModel

@testable import LibvirtHypervisor

@Suite(.timeLimit(.minutes(1))) struct LifecycleTests {
    @Test func tellsEachTransitionInOrder() async throws {
        try await TestHost.with { host async throws in
            let uuid = try await host.vm().uuid
            try await host.hypervisor.start(uuid)
            try await host.hypervisor.suspend(uuid)
            try await host.hypervisor.resume(uuid)
            try await host.hypervisor.requestShutdown(uuid)
            try await host.hypervisor.start(uuid)
            try await host.hypervisor.destroy(uuid)
            await host.events.wait(for: .stateChanged(uuid, .shutOff, reason: "destroyed"))
            #expect(
                host.events.all.dropFirst() == [
                    .changed(uuid), .stateChanged(uuid, .paused, reason: "user"),
                    .stateChanged(uuid, .running, reason: "unpaused"),
                    .stateChanged(uuid, .shutOff, reason: "shutdown"),
                    .changed(uuid), .stateChanged(uuid, .shutOff, reason: "destroyed"),
                ])
        }
    }

    @Test func readsTheStateThatItTells() async throws {
        try await TestHost.with { host async throws in
            let uuid = try await host.vm().uuid
            try await host.hypervisor.start(uuid)
            #expect(try await host.vm().state == .running)
            try await host.hypervisor.suspend(uuid)
            let paused = try await host.vm()
            #expect(paused.state == .paused && paused.stateReason == "user")
            try await host.hypervisor.resume(uuid)
            try await host.hypervisor.requestReboot(uuid)
            #expect(try await host.vm().state == .running)
            try await host.hypervisor.destroy(uuid)
            let off = try await host.vm()
            #expect(off.state == .shutOff && off.stateReason == "destroyed")
        }
    }

    @Test func definesAndUndefines() async throws {
        try await TestHost.with { host async throws in
            let uuid = VMUUID.random()
            let made = try await host.hypervisor.define(TestHost.domainXML("new", uuid: uuid))
            #expect(made == uuid)
            await host.events.wait(for: .changed(uuid))
            try await host.hypervisor.undefine(uuid)
            await host.events.wait(for: .undefined(uuid))
            #expect(try await host.hypervisor.readVM(uuid) == nil)
            #expect(await failure { try await host.hypervisor.undefine(uuid) }?.code == .notFound)
        }
    }

    @Test func givesAVMThatRunsItsDefinitionBack() async throws {
        try await TestHost.with { host async throws in
            let uuid = try await host.vm().uuid
            try await host.hypervisor.start(uuid)
            try await host.hypervisor.undefine(uuid)
            #expect(try await host.vm().isPersistent == false)
            try await host.hypervisor.restoreDefinition(uuid)
            #expect(try await host.vm().isPersistent == true)
            try await host.hypervisor.destroy(uuid)
            #expect(try await host.vm().state == .shutOff)
        }
    }

    @Test func refusesANameThatIsTaken() async throws {
        try await TestHost.with { host async throws in
            let error = await failure {
                _ = try await host.hypervisor.define(TestHost.domainXML("alpha", uuid: .random()))
            }
            #expect(error?.code == .alreadyExists)
            #expect(error?.cause?.operation == "virDomainDefineXMLFlags")
        }
    }

    @Test(arguments: ["<domain", "<domain/>", "<domain type='test'><name>x</name><strange/></domain>"])
    func refusesADefinitionThatIsWrong(xml: String) async throws {
        try await TestHost.with { host async throws in
            let error = await failure { _ = try await host.hypervisor.define(xml) }
            #expect(error?.code == .templateInvalid)
            // libvirt's words name files of the host: they are for the log only.
            #expect(error?.message.contains("/") == false && error?.cause?.text.isEmpty == false)
        }
    }

    @Test func namesWhatIsNotThere() async throws {
        try await TestHost.with { host async throws in
            let nobody = VMUUID.random()
            #expect(await failure { try await host.hypervisor.start(nobody) }?.code == .notFound)
            #expect(await failure { try await host.hypervisor.destroy(nobody) }?.code == .notFound)
            #expect(await failure { try await host.hypervisor.setAutostart(nobody, true) }?.code == .notFound)
        }
    }

    @Test func refusesWhatTheStateForbids() async throws {
        try await TestHost.with { host async throws in
            let uuid = try await host.vm().uuid
            #expect(await failure { try await host.hypervisor.destroy(uuid) }?.code == .invalidState)
            #expect(try await host.vm().state == .shutOff)
        }
    }

    @Test func setsAutostart() async throws {
        try await TestHost.with { host async throws in
            let uuid = try await host.vm().uuid
            try await host.hypervisor.setAutostart(uuid, true)
            #expect(try await host.vm().autostart)
            try await host.hypervisor.setAutostart(uuid, false)
            #expect(try await !host.vm().autostart)
        }
    }
}
