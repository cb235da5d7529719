import Testing
import VMModel
import VMTemplates
import VMTestSupport

@testable import VMCore

/// When a medium may go, and when it is needed.
@Suite(.timeLimit(.minutes(1))) struct MediaRemovalTests {
    private func name(_ text: String = "debian.iso") throws -> MediaName { try MediaName(text) }

    private func failureImporting(_ rig: Rig, _ file: ImportFile) async -> VMError? {
        await failure { _ = try await rig.manager.importMedium(name(), from: file, by: 0) }
    }

    @Test func removesWhatNobodyHas() async throws {
        let rig = try await Rig()
        rig.fake.change { $0.media = ["debian.iso": 5, "other.iso": 6] }
        try await rig.manager.removeMedium(name())
        #expect(rig.fake.world.media == ["other.iso": 6])
        let error = await failure { try await rig.manager.removeMedium(name()) }
        #expect(error?.code == .notFound)
        #expect(error?.message == "cannot remove 'debian.iso': there is no medium of that name")
    }

    @Test func keepsWhatAVMHas() async throws {
        let rig = try await Rig()
        let vm = machine("web")
        rig.fake.put(vm, disks: [VMDisk(path: "/library/debian.iso", isOwn: false)])
        rig.fake.change { $0.media["debian.iso"] = 5 }
        await rig.manager.lookForVM(named: "web")
        let error = await failure { try await rig.manager.removeMedium(name()) }
        #expect(error?.code == .busy)
        #expect(error?.message == "cannot remove 'debian.iso': the VM 'web' has it")
        #expect(rig.fake.world.media == ["debian.iso": 5])
    }

    @Test func keepsWhatAVMIsJustMadeWith() async throws {
        let rig = try await Rig()
        rig.fake.change { $0.media["debian.iso"] = 5 }
        let gate = rig.fake.hold(.define)
        var request = linuxRequest()
        request.values["iso_path"] = .string("debian.iso")
        let creating = Task { [request] in try await rig.manager.create(request, owner: 0) }
        try await gate.reached()
        #expect(await failure { try await rig.manager.removeMedium(name()) }?.code == .busy)
        gate.open()
        let uuid = try await creating.value
        #expect(rig.fake.world.machines[uuid]?.xml.contains("<source dev='/library/debian.iso'/>") == true)
        // The fake looks only at disks; nothing keeps it any more but the VM.
        try await rig.manager.removeMedium(name())
    }

    @Test func whatIsBeingRemovedIsNotUsed() async throws {
        let rig = try await Rig()
        rig.fake.change { $0.media["debian.iso"] = 5 }
        let gate = rig.fake.hold(.deleteVolume)
        let removing = Task { try await rig.manager.removeMedium(name()) }
        try await gate.reached()
        var request = linuxRequest()
        request.values["iso_path"] = .string("debian.iso")
        #expect(await rig.failureCreating(request)?.code == .busy)
        #expect(await failureImporting(rig, TestFile([1]).file)?.code == .busy)
        #expect(await failure { try await rig.manager.removeMedium(name()) }?.code == .busy)
        gate.open()
        try await removing.value
        #expect(await rig.failureCreating(request)?.code == .notFound)
    }
}
