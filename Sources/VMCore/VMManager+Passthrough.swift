import VMModel

extension VMManager {
    /// Starts a VM. When it cannot be started and wants something of the host for itself, the reason is looked for there, because
    /// libvirt's words do not say what to do.
    /// - Throws: `hostUnsupported` with what is missing; else libvirt's reason.
    func startOrSayWhyNot(_ uuid: VMUUID) async throws(VMError) {
        do throws(VMError) {
            try await hypervisor.start(uuid)
        } catch {
            let reasons: [VMError.Code] = [.hostUnsupported, .failed]
            guard reasons.contains(error.code), let missing = try? await whatIsMissing(for: uuid) else { throw error }
            throw VMError(.hostUnsupported, missing, cause: error.cause)
        }
    }

    /// What the host lacks of what the VM wants of it; nil when nothing is seen to be missing.
    private func whatIsMissing(for uuid: VMUUID) async throws(VMError) -> String? {
        let wanted = try await hypervisor.resources(of: uuid)
        var missing: [String] = []
        if !wanted.pciDevices.isEmpty {
            let there = try await hypervisor.pciDevices(at: wanted.pciDevices)
            let support = try await hypervisor.passthroughSupport()
            let absent = wanted.pciDevices.filter { address in !there.contains { $0.address == address } }
            if !absent.isEmpty {
                missing.append("the host has no PCI device \(absent.listed); 'lspci -D' lists those that it has")
            }
            let withoutGroup = there.filter(\.iommuGroup.isEmpty).map(\.address)
            if !withoutGroup.isEmpty || (!absent.isEmpty && !support.canGivePCIDevices) {
                missing.append(
                    "the host has no IOMMU in use for PCI device \((withoutGroup + absent).sorted().listed): switch on VT-d "
                        + "or AMD-Vi in the firmware's setup, boot Linux with intel_iommu=on where the CPU is Intel's, and "
                        + "see that /sys/kernel/iommu_groups is not empty")
            }
            if let split = try await self.splitGroup(of: there) { missing.append(split) }
        }
        if wanted.usesHugePages {
            let reserved = try await hypervisor.passthroughSupport().hugePagesMB
            if reserved < wanted.memoryMB {
                missing.append(
                    "it wants \(wanted.memoryMB) MiB of huge pages, and the host has reserved \(reserved) MiB: raise "
                        + "vm.nr_hugepages with sysctl")
            }
        }
        return missing.isEmpty ? nil : missing.joined(separator: "; and ")
    }

    /// Checks PCI devices that a new VM is to have, as far as the host knows them: what is missing altogether the start will say.
    /// - Throws: `invalidArgument` for a bridge, and for a device without the others of its IOMMU group.
    func checkPCIDevices(_ addresses: [PCIAddress]) async throws(VMError) {
        guard !addresses.isEmpty else { return }
        let devices = try await hypervisor.pciDevices(at: addresses)
        if let bridge = devices.first(where: \.isBridge) {
            throw VMError(.invalidArgument, "PCI device \(bridge.words) is a bridge, which no VM can have")
        }
        if let split = try await splitGroup(of: devices) { throw VMError(.invalidArgument, split) }
    }

    /// Why devices cannot be given away without others, with the whole group; nil if they can.
    private func splitGroup(of devices: [PCIDevice]) async throws(VMError) -> String? {
        let given = Set(devices.map(\.address))
        for device in devices where !device.iommuGroup.allSatisfy(given.contains) {
            let group = try await hypervisor.pciDevices(at: device.iommuGroup.sorted())
            let missing = group.filter { !given.contains($0.address) && $0.isUsedByHost }
            guard !missing.isEmpty else { continue }
            return
                "PCI device \(device.address) shares its IOMMU group with devices that the host uses, so they go to the VM "
                + "together or not at all; missing: \(missing.map(\.address).listed); the whole group: "
                + group.map { $0.isBridge ? "\($0.words), a bridge, which stays" : $0.words }.joined(separator: ", ")
        }
        return nil
    }
}

extension [PCIAddress] {
    fileprivate var listed: String { map(\.description).joined(separator: ", ") }
}
