import Testing
import VMCore
import VMModel

@testable import LibvirtHypervisor

@Suite(.timeLimit(.minutes(1))) struct PassthroughTests {
    private static func device(_ address: PCIAddress, name: String, pciClass: String, group: [String]) -> String {
        let members = group.map { "<address domain='0x0000' bus='0x01' slot='0x00' function='\($0)'/>" }.joined()
        return """
            <device>
              <name>pci_0000_01_00_\(address.function)</name><parent>computer</parent>
              <capability type='pci'>
                <class>\(pciClass)</class>
                <domain>0</domain><bus>1</bus><slot>0</slot><function>\(address.function)</function>
                <product id='0x1'>\(name)</product><vendor id='0x2'>Maker</vendor>
                \(group.isEmpty ? "" : "<iommuGroup number='14'>\(members)</iommuGroup>")
              </capability>
            </device>
            """
    }

    @Test func tellsOfDevicesAndTheirGroups() async throws {
        let addresses = (0..<4).compactMap { PCIAddress("0000:01:00.\($0)") }
        let devices =
            Self.device(addresses[0], name: "Card", pciClass: "0x030000", group: ["0x0", "0x1"])
            + Self.device(addresses[1], name: "Bridge", pciClass: "0x060400", group: ["0x0", "0x1"])
            + Self.device(addresses[2], name: "Alone", pciClass: "0x020000", group: [])
        try await TestHost.with(extra: devices) { host async throws in
            let found = try await host.hypervisor.pciDevices(at: addresses)
            #expect(found.map(\.address) == Array(addresses[0...2]))
            #expect(found.map(\.name) == ["Maker Card", "Maker Bridge", "Maker Alone"])
            #expect(found.map(\.isBridge) == [false, true, false])
            #expect(found.map(\.iommuGroup) == [Array(addresses[0...1]), Array(addresses[0...1]), []])
        }
    }

    @Test func tellsWhatAVMTakes() async throws {
        let hostdevs = """
            <hostdev mode='subsystem' type='pci' managed='yes'>
              <source><address domain='0x0000' bus='0x0a' slot='0x1f' function='0x7'/></source>
            </hostdev>
            """
        try await TestHost.with(devices: hostdevs) { host async throws in
            let resources = try await host.hypervisor.resources(of: try await host.vm().uuid)
            #expect(resources.pciDevices.map(\.description) == ["0000:0a:1f.7"])
            #expect(!resources.usesHugePages && resources.memoryMB == 8)
        }
        try await TestHost.with { host async throws in
            let xml = TestHost.domainXML("big", inner: "<memoryBacking><hugepages/></memoryBacking>")
            let uuid = try await host.hypervisor.define(xml)
            let resources = try await host.hypervisor.resources(of: uuid)
            #expect(resources.pciDevices.isEmpty && resources.usesHugePages)
        }
    }

    @Test func tellsWhatThereIsToGive() async throws {
        try await TestHost.with { host async throws in
            // The test driver has no such devices and no huge pages.
            let support = try await host.hypervisor.passthroughSupport()
            #expect(support == PassthroughSupport(canGivePCIDevices: false, hugePagesMB: 0))
            let facts = try await host.hypervisor.hostFacts()
            #expect(facts.onlineCPUs == [0, 2, 4])
        }
    }
}
