import Glibc
import Testing
import VMModel
import VMTemplates
import VMTestSupport

@testable import VMCore

/// A file of a test, open; it is gone from its directory when nobody has it open here.
final class TestFile: Sendable {
    let file: ImportFile
    let path: String

    init(_ bytes: [UInt8], flags: Int32 = O_RDONLY) {
        path = "/tmp/import-\(VMUUID.random())"
        let writer = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(writer, $0.baseAddress, $0.count) }
            if count <= 0 { break }
            rest = rest.dropFirst(count)
        }
        close(writer)
        file = ImportFile(Descriptor(open(path, flags | O_CLOEXEC), of: path))
    }

    /// Cuts it.
    func truncate(to size: Int) { _ = Glibc.truncate(path, off_t(size)) }
}

/// Closes a descriptor when it goes, and removes its file.
final class Descriptor: Sendable {
    let number: Int32
    private let path: String?

    init(_ number: Int32, of path: String? = nil) {
        self.number = number
        self.path = path
    }

    deinit {
        close(number)
        if let path { unlink(path) }
    }
}

extension ImportFile {
    convenience init(_ descriptor: Descriptor) { self.init(descriptor.number, ownedBy: descriptor) }
}

@Suite(.timeLimit(.minutes(1))) struct MediaTests {
    private func name(_ text: String = "debian.iso") throws -> MediaName { try MediaName(text) }

    private func failureImporting(_ rig: Rig, _ file: ImportFile, _ text: String = "debian.iso") async -> VMError? {
        await failure { _ = try await rig.manager.importMedium(MediaName(text), from: file, by: 0) }
    }

    @Test func copiesAFileAndListsIt() async throws {
        let rig = try await Rig()
        let source = TestFile(Array("bytes of a medium".utf8))
        let path = try await rig.manager.importMedium(name(), from: source.file, by: 1000)
        #expect(path == "/library/debian.iso")
        #expect(rig.fake.world.contents == [path: Array("bytes of a medium".utf8)])
        #expect(try await rig.manager.media() == [Medium(name: "debian.iso", sizeBytes: 17)])
        let job = try #require(await rig.manager.jobs.all.first)
        #expect(job.operation == .importMedia && job.target == "debian.iso" && job.startedByUID == 1000)
        #expect(job.vms.isEmpty && job.progress == 1)
        #expect(rig.intents.history == ["keep import-media", "forget import-media"])
        #expect(rig.fake.changes == [.createVolume, .fill])
    }

    @Test func mediaAreSortedByName() async throws {
        let rig = try await Rig()
        rig.fake.change { $0.media = ["b": 1, "a": 2, "B": 3, "\u{e9}": 4] }
        #expect(try await rig.manager.media().map(\.name) == ["B", "a", "b", "\u{e9}"])
    }

    @Test func aNameThatIsTakenStaysAsItIs() async throws {
        let rig = try await Rig()
        rig.fake.change { $0.media["debian.iso"] = 5 }
        let error = await failureImporting(rig, TestFile([1]).file)
        #expect(error?.code == .alreadyExists)
        #expect(error?.message == "cannot import 'debian.iso': there is a medium of that name")
        #expect(rig.fake.world.media == ["debian.iso": 5])
        #expect(rig.fake.changes.isEmpty)
    }

    /// Another tool makes a file of that name in this moment: it is not ours to remove.
    @Test func aNameThatIsJustTakenStaysAsItIs() async throws {
        let rig = try await Rig()
        rig.fake.fail(.createVolume, with: VMError(.alreadyExists, "there is such a file"))
        #expect(await failureImporting(rig, TestFile([1]).file)?.code == .alreadyExists)
        #expect(rig.fake.changes == [.createVolume])
    }

    @Test func whatIsNoFileToReadIsRefused() async throws {
        let rig = try await Rig()
        var ends: [Int32] = [-1, -1]
        pipe(&ends)
        let pipes = ends.map { Descriptor($0) }
        // As memory is that was made to look like a file.
        let nameless = TestFile([1])
        unlink(nameless.path)
        let files = [
            ImportFile(pipes[0]), ImportFile(Descriptor(open("/tmp", O_RDONLY | O_CLOEXEC))),
            ImportFile(Descriptor(open("/dev/zero", O_RDONLY | O_CLOEXEC))), nameless.file,
            TestFile([1], flags: O_WRONLY).file, TestFile([1], flags: 0o10_000_000).file, TestFile([]).file,
        ]
        for file in files {
            let error = await failureImporting(rig, file)
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("a regular file that is open for reading") == true)
        }
        // A file almost without end, which takes no space.
        rig.fake.change { $0.pretendedFileSize = (65_536 << 30) + 1 }
        #expect(await failureImporting(rig, TestFile([1]).file)?.code == .invalidArgument)
        #expect(rig.fake.changes.isEmpty)
        #expect(!rig.fake.calls.contains { $0.step == .readFile })
    }

    struct Fault: Sendable {
        let step: FakeHypervisor.Step
        let code: VMError.Code
        var moment = FakeHypervisor.Moment.before
    }

    @Test(arguments: [
        Fault(step: .fileFacts, code: .timeout), Fault(step: .media, code: .failed),
        Fault(step: .createVolume, code: .noSpace), Fault(step: .createVolume, code: .failed),
        Fault(step: .fill, code: .noSpace), Fault(step: .fill, code: .timeout, moment: .after),
        Fault(step: .fill, code: .failed, moment: .after), Fault(step: .fill, code: .cancelled),
    ])
    func aFailureLeavesNothing(_ fault: Fault) async throws {
        let rig = try await Rig()
        let source = TestFile([1, 2, 3])
        rig.fake.fail(fault.step, with: VMError(fault.code, "it did not work"), fault.moment)
        let error = await failureImporting(rig, source.file)
        #expect(error?.code == fault.code)
        #expect(error?.message == "cannot import 'debian.iso': it did not work")
        #expect(rig.fake.world == World())
        #expect(rig.logged.all.isEmpty)
        // The name and the place are free again.
        for _ in 0..<4 {
            try await eventually("the name to be free") {
                (try? await rig.manager.importMedium(name(), from: source.file, by: 0)) != nil
            }
            try await rig.manager.removeMedium(name())
        }
        #expect(rig.intents.kept.isEmpty)
    }

    @Test func aFileThatBecomesShorterIsNoMedium() async throws {
        let rig = try await Rig()
        let source = TestFile([UInt8](repeating: 7, count: 5000))
        let gate = rig.fake.hold(.fill)
        let importing = Task { await failureImporting(rig, source.file) }
        try await gate.reached()
        source.truncate(to: 100)
        gate.open()
        #expect(await importing.value?.code == .invalidArgument)
        #expect(rig.fake.world == World())
    }

    @Test func whatIsBeingImportedIsNeitherListedNorUsedNorRemoved() async throws {
        let rig = try await Rig()
        let source = TestFile([1])
        let gate = rig.fake.hold(.fill)
        let importing = Task { try await rig.manager.importMedium(name(), from: source.file, by: 0) }
        try await gate.reached()
        #expect(rig.fake.world.media == ["debian.iso": 1])
        #expect(try await rig.manager.media().isEmpty)
        #expect(await failureImporting(rig, source.file)?.code == .alreadyExists)
        let removing = await failure { try await rig.manager.removeMedium(name()) }
        #expect(removing?.code == .busy)
        var request = linuxRequest()
        request.values["iso_path"] = .string("debian.iso")
        #expect(await rig.failureCreating(request)?.code == .busy)
        // Its path is no way around that.
        request.values["iso_path"] = .string("/var/lib/libvirt/neuron-media/debian.iso")
        #expect(await rig.failureCreating(request)?.code == .busy)
        gate.open()
        _ = try await importing.value
        #expect(try await rig.manager.media().count == 1)
    }

    @Test func cancellingLeavesNothing() async throws {
        let rig = try await Rig()
        let source = TestFile([1])
        let gate = rig.fake.hold(.fill)
        let importing = Task { await failureImporting(rig, source.file) }
        try await gate.reached()
        let job = try #require(await rig.manager.jobs.all.first)
        #expect(job.isCancelable)
        // It is told a moment after it is known.
        try await eventually("progress") { await rig.manager.jobs.job(job.id)?.progress == 0 }
        let cancelling = Task { try await rig.manager.jobs.cancel(job.id) }
        try await eventually("it to be cancelled") { await rig.manager.jobs.isCancelled(job.id) }
        gate.open()
        try await cancelling.value
        #expect(await importing.value?.code == .cancelled)
        #expect(rig.fake.world == World() && rig.intents.kept.isEmpty)
    }

    @Test func theEndOfTheServiceEndsCopies() async throws {
        let rig = try await Rig()
        let source = TestFile([1])
        let gate = rig.fake.hold(.fill)
        let importing = Task { await failureImporting(rig, source.file) }
        try await gate.reached()
        let job = try #require(await rig.manager.jobs.all.first)
        try await eventually("progress") { await rig.manager.jobs.job(job.id)?.progress != nil }
        let end = Task { await rig.manager.end() }
        try await eventually("it to be cancelled") { await rig.manager.jobs.isCancelled(job.id) }
        gate.open()
        await end.value
        #expect(await importing.value?.code == .cancelled)
        #expect(rig.fake.world == World())
        #expect(await failureImporting(rig, source.file)?.code == .cancelled)
    }

    @Test func onlySomeFilesAreCopiedAtOnceAndNotAllOfOneUser() async throws {
        let rig = try await Rig()
        let source = TestFile([1])
        let gate = rig.fake.hold(.fill, times: 5)
        func begin(_ name: String, _ uid: UInt32) -> Task<String, any Error> {
            Task { try await rig.manager.importMedium(MediaName(name), from: source.file, by: uid) }
        }
        let first = (0..<4).map { begin("\($0)", 1) }
        try await eventually("three of one user's to be copied, and one to wait") {
            let waiting = await rig.manager.copies.waiting
            return waiting == 1 && rig.fake.calls.count { $0.step == .fill } == 3
        }
        let second = begin("5", 2)
        try await gate.reached(by: 4)
        let third = begin("6", 3)
        try await eventually("the fifth to wait") { await rig.manager.copies.waiting == 2 }
        gate.open()
        for task in first + [second, third] { _ = try await task.value }
    }

    @Test func inTheBackgroundItReturnsWhenTheNameIsTaken() async throws {
        let rig = try await Rig()
        let source = TestFile([1])
        let gate = rig.fake.hold(.fill)
        #expect(
            try await rig.manager.importMedium(name(), from: source.file, by: 0, inBackground: true)
                == "/library/debian.iso")
        try await gate.reached()
        #expect(try await rig.manager.media().isEmpty)
        gate.open()
        try await eventually("the medium") { (try? await rig.manager.media().count) == 1 }
    }

    @Test func whatCannotBeNotedIsNotCopied() async throws {
        let rig = try await Rig()
        for action in ["keep", "forget"] {
            rig.intents.fail(action, with: VMError(.noSpace, "the disk is full"))
            #expect(await failureImporting(rig, TestFile([1]).file)?.code == .noSpace)
            #expect(rig.fake.world == World())
        }
        _ = try await rig.manager.importMedium(name(), from: TestFile([1]).file, by: 0)
    }

    @Test func whatIsLeftWithoutAConnectionGoesWithTheNext() async throws {
        let rig = try await Rig()
        let source = TestFile([1])
        rig.fake.fail(.fill, with: VMError(.hypervisorUnavailable, "gone"))
        rig.fake.fail(.deleteVolume, with: VMError(.hypervisorUnavailable, "gone"))
        #expect(await failureImporting(rig, source.file)?.code == .hypervisorUnavailable)
        rig.fake.connect()
        try await eventually("it to be gone") { rig.fake.world.media.isEmpty }
        try await eventually("the name to be free") {
            (try? await rig.manager.importMedium(name(), from: source.file, by: 0)) != nil
        }
    }

    @Test func withoutAConnectionNothingIsBegun() async throws {
        let rig = try await Rig()
        rig.fake.disconnect()
        try await eventually("the loss to be known") { await !rig.inventory.status.isConnected }
        #expect(await failureImporting(rig, TestFile([1]).file)?.code == .hypervisorUnavailable)
        #expect(await failure { try await rig.manager.removeMedium(name()) }?.code == .hypervisorUnavailable)
    }
}

extension Jobs {
    func isCancelled(_ id: JobID) -> Bool { (try? control(of: id)?.checkGoesOn()) == nil }
}
