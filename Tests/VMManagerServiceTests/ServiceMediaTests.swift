import DBus
import Foundation
import Testing
import VMManagerAPI
import VMModel
import VMTestSupport

@testable import VMCore
@testable import VMManagerService

@Suite(.timeLimit(.minutes(1))) struct ServiceMediaTests {
    /// A file with these bytes, open for reading, that has a name as long as the body runs.
    private func withFile(_ text: String, _ body: (UnixFD) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("media-\(UUID().uuidString)").path
        try Data(text.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(UnixFD(owning: open(path, O_RDONLY | O_CLOEXEC)))
    }

    @Test func importsListsAndRemoves() async throws {
        try await ServiceRig.with { rig async throws in
            try await withFile("medium") { file in
                let path = try await rig.call("ImportMedia", .string("a.iso"), .unixFD(file), .options())
                #expect(path == [.string("/library/a.iso")])
            }
            let rowType = DBusType.structure([.string, .uint64])
            #expect(
                try await rig.call("ListMedia")
                    == [.array(of: rowType, [.structure([.string("a.iso"), .uint64(6)])])])
            #expect(rig.fake.world.contents == ["/library/a.iso": Array("medium".utf8)])
            #expect(try await rig.call("RemoveMedia", .string("a.iso")).isEmpty)
            #expect(try await rig.call("ListMedia") == [.array(of: rowType, [])])
            let gone = await rig.failure { try await rig.call("RemoveMedia", .string("a.iso")) }
            #expect(gone?.name == errorName(.notFound))
        }
    }

    @Test func filesOfAVMAreTaken() async throws {
        try await ServiceRig.with { rig async throws in
            try await withFile("medium") { iso in
                try await withFile(String(repeating: "x", count: 1024)) { image in
                    let options = DBusValue.options(
                        ("type", .string("linux")), ("iso", .unixFD(iso)), ("disk_image", .unixFD(image)))
                    let reply = try await rig.call("CreateVM", .string("web"), options)
                    let uuid = try #require(reply.first?.objectPathValue.flatMap(BusNames.uuid(of:)))
                    #expect(rig.fake.world.media == ["web.iso": 6])
                    #expect(rig.fake.world.disks == ["/pool/web-\(uuid).raw": 1024])
                }
            }
        }
    }

    /// Wherever a descriptor is not asked for it is refused, and in no case is it kept.
    @Test func descriptorsAreClosedWhateverComesOfTheCall() async throws {
        try await ServiceRig.with { rig async throws in
            try await withFile("medium") { file in
                let fd = DBusValue.unixFD(file)
                let calls: [(String, [DBusValue], VMError.Code?)] = [
                    ("CreateVM", [.string("a"), .options(("start", fd))], .invalidArgument),
                    ("CreateVM", [.string("a"), .options(("type", fd))], .invalidArgument),
                    ("CreateVM", [.string("a"), .options(("iso_path", fd))], .invalidArgument),
                    ("CreateVM", [.string("a"), .options(("memory_mb", fd))], .invalidArgument),
                    ("CreateVM", [.string("a"), .options(("parameters", .options(("iso", fd))))], .invalidArgument),
                    ("CreateVM", [.string("a"), .options(("iso", .string("x")))], .invalidArgument),
                    ("CreateVM", [.string(".."), .options(("iso", fd))], .invalidArgument),
                    ("CreateVM", [.string("a"), .options(("iso", fd), ("iso_path", .string("a")))], .invalidArgument),
                    (
                        "RenderTemplate", [.string("linux-basic"), .string("a"), .options(("iso", fd))],
                        .invalidArgument
                    ),
                    (
                        "RenderTemplate", [.string("linux-basic"), .string("a"), .options(("disk_image", fd))],
                        .invalidArgument
                    ),
                    ("StartVM", [.string("a"), .options(("x", fd))], nil),
                    ("ImportMedia", [.string("../a"), fd, .options()], .invalidArgument),
                    ("ImportMedia", [.string("a"), fd, .options(("x", fd))], .invalidArgument),
                ]
                _ = await rig.failure { try await rig.call("ImportMedia", .string(""), fd, .options()) }
                let before = try openDescriptors()
                for _ in 0..<20 {
                    for (member, arguments, code) in calls {
                        let error = await rig.failure {
                            try await rig.call(
                                member, arguments, on: BusNames.manager, interface: ManagerInterface.name)
                        }
                        #expect(error != nil)
                        if let code { #expect(error?.name == errorName(code), "\(member) \(arguments)") }
                    }
                    rig.fake.fail(.fill, with: VMError(.noSpace, "full"))
                    let full = await rig.failure { try await rig.call("ImportMedia", .string("a"), fd, .options()) }
                    #expect(full?.name == errorName(.noSpace))
                    _ = try await rig.call("ImportMedia", .string("a"), fd, .options())
                    _ = try await rig.call("RemoveMedia", .string("a"))
                }
                try await eventually("the descriptors to be closed") { (try? openDescriptors()) ?? .max <= before + 3 }
                #expect(rig.fake.world.media.isEmpty)
            }
        }
    }

    /// However many ask at once, libvirt is asked twice: once for who came first, and once for all who came meanwhile.
    @Test func manyWhoListShareAnAnswer() async throws {
        try await ServiceRig.with { rig async throws in
            let inventory = Inventory(hypervisor: rig.fake, executor: QueueExecutor())
            let list = MediaList(
                manager: VMManager(
                    inventory: inventory, hypervisor: rig.fake, templates: rig.templates.library,
                    intents: MemoryIntents(), seeds: FakeSeeds()))
            let gate = rig.fake.hold(.media)
            let first = Task { try await list.media() }
            try await gate.reached()
            let others = (0..<20).map { _ in Task { try await list.media() } }
            try await eventually("all to ask") { await list.askers == 21 }
            rig.fake.change { $0.media["new.iso"] = 1 }
            gate.open()
            _ = try await first.value
            for other in others { #expect(try await other.value.map(\.name) == ["new.iso"]) }
            #expect(rig.fake.calls.count { $0.step == .media } == 2)
            // Who comes later has an answer of its own.
            rig.fake.change { $0.media = [:] }
            #expect(try await list.media().isEmpty)
        }
    }

    private func openDescriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
}
