import Foundation
import VMTemplates

/// The project's own templates.
enum ShippedTemplates {
    /// Where they lie in the repository.
    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
        path: "../../../Templates"
    ).standardizedFileURL.path

    /// A copy whose owner and permissions do not depend on how the repository was checked out.
    static func copy() throws -> TemporaryDirectory {
        let copy = try TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) where name.hasSuffix(".xml.j2") {
            try copy.write(name, Data(contentsOf: URL(fileURLWithPath: directory + "/" + name)))
        }
        return copy
    }

    /// The library of them.
    static func library() throws -> TemplateLibrary {
        let directory = try copy()
        return try withExtendedLifetime(directory) {
            try TemplateLibrary(directories: [directory.path], trustedOwner: geteuid())
        }
    }

    static let names = [
        "linux-basic", "linux-passthrough", "macos-sonoma-basic", "macos-sonoma-passthrough", "windows11-basic",
        "windows11-passthrough",
    ]

    /// Values for everything that has to be given.
    static let required: [String: ParameterValue] = [
        "name": .string("vm-1"), "disk_path": .string("/var/lib/libvirt/images/vm-1.qcow2"),
    ]

    /// Values for the eight parameters that every template has.
    static let common: [String: ParameterValue] = [
        "name": .string("vm-1"), "uuid": .string("3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f"), "memory_mb": .integer(4096),
        "vcpus": .integer(4), "disk_path": .string("/var/lib/libvirt/images/vm-1.qcow2"), "disk_size_gb": .integer(64),
        "iso_path": .string("/var/lib/libvirt/images/a b&c.iso"), "mac_address": .string("52:54:00:12:34:56"),
    ]
}
