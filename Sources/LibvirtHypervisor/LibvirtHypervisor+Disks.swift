import Libvirt
import VMCore
public import VMModel

extension LibvirtHypervisor {
    public func pathOfDisk(named fileName: String) async throws(VMError) -> String {
        try await withLink { try await $0.disks.path(of: fileName) }
    }

    public func createDisk(named fileName: String, sizeBytes: UInt64) async throws(VMError) -> String {
        try await withLink { try await $0.disks.create(fileName, format: .qcow2, sizeBytes: sizeBytes) }
    }

    public func growDisk(named fileName: String, toBytes sizeBytes: UInt64) async throws(VMError) {
        try await withLink { try await $0.disks.grow(fileName, to: sizeBytes) }
    }

    public func hasVolume(atPath path: String) async throws(VMError) -> Bool {
        try await withLink { link in
            guard let (pool, fileName) = try await Self.place(of: path, link) else { return false }
            return try await pool.hasFile(fileName)
        }
    }

    public func deleteVolume(atPath path: String) async throws(VMError) {
        try await withLink { link in
            guard let (pool, fileName) = try await Self.place(of: path, link) else { return }
            try await pool.delete(fileName)
        }
    }

    /// The pool of a path, and the file's name in it; nil where that pool is not there.
    private static func place(of path: String, _ link: Link) async throws -> (VolumePool, String)? {
        do {
            return try await link.media.fileName(ofPath: path).map { (link.media, $0) }
        } catch let error as VMError where error.code == .pathNotAllowed {
            return try await link.disks.fileName(ofPath: path).map { (link.disks, $0) }
        }
    }
}
