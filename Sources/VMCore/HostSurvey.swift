/// What a host has for VMs, as far as libvirt says it; nil is what it did not say, or not in time.
public struct HostSurvey: Hashable, Sendable {
    /// Such as `9.0.0`.
    public var libvirtVersion: String?
    /// Kind and version, such as `QEMU 7.2.22`; nil where libvirt finds none.
    public var hypervisor: String?
    public var kvmIsUsable: Bool?
    /// Whether there is the machine type that every template has.
    public var hasQ35: Bool?
    public var firmware: Firmware?
    /// Whether a TPM can be emulated.
    public var hasTPMEmulator: Bool?
    /// libvirt's network `default`.
    public var network: Presence?
    /// The storage pool for disks.
    public var diskPool: Presence?
    /// Bytes that are free in it, while it runs.
    public var freeDiskBytes: UInt64?
    /// The host's memory, MiB.
    public var memoryMB: UInt64?
    /// CPUs that are on line.
    public var cpus: UInt32?
    /// Whether the host's PCI devices are in IOMMU groups.
    public var hasIOMMU: Bool?
    /// Whether libvirt can give PCI devices to guests, which takes VFIO as well.
    public var canGivePCIDevices: Bool?

    /// The best that libvirt can choose for a guest that is to have UEFI.
    public enum Firmware: Hashable, Sendable, CaseIterable {
        case none
        case uefi
        /// With Secure Boot, but no keys in it.
        case secureBoot
        /// With Secure Boot and Microsoft's keys, as Windows 11 wants it.
        case enrolledKeys
    }

    public enum Presence: Hashable, Sendable, CaseIterable {
        case absent, inactive, active
    }

    public init() {}
}

/// The answer to one question about the host.
public struct HostCheck: Hashable, Sendable {
    /// How it came out. Without what fails VMs cannot be made or started as they should; with a warning they can.
    public enum Outcome: String, Hashable, Sendable, CaseIterable {
        case pass, warn, fail
    }

    /// What was looked at: a word, always the same one.
    public let name: String
    public let outcome: Outcome
    /// For everybody: no paths, and no names but of what is public.
    public let found: String
    /// What to do; empty where all is well.
    public let advice: String

    public init(_ name: String, _ outcome: Outcome, _ found: String, advice: String = "") {
        self.name = name
        self.outcome = outcome
        self.found = found
        self.advice = advice
    }
}
