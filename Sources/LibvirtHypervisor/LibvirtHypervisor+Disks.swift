import Libvirt
public import VMModel

extension LibvirtHypervisor {
    public func pathOfDisk(named fileName: String) async throws(VMError) -> String {
        try await withLink { try await $0.disks.path(of: fileName) }
    }

    public func createDisk(named fileName: String, sizeBytes: UInt64) async throws(VMError) -> String {
        try await withLink { try await $0.disks.create(fileName, sizeBytes: sizeBytes) }
    }

    public func hasDisk(atPath path: String) async throws(VMError) -> Bool {
        try await withLink { try await $0.disks.has(path) }
    }

    public func deleteDisk(atPath path: String) async throws(VMError) {
        try await withLink { try await $0.disks.delete(path) }
    }
}

/// libvirt's storage pool for disks: through it the service makes and removes files that it has no right to touch itself.
actor DiskPool {
    /// The pool that virt-manager and others use as well.
    static let name = "default"
    private static let usualPath = "/var/lib/libvirt/images"
    /// An empty qcow2 image with its tables; with less than this free nothing sensible can follow.
    private static let leastFreeBytes: UInt64 = 16 << 20

    private let connection: LibvirtConnection
    private var preparing: Task<StoragePool, any Error>?

    init(connection: LibvirtConnection) {
        self.connection = connection
    }

    func path(of fileName: String) async throws -> String {
        let target = try await existing()?.targetPath() ?? Self.usualPath
        return "\(target)/\(fileName)"
    }

    func create(_ fileName: String, sizeBytes: UInt64) async throws -> String {
        let pool = try await ready()
        do {
            let volume = try await pool.createVolume(
                xml: """
                    <volume>
                      <name>\(fileName)</name>
                      <capacity unit='bytes'>\(sizeBytes)</capacity>
                      <target><format type='qcow2'/><compat>1.1</compat></target>
                    </volume>
                    """)
            return try await volume.path()
        } catch let error as LibvirtError where error.code == .operationInvalid {
            throw VMError(.alreadyExists, "there is a file of that name", cause: VMError.Cause(error))
        } catch let error as LibvirtError where error.kind == .libvirt && error.code != .storageVolExist {
            // libvirt removes what it began. That the space ran out it says in words only, so it is measured.
            try? await pool.refresh()
            guard try await pool.info().available >= Self.leastFreeBytes else {
                throw VMError(.noSpace, "the storage pool '\(Self.name)' is full", cause: VMError.Cause(error))
            }
            throw error
        }
    }

    func has(_ path: String) async throws -> Bool {
        guard let pool = try await existing(), try await pool.isActive() else { return false }
        // libvirt does not see by itself what came by another way.
        do {
            try await pool.refresh()
        } catch let error as LibvirtError where error.code == .internalError {
            throw Self.busy(error)
        }
        do {
            _ = try await volume(at: path, in: pool)
            return true
        } catch let error as LibvirtError where error.code == .noStorageVol {
            return false
        }
    }

    /// - Throws: `busy` while libvirt is still making it, perhaps for a process that has ended since.
    func delete(_ path: String) async throws {
        guard let pool = try await existing() else { return }
        if try await !pool.isActive() { try await pool.start() }
        do {
            try await delete(volume(at: path, in: pool))
        } catch let error as LibvirtError where error.code == .noStorageVol {
            // It is gone already, which is what was wanted; or it came while libvirtd was not there to see it.
            guard try await has(path) else { return }
            try await delete(volume(at: path, in: pool))
        }
    }

    private func delete(_ volume: StorageVolume) async throws {
        do {
            try await volume.delete()
        } catch let error as LibvirtError where error.code == .operationInvalid {
            throw Self.busy(error)
        }
    }

    /// A pool is not read anew while a volume is made in it, and such a volume is not removed.
    private static func busy(_ error: LibvirtError) -> VMError {
        VMError(.busy, "libvirt is still making a disk; try again later", cause: VMError.Cause(error))
    }

    private func volume(at path: String, in pool: StoragePool) async throws -> StorageVolume {
        guard let target = try await pool.targetPath(), let fileName = path.split(separator: "/").last.map(String.init),
            path == "\(target)/\(fileName)"
        else { throw VMError(.pathNotAllowed, "the disk is not in the storage pool '\(Self.name)'") }
        return try await pool.volume(name: fileName)
    }

    private func existing() async throws -> StoragePool? {
        do {
            return try await connection.storagePool(name: Self.name)
        } catch let error as LibvirtError where error.code == .noStoragePool {
            return nil
        }
    }

    /// The pool, running; made if it is absent. Whoever comes meanwhile waits for the same.
    private func ready() async throws -> StoragePool {
        if let preparing { return try await preparing.value }
        let task = Task { try await prepare() }
        preparing = task
        defer { preparing = nil }
        return try await task.value
    }

    private func prepare() async throws -> StoragePool {
        if let pool = try await existing() {
            if try await !pool.isActive() { try await pool.start() }
            return pool
        }
        let pool = try await connection.defineStoragePool(
            xml: "<pool type='dir'><name>\(Self.name)</name><target><path>\(Self.usualPath)</path></target></pool>",
            name: Self.name)
        try await pool.build()
        try await pool.start()
        try await pool.setAutostart(true)
        return pool
    }
}
