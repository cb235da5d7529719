import Glibc
import Testing
import VMModel
import VMTemplates
import VMTestSupport

@testable import VMCore

/// VMs that are made from files that the caller hands over.
@Suite(.timeLimit(.minutes(1))) struct ImportCreationTests {
    private static let gibibyte: UInt64 = 1 << 30

    private func request(
        iso: TestFile? = nil, image: TestFile? = nil, gibibytes: UInt64? = nil
    ) -> CreateRequest {
        var request = linuxRequest()
        request.iso = iso?.file
        request.diskImage = image?.file
        if let gibibytes { request.values["disk_size_gb"] = .integer(gibibytes) }
        return request
    }

    @Test func anImageBecomesTheDiskAsItIs() async throws {
        let rig = try await Rig()
        let bytes = TestImage.qcow2(size: 3 << 30)
        let image = TestFile(bytes)
        let uuid = try await rig.manager.create(request(image: image), owner: 0)
        let path = "/pool/debian-\(uuid).qcow2"
        #expect(rig.fake.world.disks == [path: 3 << 30])
        #expect(rig.fake.world.contents == [path: bytes])
        #expect(rig.fake.world.machines[uuid]?.xml.contains("<driver type='qcow2'/>") == true)
        #expect(rig.fake.changes == [.prepareNetwork, .createVolume, .fill, .define])
        #expect(rig.fake.world.media.isEmpty)
    }

    @Test func aRawImageHasItsSizeFromTheBeginning() async throws {
        let rig = try await Rig()
        let image = TestFile(TestImage.raw(70_144))
        let uuid = try await rig.manager.create(request(image: image, gibibytes: 2), owner: 0)
        let path = "/pool/debian-\(uuid).raw"
        #expect(rig.fake.world.disks == [path: 2 << 30])
        #expect(rig.fake.world.contents[path]?.count == 70_144)
        #expect(rig.fake.world.machines[uuid]?.xml.contains("<driver type='raw'/>") == true)
        #expect(!rig.fake.changes.contains(.growDisk))
        // And it goes with the VM.
        let kept = try await rig.manager.delete(uuid, deleteDisks: true)
        #expect(kept.isEmpty)
        #expect(rig.fake.world.disks.isEmpty)
    }

    @Test func aRawImageWithoutASizeKeepsItsOwn() async throws {
        let rig = try await Rig()
        let image = TestFile(TestImage.raw(70_144))
        let uuid = try await rig.manager.create(request(image: image), owner: 0)
        #expect(rig.fake.world.disks == ["/pool/debian-\(uuid).raw": 70_144])
    }

    @Test func aQcow2ImageGrowsAfterwards() async throws {
        let rig = try await Rig()
        let image = TestFile(TestImage.qcow2(size: Self.gibibyte))
        let uuid = try await rig.manager.create(request(image: image, gibibytes: 5), owner: 0)
        #expect(rig.fake.world.disks == ["/pool/debian-\(uuid).qcow2": 5 << 30])
        #expect(rig.fake.calls.contains { $0.step == .createVolume && $0.detail == "disks qcow2 \(Self.gibibyte)" })
        #expect(rig.fake.changes == [.prepareNetwork, .createVolume, .fill, .growDisk, .define])
    }

    @Test func anImageOfThatSizeStaysAsItIs() async throws {
        let rig = try await Rig()
        let image = TestFile(TestImage.qcow2(size: Self.gibibyte))
        _ = try await rig.manager.create(request(image: image, gibibytes: 1), owner: 0)
        #expect(!rig.fake.changes.contains(.growDisk))
    }

    @Test func anImageThatIsLargerIsRefused() async throws {
        let rig = try await Rig()
        let image = TestFile(TestImage.qcow2(size: Self.gibibyte + 512))
        let error = await rig.failureCreating(request(image: image, gibibytes: 1))
        #expect(error?.code == .invalidArgument)
        #expect(
            error?.message
                == "cannot create 'debian': the disk image is larger than disk_size_gb; give at least 2, or nothing to keep its size"
        )
        #expect(rig.fake.changes.isEmpty)
    }

    @Test func anImageWithABackingFileIsRefused() async throws {
        let rig = try await Rig()
        let image = TestFile(TestImage.qcow2((8, TestImage.be(UInt64(0x200)))))
        let error = await rig.failureCreating(request(image: image))
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("backing file") == true)
        #expect(rig.fake.changes.isEmpty)
        #expect(await rig.inventory.vms.isEmpty)
    }

    /// The header that was checked is the one that is copied, whoever writes the file meanwhile.
    @Test func theHeaderThatIsCheckedIsTheOneThatIsCopied() async throws {
        let rig = try await Rig()
        let bytes = TestImage.qcow2(size: Self.gibibyte) + [UInt8](repeating: 1, count: 100)
        let image = TestFile(bytes)
        let gate = rig.fake.hold(.createVolume)
        let creating = Task { [request = request(image: image)] in try await rig.manager.create(request, owner: 0) }
        try await gate.reached()
        image.overwrite(at: 8, [1])
        gate.open()
        let uuid = try await creating.value
        #expect(rig.fake.world.contents["/pool/debian-\(uuid).qcow2"] == bytes)
    }

    @Test func aTemplateWithoutFormatsTakesNoRawImage() async throws {
        let text = TestTemplates.text(guest: "linux").split(separator: "\n").filter { !$0.contains("disk_format") }
        let templates = try TestTemplates(["plain": text.joined(separator: "\n")])
        let rig = try await Rig()
        let manager = VMManager(
            inventory: rig.inventory, hypervisor: rig.fake, templates: templates.library, intents: MemoryIntents(),
            seeds: FakeSeeds())
        let image = TestFile(TestImage.raw())
        var request = request(image: image)
        request.template = "plain"
        let error = await failure { [request] in _ = try await manager.create(request, owner: 0) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("takes no raw disk image") == true)
        #expect(rig.fake.changes.isEmpty)
    }

    // MARK: Media

    @Test func anISOGoesIntoTheLibrary() async throws {
        let rig = try await Rig()
        rig.fake.change { $0.media = ["debian.iso": 1, "debian-2.iso": 1] }
        let iso = TestFile([1, 2, 3])
        let uuid = try await rig.manager.create(request(iso: iso), owner: 0)
        #expect(rig.fake.world.media["debian-3.iso"] == 3)
        #expect(rig.fake.world.contents == ["/library/debian-3.iso": [1, 2, 3]])
        #expect(rig.fake.world.machines[uuid]?.xml.contains("<source dev='/library/debian-3.iso'/>") == true)
        #expect(try await rig.manager.media().count == 3)
        // It is nobody's own: it stays when the VM goes.
        _ = try await rig.manager.delete(uuid, deleteDisks: true)
        #expect(rig.fake.world.media["debian-3.iso"] == 3)
        try await rig.manager.removeMedium(MediaName("debian-3.iso"))
    }

    @Test func bothFilesTellTheirProgressTogether() async throws {
        let rig = try await Rig()
        let (iso, image) = (TestFile([UInt8](repeating: 1, count: 100)), TestFile(TestImage.raw(512)))
        let configuration = try VMConfiguration(request(iso: iso, image: image), templates: rig.templates.library)
        try await rig.manager.withSources(of: configuration) { (sources) async throws(VMError) in
            for (progress, done, share): (@Sendable (JobControl) -> ImportProgress, UInt64, Double) in [
                (sources.progressOfISO, 50, 50.0 / 612), (sources.progressOfImage, 256, 356.0 / 612),
            ] {
                let told = LogLines()
                progress(JobControl(id: JobID(rawValue: 1), isCancelable: true) { told.add("\($0)") })(done, 512)
                #expect(told.all == ["\(share)"])
            }
        }
    }

    @Test func twoMediaToInstallFromAreOneTooMany() async throws {
        let rig = try await Rig()
        let iso = TestFile([1])
        var request = request(iso: iso)
        request.values["iso_path"] = .string("debian.iso")
        let error = await rig.failureCreating(request)
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("both") == true)
        #expect(rig.fake.changes.isEmpty)
    }

    @Test func aNameIsAMediumOfTheLibrary() async throws {
        let rig = try await Rig()
        var request = linuxRequest()
        request.values["iso_path"] = .string("install.iso")
        #expect(try rig.manager.check(request).hostResources.isEmpty)
        let error = await rig.failureCreating(request)
        #expect(error?.code == .notFound)
        #expect(
            error?.message
                == "cannot create 'debian': iso_path names 'install.iso', and there is no such medium in the library")
        #expect(rig.fake.changes.isEmpty)
        rig.fake.change { $0.media["install.iso"] = 1 }
        #expect(try await rig.manager.render(request, owner: 0).contains("<source dev='/library/install.iso'/>"))
        _ = try await rig.manager.create(request, owner: 0)
    }

    @Test func aPathInTheLibraryIsTakenAsItIs() async throws {
        let rig = try await Rig()
        var request = linuxRequest()
        request.values["iso_path"] = .string("/var/lib/libvirt/neuron-media/by-hand.iso")
        #expect(try rig.manager.check(request).hostResources.isEmpty)
        let uuid = try await rig.manager.create(request, owner: 0)
        let source = "<source dev='/var/lib/libvirt/neuron-media/by-hand.iso'/>"
        #expect(rig.fake.world.machines[uuid]?.xml.contains(source) == true)
    }

    // MARK: Failures

    struct Fault: Sendable {
        let step: FakeHypervisor.Step
        let code: VMError.Code
        var moment = FakeHypervisor.Moment.before
        /// How often the step goes well before.
        var skips = 0
    }

    @Test(arguments: [
        Fault(step: .fileFacts, code: .timeout), Fault(step: .readFile, code: .failed),
        Fault(step: .media, code: .failed), Fault(step: .pathOfMedium, code: .failed),
        Fault(step: .hostFacts, code: .failed), Fault(step: .createVolume, code: .noSpace),
        Fault(step: .createVolume, code: .noSpace, skips: 1), Fault(step: .fill, code: .noSpace),
        Fault(step: .fill, code: .noSpace, moment: .after, skips: 1), Fault(step: .fill, code: .cancelled, skips: 1),
        Fault(step: .createVolume, code: .timeout, moment: .after, skips: 1), Fault(step: .growDisk, code: .noSpace),
        Fault(step: .define, code: .failed), Fault(step: .define, code: .timeout, moment: .after),
    ])
    func aFailureLeavesNothing(_ fault: Fault) async throws {
        let rig = try await Rig()
        let (iso, image) = (TestFile([1, 2, 3]), TestFile(TestImage.qcow2(size: Self.gibibyte)))
        let request = request(iso: iso, image: image, gibibytes: 2)
        rig.fake.fail(fault.step, with: VMError(fault.code, "it did not work"), fault.moment, after: fault.skips)
        let error = await rig.failureCreating(request)
        #expect(error?.code == fault.code)
        #expect(error?.message == "cannot create 'debian': it did not work")
        #expect(rig.fake.world == World())
        try await rig.settle()
        #expect(rig.logged.all.isEmpty)
        // Names and places are free again.
        try await eventually("the names to be free") { await rig.inventory.vms.isEmpty && rig.intents.kept.isEmpty }
        let uuid = try await rig.manager.create(request, owner: 0)
        #expect(rig.fake.world.machines[uuid]?.xml.contains("/library/debian.iso") == true)
    }

    @Test(arguments: [FakeHypervisor.Step.fill, .prepareNetwork, .createVolume, .growDisk])
    func cancellingLeavesNothing(_ step: FakeHypervisor.Step) async throws {
        let rig = try await Rig()
        let (iso, image) = (TestFile([1, 2, 3]), TestFile(TestImage.qcow2(size: Self.gibibyte)))
        let gate = rig.fake.hold(step)
        let creating = Task { [request = request(iso: iso, image: image, gibibytes: 2)] in
            await rig.failureCreating(request)
        }
        try await gate.reached()
        let job = try #require(await rig.manager.jobs.all.first)
        let cancelling = Task { try await rig.manager.jobs.cancel(job.id) }
        try await eventually("it to be cancelled") { await rig.manager.jobs.isCancelled(job.id) }
        gate.open()
        try await cancelling.value
        #expect(await creating.value?.code == .cancelled)
        try await rig.settle()
        #expect(rig.fake.world == World())
        #expect(await rig.inventory.vms.isEmpty)
    }
}

extension TestFile {
    /// Writes into it.
    func overwrite(at offset: Int, _ bytes: [UInt8]) {
        let writer = open(path, O_WRONLY | O_CLOEXEC)
        pwrite(writer, bytes, bytes.count, off_t(offset))
        close(writer)
    }
}
