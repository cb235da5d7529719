import Foundation
import Testing
import VMCore
import VMModel

@testable import LibvirtHypervisor

/// What libvirt's test driver can show of the library; it copies nothing.
@Suite(.timeLimit(.minutes(1))) struct MediaTests {
    /// A file with these bytes, open as it is said.
    private func withFile(
        _ bytes: [UInt8], _ flags: Int32 = O_RDONLY, _ body: (ImportFile) async throws -> Void
    ) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("medium-\(UUID().uuidString)").path
        try Data(bytes).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let handle = FileHandle(fileDescriptor: open(path, flags | O_CLOEXEC), closeOnDealloc: true)
        try await body(ImportFile(handle.fileDescriptor, ownedBy: handle))
    }

    @Test func theLibraryIsMadeWhenItIsNeeded() async throws {
        try await TestHost.with { host async throws in
            #expect(try await host.hypervisor.media().isEmpty)
            let path = try await host.hypervisor.pathOfMedium(named: "a.iso")
            #expect(path == "/var/lib/libvirt/neuron-media/a.iso")
            #expect(try await !host.hypervisor.hasMedium(named: "a.iso"))
            let made = try await host.hypervisor.createVolume(
                named: "a.iso", in: .media, format: .raw, sizeBytes: 1 << 20, contentBytes: 1 << 20)
            #expect(made == path)
            #expect(try await host.hypervisor.hasMedium(named: "a.iso"))
            #expect(try await host.hypervisor.media() == [Medium(name: "a.iso", sizeBytes: 1 << 20)])
            try await host.hypervisor.deleteMedium(named: "a.iso")
            try await host.hypervisor.deleteMedium(named: "a.iso")
            #expect(try await host.hypervisor.media().isEmpty)
        }
    }

    @Test func aVolumeOfADiskIsInThePoolForDisks() async throws {
        try await TestHost.with { host async throws in
            for format in ImageFormat.allCases {
                let path = try await host.hypervisor.createVolume(
                    named: "a.\(format)", in: .disks, format: format, sizeBytes: 1 << 30, contentBytes: 1)
                #expect(path == "/nowhere/disks/a.\(format)")
                // The test driver cannot; the tests of the whole show it.
                let growing = await failure {
                    try await host.hypervisor.growDisk(named: "a.\(format)", toBytes: 2 << 30)
                }
                #expect(growing?.cause?.operation == "virStorageVolResize")
                try await host.hypervisor.deleteDisk(atPath: path)
            }
            #expect(await failure { try await host.hypervisor.growDisk(named: "a.raw", toBytes: 1) }?.code == .failed)
        }
    }

    @Test func saysHowMuchIsMissing() async throws {
        // The test driver's pool has 100 GiB.
        try await TestHost.with { host async throws in
            let error = await failure {
                _ = try await host.hypervisor.createVolume(
                    named: "a.iso", in: .media, format: .raw, sizeBytes: 1, contentBytes: 101 << 30)
            }
            #expect(error?.code == .noSpace)
            #expect(
                error?.message
                    == "it needs 103424 MiB, and the storage pool 'neuron-media' has 102400 MiB free")
        }
    }

    @Test func whatCannotBeCopiedSaysWhy() async throws {
        try await TestHost.with { host async throws in
            _ = try await host.hypervisor.createVolume(
                named: "a.iso", in: .media, format: .raw, sizeBytes: 3, contentBytes: 3)
            try await withFile([1, 2, 3]) { file async throws in
                // The other connection is to a host of its own.
                let contents = ImportContents(file: file, head: [], sizeBytes: 3)
                let error = await failure {
                    try await host.hypervisor.fill("a.iso", in: .media, with: contents) { _, _ in }
                }
                #expect(error?.cause?.operation == "virStorageVolLookupByPath")
            }
        }
    }

    @Test func filesAreLookedAtAndReadWithoutLibvirt() async throws {
        let hypervisor = LibvirtHypervisor(uri: "test:///default")
        try await withFile([1, 2, 3]) { file async throws in
            let facts = FileFacts(isRegular: true, isNamed: true, isReadable: true, sizeBytes: 3)
            #expect(try await hypervisor.facts(of: file) == facts)
            #expect(try await hypervisor.read(file, at: 1, count: 2) == [2, 3])
            #expect(await failure { _ = try await hypervisor.read(file, at: 1, count: 3) }?.code == .invalidArgument)
        }
        for (flags, isReadable) in [(O_RDWR, true), (O_WRONLY, false), (0o10_000_000, false)] {
            try await withFile([1], flags) { file async throws in
                let facts = try await hypervisor.facts(of: file)
                #expect(facts.isReadable == isReadable)
            }
        }
        let directory = FileHandle(fileDescriptor: open("/", O_RDONLY | O_CLOEXEC), closeOnDealloc: true)
        let root = ImportFile(directory.fileDescriptor, ownedBy: directory)
        #expect(try await !hypervisor.facts(of: root).isRegular)
        #expect(await failure { _ = try await hypervisor.read(root, at: 0, count: 1) }?.code == .invalidArgument)
    }
}
