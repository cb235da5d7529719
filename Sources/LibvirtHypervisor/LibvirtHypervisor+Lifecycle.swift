public import VMModel

import Libvirt

/// How long a call may take that waits for a guest's process to be made or ended.
private let longDeadline = Duration.seconds(120)

extension LibvirtHypervisor {
    public func start(_ uuid: VMUUID) async throws(VMError) {
        try await withDomain(uuid) { try await $0.start(deadline: longDeadline) }
    }

    public func requestShutdown(_ uuid: VMUUID) async throws(VMError) {
        try await withDomain(uuid) { try await $0.shutdown() }
    }

    public func destroy(_ uuid: VMUUID) async throws(VMError) {
        try await withDomain(uuid) { try await $0.destroy(deadline: longDeadline) }
    }

    public func suspend(_ uuid: VMUUID) async throws(VMError) {
        try await withDomain(uuid) { try await $0.suspend() }
    }

    public func resume(_ uuid: VMUUID) async throws(VMError) {
        try await withDomain(uuid) { try await $0.resume() }
    }

    public func wakeUp(_ uuid: VMUUID) async throws(VMError) {
        try await withDomain(uuid) { try await $0.wakeUp() }
    }

    public func requestReboot(_ uuid: VMUUID) async throws(VMError) {
        try await withDomain(uuid) { try await $0.reboot() }
    }

    public func reset(_ uuid: VMUUID) async throws(VMError) {
        try await withDomain(uuid) { try await $0.reset() }
    }

    public func setAutostart(_ uuid: VMUUID, _ autostart: Bool) async throws(VMError) {
        try await withDomain(uuid) { try await $0.setAutostart(autostart) }
    }

    // MARK: Making and removing

    public func define(_ xml: String) async throws(VMError) -> VMUUID {
        try await withLink { VMUUID(try await $0.connection.defineDomain(xml: xml).uuid) }
    }

    public func undefine(_ uuid: VMUUID) async throws(VMError) {
        try await withLink { link in
            let domain = try await link.connection.domain(uuid: try DomainUUID(uuid))
            do {
                try await domain.undefine(.everything(for: link.version))
            } catch let error as LibvirtError where error.code == .invalidArgument || error.code == .argumentUnsupported {
                // A driver without firmware and TPM refuses their flags.
                try await domain.undefine([.managedSave, .snapshotsMetadata])
            }
        }
    }
}
