import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite(.timeLimit(.minutes(1))) struct DeletionTests {
    private let vm = machine("win11")

    /// The path of a disk as this service names those of `vm`.
    private func own(_ directory: String = World.pool) -> String {
        "\(directory)win11-\(vm.uuid).qcow2"
    }

    private func rig(_ disks: VMDisk...) async throws -> Rig {
        let rig = try await Rig()
        rig.fake.put(vm, disks: disks)
        rig.fake.change { world in
            for disk in disks { world.disks[disk.path] = 1 }
            world.disks["/pool/somebody.qcow2"] = 2
        }
        try await rig.inventory.refresh(vm.uuid)
        return rig
    }

    @Test func removesItsOwnDisksAndNamesTheRest() async throws {
        let rig = try await rig(
            VMDisk(path: own(), isOwn: true), VMDisk(path: "/srv/data.qcow2", isOwn: false),
            VMDisk(path: "/srv/windows.iso", isOwn: false))
        let kept = try await rig.manager.delete(vm.uuid, deleteDisks: true)
        #expect(kept == ["/srv/data.qcow2", "/srv/windows.iso"])
        #expect(rig.fake.changes == [.undefine, .deleteVolume])
        #expect(rig.fake.world.disks == ["/srv/data.qcow2": 1, "/srv/windows.iso": 1, "/pool/somebody.qcow2": 2])
        #expect(await rig.vm(vm.uuid) == nil)
        #expect(rig.recorder.of(vm.uuid) == [.added(vm), .removed(vm)])
        #expect(await failure { _ = try await rig.inventory.vm(named: "win11") }?.code == .notFound)
    }

    /// A definition copied by hand names the original's disk, and carries its metadata.
    @Test func aDiskThatAnotherVMNamesIsKept() async throws {
        let rig = try await rig(VMDisk(path: own(), isOwn: true))
        rig.fake.put(machine("copy"), disks: [VMDisk(path: own(), isOwn: true)])
        #expect(try await rig.manager.delete(vm.uuid, deleteDisks: true) == [own()])
        #expect(rig.fake.changes == [.undefine])
        #expect(rig.fake.world.disks[own()] != nil)
    }

    @Test func withoutTheOptionEveryDiskIsKeptAndNamed() async throws {
        let rig = try await rig(VMDisk(path: own(), isOwn: true), VMDisk(path: "/srv/data.qcow2", isOwn: false))
        #expect(try await rig.manager.delete(vm.uuid, deleteDisks: false) == [own(), "/srv/data.qcow2"])
        #expect(rig.fake.changes == [.undefine])
    }

    /// The metadata can be edited with other tools: it alone removes nothing.
    @Test(arguments: [
        "/pool/somebody.qcow2", "/etc/passwd", "/pool/win11.qcow2", "/pool/win11-00000000.qcow2", "", "/", "-.qcow2",
    ])
    func metadataThatLiesIsNotBelieved(_ path: String) async throws {
        let rig = try await rig(VMDisk(path: path, isOwn: true))
        let before = rig.fake.world.disks
        #expect(try await rig.manager.delete(vm.uuid, deleteDisks: true) == [path])
        #expect(rig.fake.changes == [.undefine])
        #expect(rig.fake.world.disks == before)
    }

    @Test func aDiskOutsideThePoolIsKeptWhateverItsName() async throws {
        let path = own("/etc/")
        let rig = try await rig(VMDisk(path: path, isOwn: true))
        #expect(try await rig.manager.delete(vm.uuid, deleteDisks: true) == [path])
        #expect(rig.fake.world.disks[path] == 1)
        #expect(rig.logged.all.count == 1)
    }

    @Test func aDiskOfItsNameThatIsNotItsOwnIsKept() async throws {
        let rig = try await rig(VMDisk(path: own(), isOwn: false))
        #expect(try await rig.manager.delete(vm.uuid, deleteDisks: true) == [own()])
        #expect(rig.fake.world.disks[own()] == 1)
    }

    @Test func aDiskThatCannotBeRemovedIsNamed() async throws {
        let rig = try await rig(VMDisk(path: own(), isOwn: true))
        rig.fake.fail(.deleteVolume, with: VMError(.failed, "no"))
        #expect(try await rig.manager.delete(vm.uuid, deleteDisks: true) == [own()])
        #expect(rig.logged.all.count == 1)
        #expect(await rig.vm(vm.uuid) == nil)
    }

    @Test(arguments: [FakeHypervisor.Step.disks, .undefine])
    func aFailureBeforeItIsGoneTouchesNoDisk(_ step: FakeHypervisor.Step) async throws {
        let rig = try await rig(VMDisk(path: own(), isOwn: true))
        let before = rig.fake.world
        rig.fake.fail(step, vm.uuid, with: VMError(.timeout, "no answer"))
        let error = await failure { _ = try await rig.manager.delete(vm.uuid, deleteDisks: true) }
        #expect(error == VMError(.timeout, "cannot delete 'win11': no answer"))
        #expect(rig.fake.world == before)
        #expect(await rig.vm(vm.uuid) == vm)
    }

    @Test func aVMThatSomebodyStartsMeanwhileStays() async throws {
        let rig = try await rig(VMDisk(path: own(), isOwn: true))
        let undefine = rig.fake.hold(.undefine, vm.uuid)
        let delete = Task { [vm] in try await rig.manager.delete(vm.uuid, deleteDisks: true) }
        try await undefine.reached()
        rig.fake.transition(vm.uuid, to: .running, reason: "booted")
        undefine.open()
        let error = await failure { _ = try await delete.value }
        #expect(error == VMError(.invalidState, "cannot delete 'win11': it was started meanwhile; stop it first"))
        #expect(rig.fake.world.disks[own()] == 1)
        #expect(rig.fake.changes == [.undefine, .restoreDefinition])
        #expect(await rig.vm(vm.uuid)?.state == .running)
        #expect(await rig.vm(vm.uuid)?.isPersistent == true)
        #expect(rig.intents.kept.isEmpty)
    }

    @Test func theSameNameCanBeUsedAnewAtOnce() async throws {
        let rig = try await rig()
        for _ in 0..<5 {
            var request = CreateRequest(name: "again")
            request.guest = .linux
            let uuid = try await rig.manager.create(request, owner: 0)
            #expect(try await rig.manager.delete(uuid, deleteDisks: true).isEmpty)
        }
        #expect(rig.fake.world.disks == ["/pool/somebody.qcow2": 2])
        #expect(Array(rig.fake.world.machines.keys) == [vm.uuid])
    }
}
