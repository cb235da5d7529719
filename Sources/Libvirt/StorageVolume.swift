import CLibvirt

/// A disk image or medium in a pool: the one owner of a `virStorageVolPtr`.
public final class StorageVolume: Sendable {
    /// Its name in its pool.
    public var name: String { handle.label }
    /// Its key, unique on the host.
    public let key: String
    let handle: ObjectHandle

    init(owning pointer: OpaquePointer, core: ConnectionCore) {
        key = text(virStorageVolGetKey(pointer)) ?? ""
        handle = core.adopt(pointer, .storageVolume, label: text(virStorageVolGetName(pointer)) ?? "")
    }
}

/// Sizes of a volume, in bytes. `virStorageVolInfo`
public struct StorageVolumeInfo: Sendable, Hashable {
    /// What the guest sees.
    public var capacity: UInt64
    /// What it takes on the host.
    public var allocation: UInt64
    /// Whether it is a regular file, and not a directory or a device.
    public var isFile: Bool
}

extension StorageVolume {
    /// Its path on the host. Calls `virStorageVolGetPath`.
    public func path(deadline: Duration = .seconds(30)) async throws -> String {
        try await handle.call("virStorageVolGetPath", deadline) { try $1.string(virStorageVolGetPath($0)) }
    }

    /// Its sizes. Calls `virStorageVolGetInfo`.
    public func info(deadline: Duration = .seconds(30)) async throws -> StorageVolumeInfo {
        try await handle.call("virStorageVolGetInfo", deadline) { volume, call in
            var info = virStorageVolInfo()
            try call.check(virStorageVolGetInfo(volume, &info))
            return StorageVolumeInfo(
                capacity: info.capacity, allocation: info.allocation,
                isFile: UInt32(bitPattern: info.type) == VIR_STORAGE_VOL_FILE.rawValue)
        }
    }

    /// Its XML. Calls `virStorageVolGetXMLDesc`.
    public func xml(deadline: Duration = .seconds(30)) async throws -> String {
        try await handle.call("virStorageVolGetXMLDesc", deadline) { try $1.string(virStorageVolGetXMLDesc($0, 0)) }
    }

    /// Changes what the guest sees of it; a domain that runs does not notice.
    /// - Parameters:
    ///   - capacity: the new size in bytes.
    ///   - shrinks: allows a smaller one, which loses data. Calls `virStorageVolResize`.
    public func resize(to capacity: UInt64, shrinks: Bool = false, deadline: Duration = .seconds(30)) async throws {
        let flags = shrinks ? VIR_STORAGE_VOL_RESIZE_SHRINK.rawValue : 0
        try await handle.call("virStorageVolResize", deadline) { volume, call in
            _ = try call.check(virStorageVolResize(volume, capacity, flags))
        }
    }

    /// Deletes it, with its data. Calls `virStorageVolDelete`.
    public func delete(deadline: Duration = .seconds(30)) async throws {
        try await handle.call("virStorageVolDelete", deadline) { volume, call in
            _ = try call.check(virStorageVolDelete(volume, 0))
        }
    }
}
