import Testing
import VMModel
import VMTestSupport

@testable import VMCore

// What the start of a VM says that wants of the host what it does not have.
extension PassthroughTests {
    private static let refusal = VMError(
        .hostUnsupported, "the host cannot do what it asks for",
        cause: VMError.Cause(domain: 10, code: 67, operation: "virDomainCreate", text: "no passthrough"))

    /// Why a VM with these resources cannot be started.
    private func failureStarting(
        _ resources: HostResources, _ devices: [PCIDevice], _ support: PassthroughSupport, _ error: VMError = refusal
    ) async throws -> VMError? {
        let vm = machine("gamer")
        let rig = try await Rig(vm)
        rig.fake.change { world in
            world.machines[vm.uuid]?.resources = resources
            world.pciDevices = devices
            world.support = support
        }
        rig.fake.fail(.start, with: error)
        return await failure { try await rig.manager.start(vm.uuid) }
    }

    private static let bare = PassthroughSupport(canGivePCIDevices: false, hugePagesMB: 0)

    @Test func withoutIOMMUTheStartSaysWhatIsMissing() async throws {
        let wanted = HostResources(pciDevices: Self.card)
        let error = try await failureStarting(wanted, Self.host(hasIOMMU: false), Self.bare)
        #expect(error?.code == .hostUnsupported && error?.cause == Self.refusal.cause)
        #expect(
            error?.message.hasPrefix(
                "cannot start 'gamer': the host has no IOMMU in use for PCI device 0000:01:00.0, 0000:01:00.1: ")
                == true)
        #expect(error?.message.contains("intel_iommu=on") == true)
    }

    @Test func aDeviceThatIsNotThereIsNamed() async throws {
        let wanted = HostResources(pciDevices: Self.card)
        let failed = VMError(.failed, "libvirt could not do it")
        let support = PassthroughSupport(canGivePCIDevices: true, hugePagesMB: 0)
        let one = try await failureStarting(wanted, Array(Self.host(driver: nil).suffix(2)), support, failed)
        #expect(one?.code == .hostUnsupported)
        #expect(
            one?.message
                == "cannot start 'gamer': the host has no PCI device 0000:01:00.0; 'lspci -D' lists those that it has")
        let none = try await failureStarting(wanted, [], Self.bare)
        #expect(none?.message.contains("no PCI device 0000:01:00.0, 0000:01:00.1") == true)
        #expect(none?.message.contains("; and the host has no IOMMU") == true)
    }

    @Test func aGroupThatIsNoLongerWholeIsShown() async throws {
        let wanted = HostResources(pciDevices: [Self.card[0]])
        let support = PassthroughSupport(canGivePCIDevices: true, hugePagesMB: 0)
        let error = try await failureStarting(wanted, Self.host(), support, VMError(.failed, "no"))
        #expect(error?.code == .hostUnsupported && error?.message.contains("missing: 0000:01:00.1") == true)
    }

    @Test func hugePagesThatAreNotReservedAreCounted() async throws {
        let wanted = HostResources(usesHugePages: true, memoryMB: 4096)
        let error = try await failureStarting(
            wanted, [], PassthroughSupport(canGivePCIDevices: false, hugePagesMB: 1024), VMError(.failed, "no"))
        #expect(error?.code == .hostUnsupported)
        #expect(error?.message.contains("wants 4096 MiB of huge pages, and the host has reserved 1024 MiB") == true)
        #expect(error?.message.contains("vm.nr_hugepages") == true)
    }

    @Test func whatIsNotUnderstoodKeepsItsReason() async throws {
        let plain = VMError(.failed, "libvirt could not do it")
        #expect(
            try await failureStarting(HostResources(), [], Self.bare, plain)?.message
                == "cannot start 'gamer': libvirt could not do it")
        let busy = VMError(.timeout, "libvirt is still busy")
        let wanted = HostResources(pciDevices: Self.card)
        #expect(try await failureStarting(wanted, [], Self.bare, busy)?.code == .timeout)
        let support = PassthroughSupport(canGivePCIDevices: true, hugePagesMB: 0)
        let whole = try await failureStarting(wanted, Self.host(), support, plain)
        #expect(whole?.code == .failed)
    }
}
