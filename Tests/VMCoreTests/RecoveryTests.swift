import Synchronization
import Testing
import VMModel
import VMTestSupport

@testable import VMCore

/// What a process has noted, and the next one makes of it.
@Suite(.timeLimit(.minutes(1))) struct RecoveryTests {
    private func created(_ uuid: VMUUID, isChosen: Bool = false) -> Intent {
        Intent(
            .create, uuid, name: "web", isChosen: isChosen, createdAt: 7, volumes: [World.pool + "web-\(uuid).qcow2"])
    }

    /// A world in which somebody else has a VM and a disk, and what a creation had made when it was cut off.
    private func rig(
        _ intent: Intent, hasDisk: Bool = true, definition: VM? = nil, isConnected: Bool = true
    ) async throws -> Rig {
        let rig = try await Rig(intents: [intent], isStarted: false)
        rig.fake.put(machine("other", .running))
        if let definition { rig.fake.put(definition, disks: intent.volumes.map { VMDisk(path: $0, isOwn: true) }) }
        rig.fake.change { world in
            world.disks["/pool/other.qcow2"] = 1
            if hasDisk { for path in intent.volumes { world.disks[path] = 1 } }
        }
        if !isConnected { rig.fake.disconnect() }
        try await rig.manager.recover()
        try await rig.start()
        return rig
    }

    private func isClean(_ rig: Rig) async throws {
        try await eventually("the intent to be forgotten") { rig.intents.kept.isEmpty }
        try await rig.settle()
        #expect(rig.fake.world.disks == ["/pool/other.qcow2": 1])
        #expect(rig.fake.world.machines.values.map(\.vm.name) == ["other"])
        #expect(await rig.isTrue())
    }

    @Test(arguments: [(false, nil), (true, nil), (true, VMState.shutOff), (true, .running), (true, .paused)])
    func aCreationThatWasCutOffIsTakenBack(_ hasDisk: Bool, _ state: VMState?) async throws {
        let uuid = VMUUID.random()
        let rig = try await rig(
            created(uuid), hasDisk: hasDisk, definition: state.map { machine("web", $0, uuid: uuid) })
        let states = rig.recorder.states(of: uuid)
        #expect(states == [.creating], "it was never shown as anything else")
        try await isClean(rig)
        _ = try await rig.manager.create(linuxRequest("web"), owner: 0)
    }

    @Test func withoutAConnectionItWaitsForOne() async throws {
        let uuid = VMUUID.random()
        let rig = try await rig(created(uuid), definition: machine("web", uuid: uuid), isConnected: false)
        #expect(await rig.inventory.vms.map(\.state) == [.creating])
        #expect(await rig.failureCreating(linuxRequest("web"))?.code == .hypervisorUnavailable)
        rig.fake.connect()
        try await isClean(rig)
    }

    @Test func aVMOfAnotherWithTheChosenUUIDIsLeftAloneWithItsDisk() async throws {
        let uuid = VMUUID.random()
        let theirs = machine("theirs", .running, uuid: uuid)
        let rig = try await rig(created(uuid, isChosen: true), definition: theirs)
        try await eventually("the intent to be forgotten") { rig.intents.kept.isEmpty }
        #expect(rig.fake.world.machines[uuid]?.vm == theirs)
        #expect(rig.fake.world.disks.count == 2)
        try await rig.settle()
        #expect(await rig.isTrue())
    }

    @Test func theChosenUUIDsOwnDefinitionIsTakenBack() async throws {
        let uuid = VMUUID.random()
        var mine = machine("web", uuid: uuid)
        mine.createdAt = 7
        try await isClean(try await rig(created(uuid, isChosen: true), definition: mine))
    }

    @Test func aRemovalIsFinishedWhenTheDefinitionIsGone() async throws {
        let uuid = VMUUID.random()
        try await isClean(try await rig(Intent(.delete, uuid, name: "web", volumes: ["/pool/web-\(uuid).qcow2"])))
    }

    @Test func aRemovalThatHadNotBegunIsForgotten() async throws {
        let uuid = VMUUID.random()
        let vm = machine("web", uuid: uuid)
        let rig = try await rig(
            Intent(.delete, uuid, name: "web", volumes: ["/pool/web-\(uuid).qcow2"]), definition: vm)
        try await eventually("the intent to be forgotten") { rig.intents.kept.isEmpty }
        #expect(rig.fake.world.machines[uuid]?.vm == vm && rig.fake.world.disks.count == 2)
    }

    @Test func anImportThatWasCutOffIsRemoved() async throws {
        try await isClean(try await rig(Intent(.importMedia, .random(), name: "x.iso", volumes: ["/pool/x.iso"])))
    }

    @Test func whatCameLateIsFoundAtTheSecondLook() async throws {
        let uuid = VMUUID.random()
        let intent = created(uuid)
        let rig = try await Rig(intents: [intent], isStarted: false)
        rig.fake.change { $0.disks["/pool/other.qcow2"] = 1 }
        rig.fake.put(machine("other", .running))
        let look = rig.fake.hold(.deleteVolume, nil, .after)
        try await rig.manager.recover()
        try await rig.start()
        try await look.reached()
        rig.fake.change { $0.disks[intent.volumes[0]] = 1 }
        rig.fake.put(machine("web", uuid: uuid))
        look.open()
        try await isClean(rig)
    }

    /// libvirt does not answer, or is still making the disk that the process which ended had asked for.
    @Test(arguments: [VMError.Code.timeout, .busy]) func aCallThatHasNoEndIsMadeAgain(_ code: VMError.Code) async throws
    {
        let uuid = VMUUID.random()
        let rig = try await Rig(intents: [created(uuid)], isStarted: false)
        rig.fake.put(machine("other", .running))
        rig.fake.change { $0.disks = ["/pool/other.qcow2": 1, World.pool + "web-\(uuid).qcow2": 1] }
        rig.fake.fail(.deleteVolume, with: VMError(code, "not now"), times: 2)
        try await rig.manager.recover()
        try await rig.start()
        try await isClean(rig)
    }

    // MARK: What is noted, and when

    @Test func aCreationIsNotedBeforeAnythingIsMadeAndForgottenWhenItIsThere() async throws {
        let rig = try await Rig()
        let gate = rig.fake.hold(.createDisk)
        let create = Task { try await rig.manager.create(linuxRequest("web"), owner: 0) }
        try await gate.reached()
        let kept = try #require(rig.intents.kept.first)
        gate.open()
        let uuid = try await create.value
        #expect(kept.kind == .create && kept.uuid == uuid && kept.name == "web" && !kept.isChosen)
        #expect(kept.volumes == Array(rig.fake.world.disks.keys))
        #expect(rig.intents.history == ["keep create", "forget create"])
    }

    @Test(arguments: ["keep", "forget"])
    func withoutItsNoteNothingIsMade(_ action: String) async throws {
        let rig = try await Rig()
        rig.intents.fail(action, with: VMError(.noSpace, "the disk is full"))
        let error = await rig.failureCreating(linuxRequest("web"))
        #expect(error == VMError(.noSpace, "cannot create 'web': the disk is full"))
        try await rig.settle()
        #expect(rig.fake.world == World())
        #expect(await rig.inventory.vms.isEmpty && rig.intents.kept.isEmpty)
    }

    @Test func aRemovalWithDisksIsNotedAndWithoutThemIsNot() async throws {
        let rig = try await Rig()
        let first = try await rig.manager.create(linuxRequest("a"), owner: 0)
        let second = try await rig.manager.create(linuxRequest("b"), owner: 0)
        _ = try await rig.manager.delete(first, deleteDisks: true)
        _ = try await rig.manager.delete(second, deleteDisks: false)
        #expect(rig.intents.history.suffix(2) == ["keep delete", "forget delete"])
        #expect(rig.intents.history.count == 6 && rig.intents.kept.isEmpty)
    }

    @Test func aNoteThatCannotBeRemovedAtOnceIsRemovedAllTheSame() async throws {
        let rig = try await Rig()
        let uuid = try await rig.manager.create(linuxRequest("a"), owner: 0)
        rig.intents.fail("forget", with: VMError(.failed, "an error of the moment"))
        #expect(try await rig.manager.delete(uuid, deleteDisks: true).isEmpty)
        #expect(rig.intents.kept.isEmpty && rig.logged.all.isEmpty)
    }

    @Test func aRemovalThatCannotBeNotedRemovesNothing() async throws {
        let rig = try await Rig()
        let uuid = try await rig.manager.create(linuxRequest("a"), owner: 0)
        let before = rig.fake.world
        rig.intents.fail("keep", with: VMError(.noSpace, "the disk is full"))
        #expect(await failure { _ = try await rig.manager.delete(uuid, deleteDisks: true) }?.code == .noSpace)
        #expect(rig.fake.world == before)
    }

    @Test(arguments: [VMError.Code.failed, .timeout])
    func aDefinitionThatStaysKeepsItsDisks(_ code: VMError.Code) async throws {
        let rig = try await Rig()
        let uuid = try await rig.manager.create(linuxRequest("a"), owner: 0)
        let before = rig.fake.world
        rig.fake.fail(.undefine, with: VMError(code, "no"))
        #expect(await failure { _ = try await rig.manager.delete(uuid, deleteDisks: true) }?.code == code)
        try await eventually("the intent to be forgotten") { rig.intents.kept.isEmpty }
        #expect(rig.fake.world == before)
    }

    @Test func aDefinitionThatWentWithoutAnAnswerTakesItsDisksAlong() async throws {
        let rig = try await Rig()
        let uuid = try await rig.manager.create(linuxRequest("a"), owner: 0)
        rig.fake.fail(.undefine, with: VMError(.timeout, "no answer"), .after)
        #expect(await failure { _ = try await rig.manager.delete(uuid, deleteDisks: true) }?.code == .timeout)
        try await eventually("the intent to be forgotten") { rig.intents.kept.isEmpty }
        #expect(rig.fake.world == World())
    }

    /// The VM is gone, so that it is no failure: the disk follows as soon as libvirt lets it.
    @Test(arguments: [FakeHypervisor.Step.readVM, .vmsUsing, .deleteVolume])
    func aDiskThatCannotBeRemovedNowIsRemovedLater(_ step: FakeHypervisor.Step) async throws {
        for code in [VMError.Code.timeout, .busy, .hypervisorUnavailable] {
            let rig = try await Rig()
            let uuid = try await rig.manager.create(linuxRequest("a"), owner: 0)
            rig.fake.fail(step, with: VMError(code, "not now"), times: step == .readVM ? 1 : 2)
            #expect(try await rig.manager.delete(uuid, deleteDisks: true).isEmpty)
            try await eventually("the intent to be forgotten") { rig.intents.kept.isEmpty }
            #expect(rig.fake.world == World())
        }
    }

    @Test(arguments: [VMError.Code.timeout, .busy])
    func aFailedCreationsDiskThatCannotBeRemovedNowIsRemovedLater(_ code: VMError.Code) async throws {
        let rig = try await Rig()
        rig.fake.fail(.define, with: VMError(.templateInvalid, "no"))
        rig.fake.fail(.deleteVolume, with: VMError(code, "not now"), times: 3)
        #expect(await rig.failureCreating(linuxRequest("web"))?.code == .templateInvalid)
        try await eventually("the intent to be forgotten") { rig.intents.kept.isEmpty }
        #expect(rig.fake.world == World())
    }

    // MARK: What somebody does meanwhile

    /// A removal of which nothing is known does not go on when the VM is removed anew, in another way.
    @Test func aLaterRemovalThatKeepsTheDisksKeepsThem() async throws {
        let rig = try await Rig()
        let uuid = try await rig.manager.create(linuxRequest("a"), owner: 0)
        let disk = try #require(rig.fake.world.disks.keys.first)
        rig.fake.fail(.undefine, with: VMError(.timeout, "no answer"))
        // The look after it comes when the second removal has its turn.
        let held = rig.fake.hold(.disks, nil, .before, times: 2)
        let first = Task { await failure { _ = try await rig.manager.delete(uuid, deleteDisks: true) } }
        try await held.reached()
        let second = Task { try await rig.manager.delete(uuid, deleteDisks: false) }
        try await eventually("the second removal to wait") { await rig.manager.turns.numberWaiting(for: uuid) == 1 }
        held.open()
        #expect(await first.value?.code == .timeout)
        #expect(try await second.value == [disk])
        try await eventually("nothing to be left to do") {
            let isIdle = await rig.manager.turns.isEmpty
            return isIdle && rig.intents.kept.isEmpty && rig.manager.openDeletions.withLock { $0.isEmpty }
        }
        #expect(Array(rig.fake.world.disks.keys) == [disk])
    }

    /// What libvirt may still be at is taken back later: until then nobody else has the names.
    @Test func theNamesOfAnOpenFailureStayTaken() async throws {
        let rig = try await Rig()
        rig.fake.fail(.define, with: VMError(.timeout, "no answer"))
        let look = rig.fake.hold(.vmsUsing)
        var request = linuxRequest("web")
        let file = TestFile([1, 2, 3])
        request.iso = file.file
        #expect(await rig.failureCreating(request)?.code == .timeout)
        #expect(await rig.failureCreating(linuxRequest("web"))?.code == .alreadyExists)
        let importing = await failure {
            _ = try await rig.manager.importMedium(MediaName("web.iso"), from: file.file, by: 0)
        }
        #expect(importing?.code == .alreadyExists)
        look.open()
        try await eventually("the names to be free") { await rig.inventory.vms.isEmpty }
        _ = try await rig.manager.importMedium(MediaName("web.iso"), from: file.file, by: 0)
        #expect(rig.fake.world.media == ["web.iso": 3])
    }

    @Test func aMediumThatIsAboutToGoIsNobodys() async throws {
        let intent = Intent(.importMedia, .random(), name: "x.iso", volumes: ["/library/x.iso"])
        let rig = try await Rig(intents: [intent], isStarted: false)
        rig.fake.change { $0.media["x.iso"] = 1 }
        let look = rig.fake.hold(.deleteVolume)
        try await rig.manager.recover()
        try await rig.start()
        try await look.reached()
        #expect(try await rig.manager.media().isEmpty)
        let file = TestFile([1, 2])
        let importing = await failure {
            _ = try await rig.manager.importMedium(MediaName("x.iso"), from: file.file, by: 0)
        }
        #expect(importing?.code == .alreadyExists)
        look.open()
        try await eventually("the name to be free") {
            (try? await rig.manager.importMedium(MediaName("x.iso"), from: file.file, by: 0)) != nil
        }
        #expect(rig.fake.world.media == ["x.iso": 2])
    }
}
