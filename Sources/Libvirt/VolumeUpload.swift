import CLibvirt

/// Bytes on their way into a volume: the one owner of a `virStreamPtr`.
///
/// One call at a time: the stream keeps the order in which the bytes are sent, and nothing else does. It is ended by
/// ``finish(deadline:)``, or by ``abort(deadline:)`` if the volume is not to be used.
public final class VolumeUpload: Sendable {
    /// What one message to the daemon may carry, in bytes: what `virStreamSendAll` sends at a time.
    public static let messageBytes = 262_120

    private let handle: ObjectHandle

    init(owning stream: OpaquePointer, core: ConnectionCore, label: String) {
        handle = core.adopt(stream, .stream, label: label)
    }

    /// Sends all of the bytes, in as many messages as that takes. Calls `virStreamSend`.
    public func send(_ bytes: [UInt8], deadline: Duration = .seconds(60)) async throws {
        try await handle.call("virStreamSend", deadline) { stream, call in
            try bytes.withUnsafeBytes { buffer in
                var rest = buffer[...]
                while !rest.isEmpty {
                    let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.messageBytes))
                    let sent = try call.check(
                        virStreamSend(stream, part.baseAddress?.assumingMemoryBound(to: CChar.self), part.count))
                    rest = rest.dropFirst(Int(sent))
                }
            }
        }
    }

    /// Waits until the daemon has written everything. Calls `virStreamFinish`.
    public func finish(deadline: Duration = .seconds(120)) async throws {
        try await handle.call("virStreamFinish", deadline) { stream, call in
            _ = try call.check(virStreamFinish(stream))
        }
    }

    /// Gives it up; what was sent may be in the volume or not. Calls `virStreamAbort`.
    public func abort(deadline: Duration = .seconds(10)) async throws {
        try await handle.call("virStreamAbort", deadline) { stream, call in
            _ = try call.check(virStreamAbort(stream))
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
            try call.check(virStorageVolUpload(volume, stream, 0, length, 0))
            return upload
        }
    }
}
