import CLibvirt
import Synchronization

/// Bytes on their way into a volume: the one owner of a `virStreamPtr`.
///
/// It is ended by ``finish(deadline:)``, or by ``abort(deadline:)`` if the volume is not to be used, also while a call that nobody waits
/// for any more is still under way.
public final class VolumeUpload: Sendable {
    /// What one message to the daemon may carry, in bytes: what `virStreamSendAll` sends at a time.
    public static let messageBytes = 262_120

    private let handle: ObjectHandle
    /// Whether the stream has ended. libvirt takes its state apart then, so no other call may be in there: only threads of the pool
    /// wait for it.
    private let hasEnded = Mutex(false)

    init(owning stream: OpaquePointer, core: ConnectionCore, label: String) {
        handle = core.adopt(stream, .stream, label: label)
    }

    /// How much is sent in one step at most, in bytes, and how long it may go on.
    private static let stepBytes: UInt64 = 16 << 20
    private static let stepTime = Duration.milliseconds(200)

    /// Sends all of the bytes, in as many messages as that takes. Calls `virStreamSend`.
    public func send(_ bytes: [UInt8], deadline: Duration = .seconds(60)) async throws {
        try await handle.call("virStreamSend", deadline) { stream, call in
            try bytes.withUnsafeBytes { try self.send($0, to: stream, call) }
        }
    }

    /// Reads and sends what follows in a file, message by message on one thread, for a moment: so that whoever waits can tell of it,
    /// and stop.
    /// - Parameter count: how many bytes are left.
    /// - Returns: how many were sent, at least one. Calls `pread` and `virStreamSend`.
    func send(
        from file: SourceFile, at offset: UInt64, atMost count: UInt64, deadline: Duration
    ) async throws -> UInt64 {
        let end = ContinuousClock.now + Self.stepTime
        let wanted = min(count, Self.stepBytes)
        do {
            return try await handle.call("virStreamSend", deadline) { stream, call in
                var sent: UInt64 = 0
                try withUnsafeTemporaryAllocation(byteCount: Self.messageBytes, alignment: 16) { buffer in
                    while sent < wanted, sent == 0 || ContinuousClock.now < end {
                        let part = UnsafeMutableRawBufferPointer(
                            rebasing: buffer.prefix(Int(min(wanted - sent, UInt64(buffer.count)))))
                        try file.fill(part, from: offset + sent)
                        try self.send(UnsafeRawBufferPointer(part), to: stream, call)
                        sent += UInt64(part.count)
                    }
                }
                return sent
            }
        } catch let error as LibvirtError where error.kind == .deadlineExceeded && file.isAsked {
            throw SourceFile.Failure.doesNotAnswer
        }
    }

    private func send(_ bytes: UnsafeRawBufferPointer, to stream: OpaquePointer, _ call: Call) throws {
        var rest = bytes
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.messageBytes))
            let sent = try whileOpen(call) { _ in
                virStreamSend(stream, part.baseAddress?.assumingMemoryBound(to: CChar.self), part.count)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(Int(sent)))
        }
    }

    /// Makes a call if the stream has not ended, and nothing else meanwhile.
    /// - Parameter body: sets its argument if it ends the stream.
    private func whileOpen(_ call: Call, _ body: (inout Bool) -> Int32) throws -> Int32 {
        try hasEnded.withLock { hasEnded in
            guard !hasEnded else { throw CancellationError() }
            return try call.check(body(&hasEnded))
        }
    }

    /// Waits until the daemon has written everything. Calls `virStreamFinish`.
    public func finish(deadline: Duration = .seconds(120)) async throws {
        try await handle.call("virStreamFinish", deadline) { stream, call in
            _ = try self.whileOpen(call) { hasEnded in
                hasEnded = true
                return virStreamFinish(stream)
            }
        }
    }

    /// Gives it up; what was sent may be in the volume or not. Calls `virStreamAbort`.
    public func abort(deadline: Duration = .seconds(10)) async throws {
        try await handle.call("virStreamAbort", deadline) { stream, call in
            _ = try self.whileOpen(call) { hasEnded in
                hasEnded = true
                return virStreamAbort(stream)
            }
        }
    }
}

extension StorageVolume {
    /// Begins to write into the volume from its beginning. Calls `virStreamNew` and `virStorageVolUpload`.
    ///
    /// Every message waits for the one before it on the connection, and so does everything else there: long uploads want
    /// a connection of their own.
    /// - Parameter length: how many bytes will be sent; the daemon takes no more.
    public func beginUpload(length: UInt64, deadline: Duration = .seconds(30)) async throws -> VolumeUpload {
        let name = name
        return try await handle.call("virStorageVolUpload", deadline) { [core = handle.core] volume, call in
            let stream = try call.named("virStreamNew").check(virStreamNew(call.connection, 0))
            let upload = VolumeUpload(owning: stream, core: core, label: name)
            // A reference of the call's own, as every call has: closing releases the handle's at its deadline.
            virStreamRef(stream)
            defer { virStreamFree(stream) }
            try call.check(virStorageVolUpload(volume, stream, 0, length, 0))
            return upload
        }
    }
}

extension StorageVolume {
    /// Writes a file into the volume, from its beginning.
    ///
    /// When it throws, or its task is cancelled, the stream is given up, and the volume holds some of the bytes or none. The calls run
    /// on the threads of the connection, which wait for the file as well.
    /// - Parameters:
    ///   - head: the file's first bytes, which were read before; they are not read again.
    ///   - length: how many bytes of the file there are to be. What it has more is left out.
    ///   - deadline: of each message's worth of bytes.
    ///   - progress: is told of the bytes that are done, of all.
    /// - Throws: `SourceFile.Failure`; `LibvirtError` `.noSupport`, `.systemError` (a full disk), …
    public func upload(
        _ head: [UInt8], of file: SourceFile, length: UInt64, deadline: Duration = .seconds(30),
        progress: @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws {
        let upload = try await beginUpload(length: length)
        do {
            let first = head.prefix(Int(clamping: length))
            if !first.isEmpty { try await upload.send(Array(first)) }
            var done = UInt64(first.count)
            while done < length {
                progress(done, length)
                done += try await upload.send(from: file, at: done, atMost: length - done, deadline: deadline)
            }
            try await upload.finish()
            progress(length, length)
        } catch {
            // A task of its own: the one that was cancelled makes no calls any more.
            await Task { try? await upload.abort() }.value
            throw error
        }
    }
}
