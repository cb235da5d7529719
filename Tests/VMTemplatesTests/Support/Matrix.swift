import VMTemplates

/// Each template with every combination of what changes it.
enum Matrix {
    struct Job: Hashable {
        let template: String
        let values: [String: ParameterValue]

        var vcpus: UInt64 { if case .integer(let number)? = values["vcpus"] { number } else { 0 } }
        var isTCG: Bool { values["accelerator"] == .string("tcg") }
    }

    static let vcpus: [UInt64] = [1, 2, 3, 4, 7, 16]

    /// Template × accelerator × medium × drivers × virtual CPUs, and each choice by itself. Windows has two at least.
    static let jobs: [Job] = {
        var jobs: [Job] = []
        for template in ShippedTemplates.names {
            for accelerator in ["kvm", "tcg"] {
                for iso in ["", "/media/install.iso"] {
                    for drivers in template.hasPrefix("windows") ? ["", "/media/virtio-win.iso"] : [""] {
                        for vcpus in Self.vcpus where !template.hasPrefix("windows") || vcpus > 1 {
                            var values = base(accelerator, iso, vcpus)
                            if !drivers.isEmpty { values["drivers_iso_path"] = .string(drivers) }
                            jobs.append(Job(template: template, values: values))
                        }
                    }
                }
                for choice in choices(of: template) {
                    let values = base(accelerator, "/media/a.iso", 4).merging(choice) { $1 }
                    jobs.append(Job(template: template, values: values))
                }
            }
        }
        return jobs
    }()

    static func base(_ accelerator: String, _ iso: String, _ vcpus: UInt64) -> [String: ParameterValue] {
        ShippedTemplates.required.merging([
            "accelerator": .string(accelerator), "iso_path": .string(iso), "vcpus": .integer(vcpus),
        ]) { $1 }
    }

    private static func choices(of template: String) -> [[String: ParameterValue]] {
        var choices = shared
        if template.hasPrefix("linux") { choices += linux }
        if template.hasPrefix("windows") { choices += windows }
        if template.hasPrefix("macos") { choices += macos }
        guard template.hasSuffix("-passthrough") else { return choices }
        choices += passthrough
        if !template.hasPrefix("macos") {
            choices += [
                ["looking_glass_mb": .integer(128)], ["threads": .integer(2)],
                ["threads": .integer(2), "topoext": .boolean(true)],
            ]
        }
        if template.hasPrefix("windows") { choices.append(["hide_hypervisor": .boolean(true)]) }
        return choices
    }

    private static let shared: [[String: ParameterValue]] = [
        ["graphics": .string("spice")], ["graphics": .string("vnc")], ["graphics": .string("none")],
        ["network": .string("default")], ["bridge": .string("br0")], ["disk_format": .string("raw")],
        ["description": .string("Tom & <Jerry>, \"quoted\" 'twice' é 😀")],
        ["volumes": .strings(["/var/lib/libvirt/images/a.qcow2", "/tmp/<b>'\"&.qcow2"])],
        ["created_at": .integer(1_790_000_000_000_000)], ["owner_uid": .integer(0)], ["owner_uid": .integer(1000)],
        ["mac_address": .string("52:54:00:aa:bb:cc")], ["uuid": .string("3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f")],
    ]
    private static let linux: [[String: ParameterValue]] = [["secure_boot": .boolean(true)], ["tpm": .boolean(true)]]
    private static let windows: [[String: ParameterValue]] = [
        ["firmware": .string("enrolled")], ["firmware": .string("setup")], ["firmware": .string("plain")],
        ["hyperv_features": .strings([])], ["hyperv_features": .strings(["relaxed", "spinlocks"])],
        [
            "hyperv_features": .strings([
                "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "frequencies", "tlbflush",
                "ipi", "evmcs", "avic",
            ])
        ],
    ]
    private static let macos: [[String: ParameterValue]] = [
        ["opencore_path": .string("/media/OpenCore.qcow2")],
        ["opencore_path": .string("/media/<Open Core>.img"), "opencore_format": .string("raw")],
        ["opencore_path": .string("/media/OpenCore.iso"), "opencore_format": .string("iso")],
        ["network_model": .string("vmxnet3")], ["network_model": .string("e1000-82545em")],
        ["smc_config": .string("")], ["vcpus": .integer(6)], ["vcpus": .integer(12)],
    ]
    static let passthrough: [[String: ParameterValue]] = [
        ["pci_devices": .strings(["0000:01:00.0"])],
        [
            "pci_devices": .strings(["0000:0a:00.1", "0000:0a:00.0", "10000:10:1f.7"]),
            "rom_path": .string("/rom/<a>&'"),
        ],
        ["pci_devices": .strings((0..<8).map { "0000:41:00.\($0)" } + ["0000:42:00.1", "0000:42:00.3"])],
        ["huge_pages": .boolean(true)], ["screen": .string("none")], ["emulator_cpus": .string("0-1,8")],
        ["cpu_pinning": .strings(["2", "3", "4-5", "6,7"]), "emulator_cpus": .string("0")],
    ]
}
