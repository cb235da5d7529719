import Testing
import VMModel
import VMTestSupport

@testable import VMCore

/// What is somebody else's, a creation that fails leaves as it is.
extension CreationFailureTests {
    @Test(arguments: [VMState.running, .shutOff])
    func aVMThatHasTheChosenUUIDIsLeftAlone(_ state: VMState) async throws {
        let rig = try await Rig()
        let theirs = machine("theirs", state)
        rig.fake.put(theirs)
        let before = rig.fake.world
        var request = linuxRequest()
        request.uuid = theirs.uuid
        let error = await rig.failureCreating(request)
        #expect(error?.code == .alreadyExists)
        #expect(rig.fake.world == before)
        try await rig.settle()
        #expect(await rig.isTrue())
    }

    @Test func aVMThatTakesTheChosenUUIDMeanwhileIsLeftAlone() async throws {
        let rig = try await Rig()
        let theirs = machine("theirs", .running)
        var request = linuxRequest()
        request.uuid = theirs.uuid
        let define = rig.fake.hold(.define)
        let create = Task { [request] in try await rig.manager.create(request, owner: 0) }
        try await define.reached()
        rig.fake.put(theirs)
        define.open()
        #expect(await failure { _ = try await create.value }?.code == .alreadyExists)
        #expect(rig.fake.world.machines.mapValues(\.vm) == [theirs.uuid: theirs])
        #expect(rig.fake.world.disks.isEmpty)
    }

    @Test func aVMWithNameAndUUIDChosenIsNotDefinedAnew() async throws {
        let rig = try await Rig()
        let theirs = machine("debian")
        rig.fake.put(theirs)
        let before = rig.fake.world
        var request = linuxRequest()
        request.uuid = theirs.uuid
        #expect(
            await rig.failureCreating(request)?.code == .alreadyExists)
        #expect(rig.fake.world == before)
    }

    @Test func aVMOfTheNameThatNobodyKnewOfIsLeftAlone() async throws {
        let rig = try await Rig()
        rig.fake.put(machine("debian", .running))
        let before = rig.fake.world
        #expect(await rig.failureCreating(linuxRequest())?.code == .alreadyExists)
        #expect(rig.fake.world == before)
    }

    /// A disk that an earlier VM with that UUID left, because it was deleted without its disks.
    @Test func aDiskFromBeforeIsLeftAlone() async throws {
        let rig = try await Rig()
        var request = linuxRequest()
        request.uuid = .random()
        let first = try await rig.manager.create(request, owner: 0)
        let disks = try await rig.manager.delete(first, deleteDisks: false)
        #expect(disks.count == 1)
        let before = rig.fake.world
        rig.intents.fail("forget", with: VMError(.failed, "not wanted"))
        let error = await rig.failureCreating(request)
        #expect(error?.code == .alreadyExists)
        #expect(rig.fake.world == before)
        // Not even noted: a crash here would else take the disk away.
        #expect(rig.intents.history == ["keep create", "forget create"])
    }
}
