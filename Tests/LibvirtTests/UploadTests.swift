import Foundation
import Testing

@testable import Libvirt

/// What can be had of uploads without a daemon; the rest is in the tests of the whole.
@Suite(.timeLimit(.minutes(1))) struct UploadTests {
    /// A file with these bytes, open for reading.
    private func withFile(
        _ bytes: [UInt8], pool: BlockingPool = .shared, _ body: (SourceFile) async throws -> Void
    ) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("upload-\(UUID().uuidString)")
        try Data(bytes).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        let handle = try FileHandle(forReadingFrom: path)
        try await body(SourceFile(handle.fileDescriptor, ownedBy: handle, pool: pool))
    }

    @Test func aFileIsReadWhereverItStands() async throws {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try await withFile(bytes) { file in
            #expect(try await file.read(at: 0, count: 100_000, deadline: .seconds(10)) == bytes)
            #expect(try await file.read(at: 99_000, count: 1000, deadline: .seconds(10)) == Array(bytes[99_000...]))
            #expect(try await file.read(at: 5, count: 0, deadline: .seconds(10)) == [])
            let facts = try await file.facts(deadline: .seconds(10))
            #expect(facts.size == 100_000 && facts.links == 1 && facts.mode & S_IFMT == S_IFREG)
            #expect(facts.openFlags & O_ACCMODE == O_RDONLY)
        }
    }

    @Test func aFileThatEndsEarlySaysSo() async throws {
        try await withFile([1, 2, 3]) { file in
            await #expect(throws: SourceFile.Failure.endsEarly) {
                try await file.read(at: 1, count: 3, deadline: .seconds(10))
            }
            await #expect(throws: SourceFile.Failure.endsEarly) {
                try await file.read(at: 1 << 40, count: 1, deadline: .seconds(10))
            }
            await #expect(throws: SourceFile.Failure.system(EINVAL)) {
                try await file.read(at: .max, count: 2, deadline: .seconds(10))
            }
        }
    }

    @Test func whatCannotBeReadSaysWhy() async throws {
        let directory = open("/", O_RDONLY | O_CLOEXEC)
        defer { close(directory) }
        let file = SourceFile(directory, ownedBy: 0, pool: .shared)
        await #expect(throws: SourceFile.Failure.system(EISDIR)) {
            try await file.read(at: 0, count: 1, deadline: .seconds(10))
        }
        let none = SourceFile(-1, ownedBy: 0, pool: .shared)
        await #expect(throws: SourceFile.Failure.system(EBADF)) { try await none.facts(deadline: .seconds(10)) }
    }

    /// A file system that does not answer holds its thread; whoever waits is told in time.
    @Test func aFileThatDoesNotAnswerIsGivenUp() async throws {
        let pool = BlockingPool(size: 1, spare: 0, name: "one")
        let gate = DispatchSemaphore(value: 0)
        let hanging = Task { try await pool.run(deadline: .seconds(60), operation: "hang") { gate.wait() } }
        try await withFile([1], pool: pool) { file in
            await #expect(throws: SourceFile.Failure.doesNotAnswer) {
                try await file.read(at: 0, count: 1, deadline: .milliseconds(50))
            }
        }
        gate.signal()
        try await hanging.value
    }

    /// The test driver takes no uploads; what was begun for one is given back all the same, which `TestHost` checks.
    @Test func anUploadThatIsNotTakenLeavesNoHandle() async throws {
        try await TestHost.with { connection in
            let pool = try await connection.storagePool(name: "default")
            let volume = try await pool.createVolume(xml: StorageTests.volumeXML)
            #expect(await code { _ = try await volume.beginUpload(length: 1) } == .noSupport)
            try await withFile([1, 2, 3]) { file in
                #expect(
                    await code { try await volume.upload([1], of: file, length: 3) { _, _ in } } == .noSupport)
            }
            #expect(connection.handleCount == 2)
        }
    }
}
