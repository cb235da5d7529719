import Testing
import XMLReading

@testable import Libvirt

@Suite struct NodeDeviceTests {
    @Test func findsADeviceOfTheHost() async throws {
        try await TestHost.with { connection in
            let device = try await connection.nodeDevice(name: "pci_0000_01_00_0")
            #expect(device.name == "pci_0000_01_00_0")
            let pci = try await XMLTree(parsing: device.xml()).first("capability")
            #expect(pci?.first("iommuGroup")?.all("address").count == 2)
            let error = await failure { _ = try await connection.nodeDevice(name: "pci_0000_02_00_0") }
            #expect(error?.code == .noNodeDevice && error?.object == "pci_0000_02_00_0")
        }
    }

    /// The test driver has eight CPUs, of which three are on line.
    @Test func knowsItsCPUs() async throws {
        try await TestHost.with { connection in
            let cpus = try await connection.onlineCPUs()
            #expect(cpus == [0, 2, 4])
        }
    }
}
