import Libvirt
import VMCore
import VMModel

/// One of libvirt's storage pools: through it the service makes and removes files that it has no right to touch itself.
actor VolumePool {
    /// Which pool it is, and what is in it.
    struct Kind: Sendable {
        let name: String
        /// Where it is when the service makes it.
        let usualPath: String
        /// In libvirt's XML, of the directory and of each volume; empty for libvirt's own choice.
        let directoryPermissions: String
        let volumePermissions: String
    }

    /// The pool that virt-manager and others use as well.
    static let disks = Kind(
        name: "default", usualPath: "/var/lib/libvirt/images", directoryPermissions: "", volumePermissions: "")
    /// Everybody may read what is in it, QEMU's user too, and only root may write it.
    static let media = Kind(
        name: "neuron-media", usualPath: MediaName.directories[0],
        directoryPermissions: "<permissions><mode>0755</mode><owner>0</owner><group>0</group></permissions>",
        volumePermissions: "<permissions><mode>0644</mode><owner>0</owner><group>0</group></permissions>")

    /// An empty qcow2 image with its tables; with less than this free nothing sensible can follow.
    private static let leastFreeBytes: UInt64 = 16 << 20

    private let storage: StorageConnection
    private let kind: Kind
    private var preparing: Task<StoragePool, any Error>?

    init(_ kind: Kind, _ storage: StorageConnection) {
        self.kind = kind
        self.storage = storage
    }

    func path(of fileName: String) async throws -> String {
        let target = try await existing()?.targetPath() ?? kind.usualPath
        return "\(target)/\(fileName)"
    }

    /// The name of the file with this path.
    /// - Returns: nil where there is no pool. - Throws: `pathNotAllowed` for a path that is not in the pool, or would not be.
    func fileName(ofPath path: String) async throws -> String? {
        let pool = try await existing()
        let target = try await pool?.targetPath() ?? kind.usualPath
        guard let fileName = path.split(separator: "/").last.map(String.init),
            path == "\(target)/\(fileName)"
        else { throw VMError(.pathNotAllowed, "the disk is not in the storage pool '\(kind.name)'") }
        return pool == nil ? nil : fileName
    }

    /// - Parameter contentBytes: what will be written into it; nil when nothing will be.
    func create(
        _ fileName: String, format: ImageFormat, sizeBytes: UInt64, contentBytes: UInt64? = nil
    ) async throws -> String {
        let pool = try await ready()
        if let contentBytes { try await checkRoom(for: contentBytes, in: pool) }
        let compatibility = format == .qcow2 ? "<compat>1.1</compat>" : ""
        // Of a raw volume libvirt writes all the zeros otherwise.
        let allocation = format == .raw ? "<allocation unit='bytes'>0</allocation>" : ""
        do {
            let volume = try await pool.createVolume(
                xml: """
                    <volume>
                      <name>\(fileName)</name>
                      <capacity unit='bytes'>\(sizeBytes)</capacity>\(allocation)
                      <target>
                        <format type='\(format.rawValue)'/>\(kind.volumePermissions)\(compatibility)
                      </target>
                    </volume>
                    """)
            // The key of a file is its path: libvirt need not be asked again.
            return volume.key.hasSuffix("/\(fileName)") ? volume.key : try await volume.path()
        } catch let error as LibvirtError where error.code == .operationInvalid {
            throw VMError(.alreadyExists, "there is a file of that name", cause: VMError.Cause(error))
        } catch let error as LibvirtError where error.kind == .libvirt && error.code != .storageVolExist {
            // libvirt removes what it began.
            throw try await cause(of: error, in: pool)
        }
    }

    /// That the space ran out libvirt says in words only, so it is measured.
    private func cause(of error: LibvirtError, in pool: StoragePool) async throws -> any Error {
        await refresh(pool)
        return try await pool.info().available >= Self.leastFreeBytes ? error : noSpace(VMError.Cause(error))
    }

    /// The volume of that name, where there is one.
    func volume(_ fileName: String) async throws -> StorageVolume? {
        guard let pool = try await existing() else { return nil }
        do {
            return try await pool.volume(name: fileName)
        } catch let error as LibvirtError where error.code == .noStorageVol {
            return nil
        }
    }

    /// Whether there is something of that name, also since a moment ago.
    func hasFile(_ fileName: String) async throws -> Bool {
        await refresh(try await ready())
        return try await volume(fileName) != nil
    }

    /// The regular files in it, with their sizes; nothing where there is no pool, or where it does not run.
    func files() async throws -> [Medium] {
        guard let pool = try await existing(), try await pool.isActive() else { return [] }
        await refresh(pool)
        var files: [Medium] = []
        for volume in try await pool.volumes() {
            do {
                let info = try await volume.info()
                if info.isFile { files.append(Medium(name: volume.name, sizeBytes: info.capacity)) }
            } catch let error as LibvirtError where error.code == .noStorageVol {
                // Removed since the list was made.
            }
        }
        return files
    }

    func grow(_ fileName: String, to sizeBytes: UInt64) async throws {
        guard let pool = try await existing(), let volume = try await volume(fileName) else {
            throw VMError(.failed, "the new disk has disappeared")
        }
        do {
            try await volume.resize(to: sizeBytes, deadline: .seconds(120))
        } catch let error as LibvirtError where error.kind == .libvirt {
            throw try await cause(of: error, in: pool)
        }
    }

    /// What is gone already is no error.
    /// - Throws: `busy` while libvirt is still making it, perhaps for a process that has ended since.
    func delete(_ fileName: String) async throws {
        guard let pool = try await existing() else { return }
        if try await !pool.isActive() { try await start(pool) }
        do {
            try await remove(pool.volume(name: fileName))
        } catch let error as LibvirtError where error.code == .noStorageVol {
            // It may have come while libvirtd was not there to see it.
            do {
                try await pool.refresh()
            } catch let error as LibvirtError where error.code == .internalError {
                throw Self.busy(error)
            }
            if let volume = try await volume(fileName) { try await remove(volume) }
        }
    }

    private func remove(_ volume: StorageVolume) async throws {
        do {
            try await volume.delete()
        } catch let error as LibvirtError where error.code == .operationInvalid {
            throw Self.busy(error)
        }
    }

    /// A pool is not read anew while a volume is made in it, and such a volume is not removed.
    private static func busy(_ error: LibvirtError) -> VMError {
        VMError(.busy, "libvirt is still making a volume; try again later", cause: VMError.Cause(error))
    }

    func noSpace(_ cause: VMError.Cause? = nil) -> VMError {
        VMError(.noSpace, "the storage pool '\(kind.name)' is full", cause: cause)
    }

    private func checkRoom(for bytes: UInt64, in pool: StoragePool) async throws {
        await refresh(pool)
        let available = try await pool.info().available
        guard available >= bytes else {
            throw VMError(
                .noSpace,
                "it needs \(bytes >> 20) MiB, and the storage pool '\(kind.name)' has \(available >> 20) MiB free")
        }
    }

    /// Has libvirt look what there is. It refuses while it copies something into the pool, and looks by itself after that.
    private func refresh(_ pool: StoragePool) async {
        try? await pool.refresh()
    }

    private func existing() async throws -> StoragePool? {
        do {
            return try await storage.connection().storagePool(name: kind.name)
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
            if try await !pool.isActive() { try await start(pool) }
            return pool
        }
        let pool = try await storage.connection().defineStoragePool(
            xml: """
                <pool type='dir'><name>\(kind.name)</name>
                <target><path>\(kind.usualPath)</path>\(kind.directoryPermissions)</target></pool>
                """,
            name: kind.name)
        try await pool.build()
        try await pool.start()
        try await pool.setAutostart(true)
        return pool
    }

    private func start(_ pool: StoragePool) async throws {
        do {
            try await pool.start()
        } catch let error as LibvirtError where error.kind == .libvirt {
            // Somebody else may have been faster.
            if try await pool.isActive() { return }
            // Whoever made it was cut off before its directory was there. Elsewhere that may be a place where nothing is mounted.
            guard try await pool.targetPath() == kind.usualPath else { throw error }
            try await pool.build()
            try await pool.start()
        }
    }
}
