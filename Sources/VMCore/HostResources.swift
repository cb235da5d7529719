public import VMModel

/// What a VM's definition takes of the host for itself, beside memory and disks.
public struct HostResources: Hashable, Sendable {
    /// The host's PCI devices that the guest drives.
    public var pciDevices: [PCIAddress]
    /// Whether its memory is from the host's huge pages.
    public var usesHugePages: Bool
    /// MiB.
    public var memoryMB: UInt64

    public init(pciDevices: [PCIAddress] = [], usesHugePages: Bool = false, memoryMB: UInt64 = 0) {
        self.pciDevices = pciDevices
        self.usesHugePages = usesHugePages
        self.memoryMB = memoryMB
    }
}

/// A PCI device of the host.
public struct PCIDevice: Hashable, Sendable {
    public let address: PCIAddress
    /// Vendor and product, for people; empty where the host does not know them.
    public let name: String
    /// Whether it is a bridge, which no guest can have.
    public let isBridge: Bool
    /// The host's driver that uses it; nil when none does.
    public let driver: String?
    /// The devices that can only be given away together, this one among them; empty where there is no IOMMU for it.
    public let iommuGroup: [PCIAddress]

    public init(address: PCIAddress, name: String, isBridge: Bool, driver: String?, iommuGroup: [PCIAddress]) {
        self.address = address
        self.name = name
        self.isBridge = isBridge
        self.driver = driver
        self.iommuGroup = iommuGroup
    }

    /// Whether the host could go on using it beside a VM that has another of its group: then it may not stay behind.
    var isUsedByHost: Bool {
        guard !isBridge, let driver else { return false }
        return !["vfio-pci", "pci-stub"].contains(driver)
    }

    /// Address and name.
    var words: String { "\(address)" + (name.isEmpty ? "" : " (\(ForeignText.quotable(name)))") }
}

/// What the host has to give to VMs.
public struct PassthroughSupport: Hashable, Sendable {
    /// Whether libvirt can give PCI devices to guests here, which takes an IOMMU and VFIO.
    public let canGivePCIDevices: Bool
    /// Memory that is reserved as huge pages, in MiB.
    public let hugePagesMB: UInt64

    public init(canGivePCIDevices: Bool, hugePagesMB: UInt64) {
        self.canGivePCIDevices = canGivePCIDevices
        self.hugePagesMB = hugePagesMB
    }
}
