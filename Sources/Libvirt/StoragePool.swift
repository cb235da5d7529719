import CLibvirt
import XMLReading

/// A place for volumes: the one owner of a `virStoragePoolPtr`.
public final class StoragePool: Sendable {
    /// Its name, which libvirt keeps unique.
    public var name: String { handle.label }
    let handle: ObjectHandle

    init(owning pointer: OpaquePointer, core: ConnectionCore) {
        handle = core.adopt(pointer, .storagePool, label: text(virStoragePoolGetName(pointer)) ?? "")
    }
}

/// Sizes of a pool, in bytes. `virStoragePoolInfo`
public struct StoragePoolInfo: Sendable, Hashable {
    public var isRunning: Bool
    /// All of it.
    public var capacity: UInt64
    /// What its volumes take.
    public var allocation: UInt64
    /// What is free.
    public var available: UInt64
}

extension StoragePool {
    /// Makes what the pool needs on the host, such as its directory. Calls `virStoragePoolBuild`.
    public func build(deadline: Duration = .seconds(30)) async throws {
        try await act("virStoragePoolBuild", deadline) { virStoragePoolBuild($0, 0) }
    }

    /// Starts it. Calls `virStoragePoolCreate`.
    public func start(deadline: Duration = .seconds(30)) async throws {
        try await act("virStoragePoolCreate", deadline) { virStoragePoolCreate($0, 0) }
    }

    /// Stops it; its volumes stay. Calls `virStoragePoolDestroy`.
    public func stop(deadline: Duration = .seconds(30)) async throws {
        try await act("virStoragePoolDestroy", deadline) { virStoragePoolDestroy($0) }
    }

    /// Removes its configuration; its volumes stay. Calls `virStoragePoolUndefine`.
    public func undefine(deadline: Duration = .seconds(30)) async throws {
        try await act("virStoragePoolUndefine", deadline) { virStoragePoolUndefine($0) }
    }

    /// Whether it runs. Calls `virStoragePoolIsActive`.
    public func isActive(deadline: Duration = .seconds(30)) async throws -> Bool {
        try await handle.call("virStoragePoolIsActive", deadline) { try $1.check(virStoragePoolIsActive($0)) == 1 }
    }

    /// Whether it starts with the daemon. Calls `virStoragePoolGetAutostart`.
    public func autostart(deadline: Duration = .seconds(30)) async throws -> Bool {
        try await handle.call("virStoragePoolGetAutostart", deadline) { pool, call in
            var flag: Int32 = 0
            try call.check(virStoragePoolGetAutostart(pool, &flag))
            return flag != 0
        }
    }

    /// Makes it start with the daemon, or not. Calls `virStoragePoolSetAutostart`.
    public func setAutostart(_ isOn: Bool, deadline: Duration = .seconds(30)) async throws {
        try await act("virStoragePoolSetAutostart", deadline) { virStoragePoolSetAutostart($0, isOn ? 1 : 0) }
    }

    /// Looks for volumes that came or went behind libvirt's back. Calls `virStoragePoolRefresh`.
    public func refresh(deadline: Duration = .seconds(30)) async throws {
        try await act("virStoragePoolRefresh", deadline) { virStoragePoolRefresh($0, 0) }
    }

    /// Its sizes. Calls `virStoragePoolGetInfo`.
    public func info(deadline: Duration = .seconds(30)) async throws -> StoragePoolInfo {
        try await handle.call("virStoragePoolGetInfo", deadline) { pool, call in
            var info = virStoragePoolInfo()
            try call.check(virStoragePoolGetInfo(pool, &info))
            return StoragePoolInfo(
                isRunning: UInt32(bitPattern: info.state) == VIR_STORAGE_POOL_RUNNING.rawValue,
                capacity: info.capacity, allocation: info.allocation, available: info.available)
        }
    }

    /// Its XML. Calls `virStoragePoolGetXMLDesc`.
    public func xml(deadline: Duration = .seconds(30)) async throws -> String {
        try await handle.call("virStoragePoolGetXMLDesc", deadline) {
            try $1.string(virStoragePoolGetXMLDesc($0, 0))
        }
    }

    /// Where its volumes are on the host; nil for a pool without such a place. From `virStoragePoolGetXMLDesc`.
    public func targetPath(deadline: Duration = .seconds(30)) async throws -> String? {
        try XMLTree(parsing: await xml(deadline: deadline)).first("target")?.first("path")?.text
    }

    private func act(
        _ operation: String, _ deadline: Duration, _ body: @escaping @Sendable (OpaquePointer) -> Int32
    ) async throws {
        try await handle.call(operation, deadline) { pool, call in
            _ = try call.check(body(pool))
        }
    }
}

extension StoragePool {
    /// Its volumes. Calls `virStoragePoolListAllVolumes`.
    public func volumes(deadline: Duration = .seconds(30)) async throws -> [StorageVolume] {
        try await handle.call("virStoragePoolListAllVolumes", deadline) { [core = handle.core] pool, call in
            try takeList(call) { virStoragePoolListAllVolumes(pool, $0, 0) }
                .map { StorageVolume(owning: $0, core: core) }
        }
    }

    /// The volume with this name.
    /// - Throws: `LibvirtError` `.noStorageVol`. Calls `virStorageVolLookupByName`.
    public func volume(name: String, deadline: Duration = .seconds(30)) async throws -> StorageVolume {
        try await handle.call("virStorageVolLookupByName", deadline) { [core = handle.core] pool, call in
            StorageVolume(owning: try call.check(virStorageVolLookupByName(pool, name)), core: core)
        }
    }

    /// Makes a volume.
    ///
    /// - Parameter reserveMetadata: writes a qcow2 image's tables at once (`VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA`).
    /// - Throws: `LibvirtError` `.storageVolExist`, `.operationFailed`. Calls `virStorageVolCreateXML`.
    public func createVolume(
        xml: String, reserveMetadata: Bool = false, deadline: Duration = .seconds(30)
    ) async throws -> StorageVolume {
        let flags = reserveMetadata ? VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA.rawValue : 0
        return try await handle.call("virStorageVolCreateXML", deadline) { [core = handle.core] pool, call in
            StorageVolume(owning: try call.check(virStorageVolCreateXML(pool, xml, flags)), core: core)
        }
    }
}
