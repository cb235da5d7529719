import CLibvirt

/// The kinds of libvirt objects that we hold; each counts its references in the library.
enum ObjectKind: Sendable {
    case domain
    case storagePool
    case storageVolume
    case network
    case nodeDevice
    case stream

    /// Takes another reference. Calls `virDomainRef` and its kin.
    func retain(_ object: OpaquePointer) {
        switch self {
        case .domain: virDomainRef(object)
        case .storagePool: virStoragePoolRef(object)
        case .storageVolume: virStorageVolRef(object)
        case .network: virNetworkRef(object)
        case .nodeDevice: virNodeDeviceRef(object)
        case .stream: virStreamRef(object)
        }
    }

    /// Gives a reference back; local, while the connection itself is still held. Calls `virDomainFree` and its kin.
    func release(_ object: OpaquePointer) {
        switch self {
        case .domain: virDomainFree(object)
        case .storagePool: virStoragePoolFree(object)
        case .storageVolume: virStorageVolFree(object)
        case .network: virNetworkFree(object)
        case .nodeDevice: virNodeDeviceFree(object)
        case .stream: virStreamFree(object)
        }
    }
}

/// One owned reference to a libvirt object.
struct OwnedObject: @unchecked Sendable {
    // Proof: libvirt's objects may be used by several threads at once, and this is only a pointer; its table frees it
    // once.
    let pointer: OpaquePointer
    let kind: ObjectKind
}

/// The references that the handles of one connection own, so that closing can release them all.
struct ObjectTable {
    private var objects: [UInt64: OwnedObject] = [:]
    private var last: UInt64 = 0

    /// How many references are held.
    var count: Int { objects.count }

    /// Keeps a reference; the key is never used again for another.
    mutating func insert(_ object: OwnedObject) -> UInt64 {
        last &+= 1
        objects[last] = object
        return last
    }

    func object(for key: UInt64) -> OwnedObject? {
        objects[key]
    }

    mutating func remove(_ key: UInt64) -> OwnedObject? {
        objects.removeValue(forKey: key)
    }

    mutating func removeAll() -> [OwnedObject] {
        defer { objects = [:] }
        return Array(objects.values)
    }
}
