import Libvirt
public import VMCore
public import VMModel
import XMLReading

extension LibvirtHypervisor {
    public func survey(within budget: Duration) async throws(VMError) -> HostSurvey {
        try await withLane { connection in
            let reading = SurveyReading(connection: connection, end: .now + budget)
            // The first question shows whether anybody answers; what is not answered after that is not known, and no more.
            var survey = HostSurvey()
            survey.libvirtVersion = try await connection.libvirtVersion(deadline: reading.left).description
            survey.hypervisor = try await Self.hypervisorWords(connection, deadline: reading.left)
            await reading.hardware(&survey)
            await reading.machines(&survey)
            await reading.network(&survey)
            await reading.iommu(&survey)
            // Looks at each file of the pool, so that it comes last.
            await reading.disks(&survey)
            return survey
        }
    }
}

/// Reads the parts of a survey, each of which may fail, until the time is up.
private struct SurveyReading {
    let connection: LibvirtConnection
    let end: ContinuousClock.Instant

    /// How long the next call may take.
    var left: Duration { max(end - .now, .milliseconds(1)) }

    /// What libvirt says; nil where it does not.
    private func said<Value: Sendable>(_ read: (LibvirtConnection) async throws -> Value) async -> Value? {
        guard end > .now else { return nil }
        return try? await read(connection)
    }

    func hardware(_ survey: inout HostSurvey) async {
        let node = await said { try await $0.nodeInfo(deadline: left) }
        survey.memoryMB = node.map { $0.memoryInKiB / 1024 }
        survey.cpus = node?.cpus
    }

    func machines(_ survey: inout HostSurvey) async {
        guard let capabilities = await said({ try XMLTree(parsing: try await $0.capabilitiesXML(deadline: left)) })
        else {
            return
        }
        let guests = capabilities.all("guest").compactMap { $0.first("arch") }
            .filter { $0.attributes["name"] == "x86_64" }
        let domains = guests.flatMap { $0.all("domain") }
        survey.kvmIsUsable = domains.contains { $0.attributes["type"] == "kvm" }
        survey.hasQ35 = (guests + domains).flatMap { $0.all("machine") }.contains { $0.text == "q35" }
        guard survey.hasQ35 == true else { return }
        let domain = await said {
            try XMLTree(parsing: try await $0.domainCapabilitiesXML(machine: "q35", arch: "x86_64", deadline: left))
        }
        guard let domain else { return }
        let devices = domain.first("devices")
        survey.hasTPMEmulator = devices?.first("tpm")?.values("backendModel").contains("emulator")
        survey.canGivePCIDevices = devices?.first("hostdev")?.values("pciBackend").isEmpty == false
        survey.firmware = await firmware(domain)
    }

    /// libvirt lists that there is firmware, and firmware with Secure Boot; of keys it says nothing, but can be asked to choose.
    private func firmware(_ domain: XMLTree) async -> HostSurvey.Firmware? {
        guard let os = domain.first("os") else { return nil }
        guard os.values("firmware").contains("efi") else { return HostSurvey.Firmware.none }
        do {
            _ = try await connection.qemuCommand(forXML: Self.windows, deadline: left)
            return .enrolledKeys
        } catch let error as LibvirtError where error.kind == .libvirt && error.code == .operationFailed {
            return os.first("loader")?.values("secure").contains("yes") == true ? .secureBoot : .uefi
        } catch {
            return nil
        }
    }

    /// What firmware has to do for Windows 11, and nothing else that could be missing.
    private static let windows = """
        <domain type='qemu'>
          <name>neuron-vm-check</name>
          <memory unit='MiB'>64</memory>
          <os firmware='efi'>
            <type arch='x86_64' machine='q35'>hvm</type>
            <firmware><feature enabled='yes' name='secure-boot'/><feature enabled='yes' name='enrolled-keys'/></firmware>
          </os>
          <features><acpi/><smm state='on'/></features>
        </domain>
        """

    func network(_ survey: inout HostSurvey) async {
        survey.network = await said { connection in
            do {
                let isActive = try await connection.network(name: "default", deadline: left).isActive(deadline: left)
                return isActive ? .active : .inactive
            } catch let error as LibvirtError where error.code == .noNetwork {
                return .absent
            }
        }
    }

    func iommu(_ survey: inout HostSurvey) async {
        survey.hasIOMMU = await said { connection in
            // All devices are in groups, or none is but for odd ones.
            for device in try await connection.pciDevices(deadline: left).prefix(32) {
                let xml = try XMLTree(parsing: try await device.xml(deadline: left))
                if xml.all("capability").contains(where: { $0.first("iommuGroup") != nil }) { return true }
            }
            return false
        }
    }

    func disks(_ survey: inout HostSurvey) async {
        let pool: StoragePool?? = await said { connection in
            do {
                return try await connection.storagePool(name: VolumePool.disks.name, deadline: left)
            } catch let error as LibvirtError where error.code == .noStoragePool {
                return nil
            }
        }
        guard let pool else { return }
        guard let pool else { return survey.diskPool = .absent }
        survey.diskPool = await said { _ in try await pool.isActive(deadline: left) }.map { $0 ? .active : .inactive }
        guard survey.diskPool == .active else { return }
        // Else the sizes are those of the last time that a volume was made or removed. It fails while another does, which is no harm.
        _ = await said { _ in try await pool.refresh(deadline: left) }
        survey.freeDiskBytes = await said { _ in try await pool.info(deadline: left).available }
    }
}

extension XMLTree {
    /// The values of an `enum` of domain capabilities.
    fileprivate func values(_ name: String) -> [String] {
        all("enum").first { $0.attributes["name"] == name }?.all("value").map(\.text) ?? []
    }
}
