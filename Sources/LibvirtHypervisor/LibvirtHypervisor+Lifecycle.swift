import Libvirt
public import VMModel
import XMLReading

/// How long a call may take that waits for a guest's process to be made or ended.
private let longDeadline = Duration.seconds(120)

extension LibvirtHypervisor {
    public func start(_ uuid: VMUUID) async throws(VMError) {
        try await withProcess(of: uuid) { try await $0.start(deadline: longDeadline) }
    }

    public func requestShutdown(_ uuid: VMUUID) async throws(VMError) {
        try await withProcess(of: uuid) { try await $0.shutdown() }
    }

    public func destroy(_ uuid: VMUUID) async throws(VMError) {
        try await withProcess(of: uuid) { try await $0.destroy(deadline: longDeadline) }
    }

    public func suspend(_ uuid: VMUUID) async throws(VMError) {
        try await withProcess(of: uuid) { try await $0.suspend() }
    }

    public func resume(_ uuid: VMUUID) async throws(VMError) {
        try await withProcess(of: uuid) { try await $0.resume() }
    }

    public func wakeUp(_ uuid: VMUUID) async throws(VMError) {
        try await withProcess(of: uuid) { try await $0.wakeUp() }
    }

    public func requestReboot(_ uuid: VMUUID) async throws(VMError) {
        try await withProcess(of: uuid) { try await $0.reboot() }
    }

    public func reset(_ uuid: VMUUID) async throws(VMError) {
        try await withProcess(of: uuid) { try await $0.reset() }
    }

    public func setAutostart(_ uuid: VMUUID, _ autostart: Bool) async throws(VMError) {
        try await withProcess(of: uuid) { try await $0.setAutostart(autostart) }
    }

    // MARK: Making and removing

    public func define(_ xml: String) async throws(VMError) -> VMUUID {
        try await withLink { link in
            do {
                return VMUUID(try await link.connection.defineDomain(xml: xml).uuid)
            } catch let error as LibvirtError where error.code == .operationFailed {
                // For a name that is taken libvirt has no number of its own, only words.
                guard let name = try XMLTree(parsing: xml).first("name")?.text,
                    try await !link.connection.domains().allSatisfy({ $0.name != name })
                else { throw error }
                throw VMError(.alreadyExists, "there is a VM of that name or UUID", cause: VMError.Cause(error))
            }
        }
    }

    public func undefine(_ uuid: VMUUID) async throws(VMError) {
        // It waits for a start that is not finished.
        try await withLane { connection in
            let domain = try await connection.domain(uuid: try DomainUUID(uuid))
            do {
                try await domain.undefine(.everything(for: try await connection.libvirtVersion()))
            } catch let error as LibvirtError where error.code == .invalidArgument || error.code == .argumentUnsupported
            {
                // A driver without firmware and TPM refuses their flags.
                try await domain.undefine([.managedSave, .snapshotsMetadata])
            }
        }
    }

    public func restoreDefinition(_ uuid: VMUUID) async throws(VMError) {
        try await withLane { connection in
            let xml = try await connection.domain(uuid: try DomainUUID(uuid)).xml([.inactive, .secure])
            _ = try await connection.defineDomain(xml: xml, validate: false)
        }
    }
}
