import Testing
import VMModel
import VMTemplates
import VMTestSupport

@testable import VMCore

/// A creation that fails leaves what was there before, and nothing else.
@Suite(.timeLimit(.minutes(1))) struct CreationFailureTests {
    /// A step that fails, whether it took effect all the same, and with what.
    struct Fault: Sendable, CustomStringConvertible {
        let step: FakeHypervisor.Step
        let moment: FakeHypervisor.Moment
        let code: VMError.Code
        var description: String { "\(step.rawValue) \(moment) \(code.rawValue)" }

        init(_ step: FakeHypervisor.Step, _ code: VMError.Code, _ moment: FakeHypervisor.Moment = .before) {
            self.step = step
            self.code = code
            self.moment = moment
        }
    }

    static let faults: [Fault] = [
        Fault(.hostFacts, .timeout), Fault(.hostFacts, .failed), Fault(.pathOfDisk, .failed),
        Fault(.pathOfDisk, .timeout),
        Fault(.prepareNetwork, .failed), Fault(.prepareNetwork, .timeout),
        Fault(.createDisk, .noSpace), Fault(.createDisk, .alreadyExists), Fault(.createDisk, .failed),
        Fault(.createDisk, .timeout), Fault(.createDisk, .timeout, .after),
        Fault(.define, .templateInvalid), Fault(.define, .hostUnsupported), Fault(.define, .alreadyExists),
        Fault(.define, .failed), Fault(.define, .timeout), Fault(.define, .timeout, .after),
        Fault(.setAutostart, .failed), Fault(.setAutostart, .timeout, .after),
        Fault(.start, .hostUnsupported), Fault(.start, .failed), Fault(.start, .timeout),
        Fault(.start, .timeout, .after),
    ]

    @Test func aStartThatBeginsWhileItIsTakenBackIsEnded() async throws {
        let rig = try await Rig()
        let before = rig.fake.world
        rig.fake.fail(.start, with: VMError(.timeout, "no answer"))
        let undefine = rig.fake.hold(.undefine)
        var request = linuxRequest()
        request.start = true
        let create = Task { await rig.failureCreating(request) }
        try await undefine.reached()
        let uuid = try #require(rig.fake.world.machines.keys.first)
        rig.fake.change { $0.machines[uuid]?.vm.state = .running }
        undefine.open()
        #expect(await create.value?.code == .timeout)
        try await eventually("the end of it") { await rig.inventory.vms.isEmpty }
        #expect(rig.fake.world == before)
        #expect(await rig.isTrue() && rig.intents.kept.isEmpty)
    }

    @Test(arguments: faults)
    func leavesNothing(_ fault: Fault) async throws {
        let other = machine("other", .running)
        let rig = try await Rig(other)
        rig.fake.change { $0.disks["/pool/other.qcow2"] = 1 }
        let before = rig.fake.world
        let cause = VMError.Cause(domain: 1, code: 2, operation: "virDomain", text: "text")
        rig.fake.fail(fault.step, with: VMError(fault.code, "it did not work", cause: cause), fault.moment)
        var request = linuxRequest()
        request.autostart = true
        request.start = true
        let error = await rig.failureCreating(request)
        #expect(error?.code == fault.code)
        #expect(error?.cause == cause)
        let words = fault.step == .start ? "cannot start 'debian' after creating it" : "cannot create 'debian'"
        #expect(error?.message == "\(words): it did not work")
        try await rig.settle()
        #expect(rig.fake.world == before)
        #expect(rig.logged.all.isEmpty)
        // The name is free again; where libvirt may still be at it, when that must be over.
        try await eventually("the name to be free") { await rig.inventory.vms.map(\.name) == ["other"] }
        #expect(await rig.isTrue() && rig.intents.kept.isEmpty)
        _ = try await rig.manager.create(request, owner: 0)
    }

    @Test func aTemplateThatCannotBeRenderedLeavesNothing() async throws {
        let needy = TestTemplates.text(guest: "linux")
            .replacing(
                "secure_boot: {",
                with: "token: {type: string, maximum: 9, required: true, meaning: T.}\n  secure_boot: {"
            )
            .replacing("{% if secure_boot %}", with: "{{ token }}{% if secure_boot %}")
        let templates = try TestTemplates(["needy": needy])
        #expect(templates.library.rejected.map(\.message).isEmpty)
        let rig = try await Rig()
        let manager = VMManager(
            inventory: rig.inventory, hypervisor: rig.fake, templates: templates.library, intents: MemoryIntents(),
            seeds: FakeSeeds())
        var request = CreateRequest(name: "debian")
        request.template = "needy"
        let error = await failure { [request] in _ = try await manager.create(request, owner: 0) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("token") == true)
        #expect(rig.fake.world == World())
        #expect(await rig.inventory.vms.isEmpty)
        #expect(!rig.fake.changes.contains(.createDisk))
    }

    @Test func aTemplateWithAUUIDOfItsOwnIsRefusedAndTakenBack() async throws {
        let uuid = "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f"
        let templates = try TestTemplates(["fixed": TestTemplates.text(guest: "linux", uuid: uuid)])
        let rig = try await Rig()
        let manager = VMManager(
            inventory: rig.inventory, hypervisor: rig.fake, templates: templates.library, intents: MemoryIntents(),
            seeds: FakeSeeds())
        var request = CreateRequest(name: "debian")
        request.template = "fixed"
        let error = await failure { [request] in _ = try await manager.create(request, owner: 0) }
        #expect(error?.code == .templateInvalid)
        try await rig.settle()
        #expect(rig.fake.world == World())
        #expect(await rig.inventory.vms.isEmpty)
    }

    /// Who reads the XML in another way finds another UUID: what is defined is taken back.
    @Test func aVMThatIsDefinedWithAnotherUUIDIsTakenBack() async throws {
        let text = TestTemplates.text(guest: "linux").replacing(
            "<uuid>", with: "<metadata><uuid>3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f</uuid></metadata><uuid>")
        let templates = try TestTemplates(["fixed": text])
        #expect(templates.library.rejected.isEmpty, "\(templates.library.rejected)")
        let rig = try await Rig()
        let manager = VMManager(
            inventory: rig.inventory, hypervisor: rig.fake, templates: templates.library, intents: MemoryIntents(),
            seeds: FakeSeeds())
        var request = CreateRequest(name: "debian")
        request.template = "fixed"
        let error = await failure { [request] in _ = try await manager.create(request, owner: 0) }
        #expect(error?.message.hasSuffix("template 'fixed' does not use the UUID that it is given") == true)
        #expect(rig.fake.changes.contains(.define))
        try await rig.settle()
        #expect(rig.fake.world == World())
        #expect(await rig.inventory.vms.isEmpty)
    }

    @Test func whatCannotBeTakenBackIsLoggedAndShown() async throws {
        let rig = try await Rig()
        rig.fake.fail(.start, with: VMError(.failed, "no start"))
        rig.fake.fail(.undefine, with: VMError(.failed, "no undefine"))
        rig.fake.fail(.deleteVolume, with: VMError(.failed, "no delete"))
        var request = linuxRequest()
        request.start = true
        let error = await rig.failureCreating(request)
        #expect(error?.message == "cannot start 'debian' after creating it: no start")
        #expect(rig.logged.all.count == 2)
        try await rig.settle()
        #expect(await rig.isTrue())
        #expect(await rig.inventory.vms.map(\.state) == [.shutOff])
    }

    @Test func aConnectionLostOnTheWayEndsWithoutAGhost() async throws {
        let rig = try await Rig()
        let define = rig.fake.hold(.define)
        let create = Task { try await rig.manager.create(linuxRequest(), owner: 0) }
        try await define.reached()
        rig.fake.disconnect()
        define.open()
        #expect(await failure { _ = try await create.value }?.code == .hypervisorUnavailable)
        // What could not be taken back yet keeps its name, and goes with the next connection.
        #expect(await rig.inventory.vms.map(\.state) == [.creating])
        #expect(rig.fake.world.disks.count == 1)
        rig.fake.connect()
        try await eventually("the creation is taken back") { await rig.inventory.vms.isEmpty }
        #expect(rig.fake.world.disks.isEmpty && rig.fake.world.machines.isEmpty)
    }

    // MARK: What belongs to others

    // MARK: Races

    @Test(arguments: [false, true])
    func ofManyCreatesOfOneNameOneWins(_ firstDefineFails: Bool) async throws {
        let rig = try await Rig()
        for round in 0..<20 {
            let name = "vm\(round)"
            if firstDefineFails { rig.fake.fail(.define, with: VMError(.templateInvalid, "no")) }
            let outcomes = await withTaskGroup(of: Result<VMUUID, VMError>.self) { group in
                for number in 0..<50 {
                    group.addTask {
                        var request = linuxRequest(name)
                        request.values = ["disk_size_gb": .integer(UInt64(number + 1))]
                        return await Result { [request] () async throws(VMError) in
                            try await rig.manager.create(request, owner: UInt32(number))
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            let winners = outcomes.compactMap { try? $0.get() }
            let codes = outcomes.compactMap { outcome in
                if case .failure(let error) = outcome { error.code } else { nil }
            }
            if !firstDefineFails { #expect(winners.count == 1) }
            #expect(winners.count <= 1)
            #expect(codes.filter { $0 == .alreadyExists }.count == 50 - winners.count - (firstDefineFails ? 1 : 0))
            let mine = rig.fake.world.machines.values.filter { $0.vm.name == name }
            #expect(mine.map(\.vm.uuid) == winners)
            // The winner's disk is there, and is the one that it asked for.
            for machine in mine {
                let owner = try #require(machine.vm.ownerUID)
                let path = try #require(machine.disks.first?.path)
                #expect(rig.fake.world.disks[path] == UInt64(owner + 1) << 30)
            }
            #expect(rig.fake.world.disks.count == rig.fake.world.machines.count)
        }
        try await rig.settle()
        #expect(await rig.isTrue())
    }

    @Test func manyCreatesOfDifferentNamesAllSucceed() async throws {
        let rig = try await Rig()
        let uuids = try await withThrowingTaskGroup(of: VMUUID.self) { group in
            for number in 0..<50 {
                group.addTask { try await rig.manager.create(linuxRequest("vm\(number)"), owner: 0) }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(uuids.count == 50)
        #expect(rig.fake.world.disks.count == 50)
        #expect(await rig.isTrue())
    }
}

extension Result {
    fileprivate init(_ body: () async throws(Failure) -> Success) async {
        do throws(Failure) {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
