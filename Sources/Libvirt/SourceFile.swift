import Glibc

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
        /// The `errno` of a call.
        case system(Int32)
    }

    private let descriptor: Int32
    /// Whoever closes the descriptor; a read that hangs keeps it.
    private let owner: any Sendable
    private let pool: BlockingPool

    /// - Parameters:
    ///   - owner: closes the descriptor when it goes; it is held as long as anything reads.
    ///   - pool: the threads that may hang; not those of the calls to libvirt.
    public init(_ descriptor: Int32, ownedBy owner: any Sendable, pool: BlockingPool) {
        self.descriptor = descriptor
        self.owner = owner
        self.pool = pool
    }

    /// What it is. Calls `fstat` and `fcntl(F_GETFL)`.
    /// - Throws: ``Failure``; `LibvirtError` `.deadlineExceeded`.
    public func facts(deadline: Duration) async throws -> Facts {
        try await pool.run(deadline: deadline, operation: "fstat") { [self] in
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw Failure.system(errno) }
            let flags = fcntl(descriptor, F_GETFL)
            guard flags >= 0 else { throw Failure.system(errno) }
            return Facts(
                mode: status.st_mode, links: UInt64(status.st_nlink), size: Int64(status.st_size), openFlags: flags)
        }
    }

    /// Reads that many bytes from there; the file's own position stays as it is. Calls `pread`.
    /// - Throws: ``Failure``; `LibvirtError` `.deadlineExceeded`.
    public func read(at offset: UInt64, count: Int, deadline: Duration) async throws -> [UInt8] {
        try await pool.run(deadline: deadline, operation: "pread") { [self] in
            try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                while filled < count {
                    let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
                    guard let position = off_t(exactly: offset + UInt64(filled)) else { throw Failure.system(EINVAL) }
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
    }
}

extension StorageVolume {
    /// How much is read and sent in one step, in bytes: a few whole messages, and less than what malloc gives back to the system each
    /// time.
    private static let stepBytes = 3 * VolumeUpload.messageBytes

    /// Writes a file into the volume, from its beginning. The next part is read while one is sent.
    ///
    /// When it throws, or its task is cancelled, the stream is given up, and the volume holds some of the bytes or none.
    /// - Parameters:
    ///   - head: the file's first bytes, which were read before; they are not read again.
    ///   - length: how many bytes of the file there are to be. What it has more is left out.
    ///   - progress: is told of the bytes that are done, of all.
    public func upload(
        _ head: [UInt8], of file: SourceFile, length: UInt64, stepDeadline: Duration = .seconds(30),
        progress: @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws {
        let upload = try await beginUpload(length: length)
        do {
            var part = head.count <= length ? head : Array(head.prefix(Int(clamping: length)))
            var done: UInt64 = 0
            while true {
                let offset = done + UInt64(part.count)
                let count = Int(clamping: min(length - offset, UInt64(Self.stepBytes)))
                async let next = count == 0 ? [] : file.read(at: offset, count: count, deadline: stepDeadline)
                if !part.isEmpty { try await upload.send(part) }
                done = offset
                progress(done, length)
                part = try await next
                if part.isEmpty { break }
            }
            try await upload.finish()
        } catch {
            // A task of its own: the one that was cancelled makes no calls any more.
            await Task { try? await upload.abort() }.value
            throw error
        }
    }
}
