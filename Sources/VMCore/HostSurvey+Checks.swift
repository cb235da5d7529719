import VMModel

// What is good, bad and to be done about what was found: no call is made here.
extension HostSurvey {
    /// Free space for disks: with less nothing sensible can be installed, and below the other it gets tight. Bytes.
    static let leastFreeBytes: UInt64 = 1 << 30
    static let enoughFreeBytes: UInt64 = 10 << 30
    /// What Windows 11 asks for itself, MiB.
    static let enoughMemoryMB: UInt64 = 4096

    /// The checks in their order, which is that of what rests on what.
    var checks: [HostCheck] {
        [
            known("libvirt", libvirtVersion) { .pass("version \($0) answers") },
            hypervisorCheck,
            known("kvm", kvmIsUsable, Self.kvm), known("q35", hasQ35, Self.q35), known("uefi", firmware, Self.uefi),
            known("secure-boot", firmware, Self.secureBoot), known("tpm", hasTPMEmulator, Self.tpm),
            known("network", network, Self.network), diskCheck, known("memory", memoryMB, Self.memory),
            known("cpus", cpus, Self.cpus), known("iommu", hasIOMMU) { Self.iommu($0, canGivePCIDevices == true) },
        ]
    }

    /// All checks where libvirt does not answer: it fails, and nothing else is known.
    static func checks(without error: VMError) -> [HostCheck] {
        let isSilent = error.code == .timeout || error.code == .busy
        let first = HostCheck(
            "libvirt", .fail, isSilent ? "it does not answer" : "there is no connection to it",
            advice: isSilent
                ? "'sudo systemctl restart libvirtd'; VMs run on meanwhile"
                : "'sudo systemctl enable --now libvirtd'; 'systemctl status libvirtd' says why it ended. The service "
                    + "connects by itself, also to one that is started later")
        return [first]
            + HostSurvey().checks.dropFirst().map {
                HostCheck($0.name, .warn, "not known", advice: "see to libvirt first, and look again")
            }
    }

    /// How a check came out, but for its name.
    private struct Verdict {
        let outcome: HostCheck.Outcome
        let found: String
        var advice = ""

        static func pass(_ found: String) -> Verdict { Verdict(outcome: .pass, found: found) }
        static func warn(_ found: String, _ advice: String) -> Verdict {
            Verdict(outcome: .warn, found: found, advice: advice)
        }
        static func fail(_ found: String, _ advice: String) -> Verdict {
            Verdict(outcome: .fail, found: found, advice: advice)
        }
    }

    private func known<Value>(_ name: String, _ value: Value?, _ judge: (Value) -> Verdict) -> HostCheck {
        let unknown = Verdict.warn(
            "not known: libvirt does not say, or not in time", "look again; 'journalctl -u libvirtd' may say why")
        let verdict = value.map(judge) ?? unknown
        return HostCheck(name, verdict.outcome, verdict.found, advice: verdict.advice)
    }

    private var hypervisorCheck: HostCheck {
        // libvirt gives no version of what it does not find.
        let verdict =
            hypervisor.map { Verdict.pass($0) }
            ?? .fail("libvirt finds no QEMU", "install qemu-system-x86, and 'sudo systemctl restart libvirtd'")
        return HostCheck("qemu", verdict.outcome, verdict.found, advice: verdict.advice)
    }

    private static func kvm(_ isUsable: Bool) -> Verdict {
        isUsable
            ? .pass("usable")
            : .warn(
                "not usable: VMs are emulated, which is many times slower",
                "switch on virtualization (VT-x, AMD-V) in the firmware's setup, load kvm_intel or kvm_amd, and "
                    + "'sudo systemctl restart libvirtd'; inside a VM, have nested virtualization switched on for it")
    }

    private static func q35(_ isThere: Bool) -> Verdict {
        isThere
            ? .pass("QEMU has the machine type of the templates")
            : .fail("QEMU lacks the machine type of the templates", "install Debian's qemu-system-x86")
    }

    private static func uefi(_ firmware: Firmware) -> Verdict {
        firmware != .none
            ? .pass("there is firmware with UEFI") : .fail("there is no firmware with UEFI", "install the package ovmf")
    }

    private static func secureBoot(_ firmware: Firmware) -> Verdict {
        switch firmware {
        case .enrolledKeys: .pass("there is firmware with Secure Boot and enrolled keys")
        case .secureBoot:
            .fail(
                "no firmware with enrolled keys: Windows 11 cannot be started",
                "install Debian's package ovmf, whole and current")
        case .uefi, .none:
            .fail("no firmware with Secure Boot: Windows 11 cannot be started", "install the package ovmf")
        }
    }

    private static func tpm(_ isThere: Bool) -> Verdict {
        isThere
            ? .pass("can be emulated")
            : .fail("no emulator: Windows 11 cannot be started", "install the packages swtpm and swtpm-tools")
    }

    private static func network(_ presence: Presence) -> Verdict {
        switch presence {
        case .active: .pass("'default' is active")
        case .inactive:
            .warn(
                "'default' is not active; a new VM starts it, or gets user networking where that fails",
                "'virsh net-start default' and 'virsh net-autostart default'; dnsmasq-base must be installed")
        case .absent:
            .warn(
                "there is no 'default'; new VMs get user networking, into which nobody can connect",
                "install libvirt-daemon-config-network and dnsmasq-base, or define the network with virsh")
        }
    }

    private var diskCheck: HostCheck {
        switch (diskPool, freeDiskBytes) {
        case (.absent, _):
            HostCheck(
                "disks", .pass, "the storage pool is made with the first disk; its free space is not known before")
        case (.inactive, _):
            HostCheck(
                "disks", .pass, "the storage pool is started with the next disk; its free space is not known before")
        case (.active, let bytes?), (nil, let bytes?): known("disks", bytes, Self.space)
        case (.active, nil), (nil, nil): known("disks", UInt64?.none, Self.space)
        }
    }

    private static func space(_ bytes: UInt64) -> Verdict {
        let found = bytes >= 1 << 30 ? "\(bytes >> 30) GiB are free" : "\(bytes >> 20) MiB are free"
        let advice = "make room where libvirt keeps disks; 'virsh pool-info default' shows how much there is"
        if bytes < leastFreeBytes { return .fail(found, advice) }
        return bytes < enoughFreeBytes ? .warn(found, advice) : .pass(found)
    }

    private static func memory(_ mebibytes: UInt64) -> Verdict {
        let found = "\(mebibytes) MiB"
        return mebibytes < enoughMemoryMB
            ? .warn(found, "give VMs little (create --memory); Windows 11 asks for \(enoughMemoryMB) MiB")
            : .pass(found)
    }

    private static func cpus(_ count: UInt32) -> Verdict {
        count > 1
            ? .pass("\(count)") : .warn("\(count)", "expect VMs to be slow: the host shares its one CPU with them")
    }

    private static func iommu(_ isThere: Bool, _ canGive: Bool) -> Verdict {
        if isThere, canGive { return .pass("devices of the host can be given to VMs") }
        if isThere {
            return .warn(
                "in use, but devices of the host cannot be given to VMs",
                "'sudo modprobe vfio-pci', and its name in a file of /etc/modules-load.d")
        }
        return .warn(
            "not in use: devices of the host cannot be given to VMs",
            "only for the templates with passthrough: switch on VT-d or AMD-Vi in the firmware's setup, and boot Linux "
                + "with intel_iommu=on where the CPU is Intel's")
    }
}
