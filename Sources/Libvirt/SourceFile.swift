import Glibc
import Synchronization

/// An open file that is read from, wherever its bytes come from: each step has a deadline, because a file system may be another
/// program, which need not answer.
public final class SourceFile: Sendable {
    /// What is known of a file without reading it.
    public struct Facts: Sendable, Hashable {
        /// `st_mode`, the type included.
        public var mode: UInt32
        /// How many names it has; 0 for memory that only looks like a file (`memfd_create`), and for a file that was removed.
        public var links: UInt64
        /// Bytes.
        public var size: Int64
        /// How it was opened, from `fcntl(F_GETFL)`.
        public var openFlags: Int32
    }

    /// Why a file gives no bytes.
    public enum Failure: Error, Hashable {
        /// It ends before what was asked for.
        case endsEarly
        /// It did not answer in time.
        case doesNotAnswer
        /// The `errno` of a call.
        case system(Int32)
    }

    private let descriptor: Int32
    /// Whoever closes the descriptor; a read that hangs keeps it.
    private let owner: any Sendable
    private let pool: BlockingPool
    private let asks = Atomic(false)

    /// - Parameters:
    ///   - owner: closes the descriptor when it goes; it is held as long as anything reads.
    ///   - pool: the threads that may hang; not those of the calls to libvirt.
    public init(_ descriptor: Int32, ownedBy owner: any Sendable, pool: BlockingPool) {
        self.descriptor = descriptor
        self.owner = owner
        self.pool = pool
    }

    /// What it is. Calls `fstat` and `fcntl(F_GETFL)`.
    /// - Throws: ``Failure``.
    public func facts(deadline: Duration) async throws -> Facts {
        try await run("fstat", deadline) { [self] in
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw Failure.system(errno) }
            let flags = fcntl(descriptor, F_GETFL)
            guard flags >= 0 else { throw Failure.system(errno) }
            return Facts(
                mode: status.st_mode, links: UInt64(status.st_nlink), size: Int64(status.st_size), openFlags: flags)
        }
    }

    /// Reads that many bytes from there; the file's own position stays as it is. Calls `pread`.
    /// - Throws: ``Failure``.
    public func read(at offset: UInt64, count: Int, deadline: Duration) async throws -> [UInt8] {
        try await run("pread", deadline) { [self] in
            try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                try fill(UnsafeMutableRawBufferPointer(buffer), from: offset)
                filled = count
            }
        }
    }

    private func run<Value: Sendable>(
        _ operation: String, _ deadline: Duration, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        do {
            return try await pool.run(deadline: deadline, operation: operation, body)
        } catch let error as LibvirtError where error.kind == .deadlineExceeded {
            throw Failure.doesNotAnswer
        }
    }

    /// Whether a read is under way, perhaps one that never ends.
    var isAsked: Bool { asks.load(ordering: .relaxed) }

    /// Fills the buffer with the bytes from there. Blocks.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: UInt64) throws {
        asks.store(true, ordering: .relaxed)
        defer { asks.store(false, ordering: .relaxed) }
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let (position, overflow) = offset.addingReportingOverflow(UInt64(filled))
            guard !overflow, let position = off_t(exactly: position) else { throw Failure.system(EINVAL) }
            let got = pread(descriptor, rest.baseAddress, rest.count, position)
            if got > 0 {
                filled += got
            } else if got == 0 {
                throw Failure.endsEarly
            } else if errno != EINTR {
                throw Failure.system(errno)
            }
        }
    }
}
