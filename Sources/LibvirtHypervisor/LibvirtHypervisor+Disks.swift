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

    public func deleteDisk(atPath path: String) async throws(VMError) {
        try await withLink { link in
            guard let fileName = try await link.disks.fileName(ofPath: path) else { return }
            try await link.disks.delete(fileName)
        }
    }
}
