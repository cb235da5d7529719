import Libvirt
public import VMCore
public import VMModel
import XMLReading

extension LibvirtHypervisor {
    public func resources(of uuid: VMUUID) async throws(VMError) -> HostResources {
        try await withDomain(uuid) { domain in
            let definition = try XMLTree(parsing: try await domain.xml(.inactive))
            let devices = (definition.first("devices")?.all("hostdev") ?? []).compactMap { device -> PCIAddress? in
                guard device.attributes["type"] == "pci" else { return nil }
                return device.first("source")?.first("address").flatMap(PCIAddress.init)
            }
            return HostResources(
                pciDevices: devices, usesHugePages: definition.first("memoryBacking")?.first("hugepages") != nil,
                memoryMB: try await domain.info().maximumMemoryInKiB / 1024)
        }
    }

    public func pciDevices(at addresses: [PCIAddress]) async throws(VMError) -> [PCIDevice] {
        try await withLink { link in
            var devices: [PCIDevice] = []
            for address in addresses {
                do {
                    let xml = try await link.connection.nodeDevice(name: address.nodeDeviceName).xml()
                    devices.append(PCIDevice(address, try XMLTree(parsing: xml)))
                } catch let error as LibvirtError where error.code == .noNodeDevice {
                    // It is not there, which is an answer.
                }
            }
            return devices
        }
    }

    public func passthroughSupport() async throws(VMError) -> PassthroughSupport {
        try await withLane { connection in
            let host = try XMLTree(parsing: try await connection.capabilitiesXML()).first("host")
            let cells = host?.first("topology")?.first("cells")?.all("cell") ?? []
            let pages = cells.flatMap { $0.all("pages") }.map { pages -> UInt64 in
                // The host's usual pages are in the list as well.
                guard let kibibytes = pages.attributes["size"].flatMap({ UInt64($0) }), kibibytes >= 1024,
                    let count = UInt64(pages.text)
                else { return 0 }
                let (size, overflow) = count.multipliedReportingOverflow(by: kibibytes / 1024)
                return overflow ? .max : size
            }
            let hostdev = try await Self.devices(connection)?.first("hostdev")
            let backends = hostdev?.all("enum").first { $0.attributes["name"] == "pciBackend" }?.all("value") ?? []
            return PassthroughSupport(
                canGivePCIDevices: !backends.isEmpty, hugePagesMB: pages.reduce(0) { $0.addingClamped($1) })
        }
    }
}

extension LibvirtHypervisor {
    /// What devices a VM may have; nil for a driver that does not know.
    private static func devices(_ connection: LibvirtConnection) async throws -> XMLTree? {
        do {
            let xml = try await connection.domainCapabilitiesXML(machine: "q35", arch: "x86_64")
            return try XMLTree(parsing: xml).first("devices")
        } catch let error as LibvirtError where error.kind == .libvirt {
            return nil
        }
    }
}

extension PCIAddress {
    /// By which libvirt knows it.
    fileprivate var nodeDeviceName: String {
        "pci_\(Self.digits(domain, 4))_\(Self.digits(UInt32(bus), 2))_\(Self.digits(UInt32(slot), 2))_\(function)"
    }

    /// Reads an `address` element of libvirt's.
    fileprivate init?(_ element: XMLTree) {
        func number(_ name: String) -> UInt32? {
            guard let digits = element.attributes[name], digits.hasPrefix("0x") else { return nil }
            return UInt32(digits.dropFirst(2), radix: 16)
        }
        guard let domain = number("domain"), let bus = number("bus"), let slot = number("slot"),
            let function = number("function")
        else { return nil }
        self.init(
            domain: domain, bus: UInt8(clamping: bus), slot: UInt8(clamping: slot), function: UInt8(clamping: function))
    }
}

extension PCIDevice {
    /// Reads a device's XML; what it does not say is taken as absent.
    fileprivate init(_ address: PCIAddress, _ device: XMLTree) {
        let pci = device.all("capability").first { $0.attributes["type"] == "pci" }
        let words = ["vendor", "product"].compactMap { pci?.first($0)?.text }.filter { !$0.isEmpty }
        self.init(
            address: address, name: words.joined(separator: " "),
            // The class of bridges. A device that has no class in libvirt's list is none.
            isBridge: pci?.first("class")?.text.hasPrefix("0x06") == true
                || pci?.all("capability").contains { $0.attributes["type"] == "pci-bridge" } == true,
            driver: device.first("driver")?.first("name")?.text,
            iommuGroup: pci?.first("iommuGroup")?.all("address").compactMap(PCIAddress.init) ?? [])
    }
}

extension UInt64 {
    func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
