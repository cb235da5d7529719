import CLibvirt

extension LibvirtConnection {
    /// All pools, running or not. Calls `virConnectListAllStoragePools`.
    public func storagePools(deadline: Duration = .seconds(30)) async throws -> [StoragePool] {
        try await core.call("virConnectListAllStoragePools", deadline: deadline) { [core] connection, call in
            try takeList(call) { virConnectListAllStoragePools(connection, $0, 0) }
                .map { StoragePool(owning: $0, core: core) }
        }
    }

    /// The pool with this name.
    /// - Throws: `LibvirtError` `.noStoragePool`. Calls `virStoragePoolLookupByName`.
    public func storagePool(name: String, deadline: Duration = .seconds(30)) async throws -> StoragePool {
        try await core.call("virStoragePoolLookupByName", object: name, deadline: deadline) { [core] connection, call in
            StoragePool(owning: try call.check(virStoragePoolLookupByName(connection, name)), core: core)
        }
    }

    /// The pool whose volumes are at this path of the host.
    /// - Throws: `LibvirtError` `.noStoragePool`. Calls `virStoragePoolLookupByTargetPath`.
    public func storagePool(targetPath: String, deadline: Duration = .seconds(30)) async throws -> StoragePool {
        try await core.call("virStoragePoolLookupByTargetPath", object: targetPath, deadline: deadline) {
            [core] connection, call in
            StoragePool(owning: try call.check(virStoragePoolLookupByTargetPath(connection, targetPath)), core: core)
        }
    }

    /// Gives a pool its configuration; it is then built and started. Calls `virStoragePoolDefineXML`.
    public func defineStoragePool(
        xml: String, name: String? = nil, deadline: Duration = .seconds(30)
    ) async throws -> StoragePool {
        try await core.call("virStoragePoolDefineXML", object: name, deadline: deadline) { [core] connection, call in
            StoragePool(owning: try call.check(virStoragePoolDefineXML(connection, xml, 0)), core: core)
        }
    }

    /// The volume with this path, in whichever pool it is.
    /// - Throws: `LibvirtError` `.noStorageVol`. Calls `virStorageVolLookupByPath`.
    public func volume(path: String, deadline: Duration = .seconds(30)) async throws -> StorageVolume {
        try await volume("virStorageVolLookupByPath", path, deadline) { virStorageVolLookupByPath($0, path) }
    }

    /// The volume with this key.
    /// - Throws: `LibvirtError` `.noStorageVol`. Calls `virStorageVolLookupByKey`.
    public func volume(key: String, deadline: Duration = .seconds(30)) async throws -> StorageVolume {
        try await volume("virStorageVolLookupByKey", key, deadline) { virStorageVolLookupByKey($0, key) }
    }

    private func volume(
        _ operation: String, _ object: String, _ deadline: Duration,
        _ body: @escaping @Sendable (OpaquePointer) -> OpaquePointer?
    ) async throws -> StorageVolume {
        try await core.call(operation, object: object, deadline: deadline) { [core] connection, call in
            StorageVolume(owning: try call.check(body(connection)), core: core)
        }
    }
}
