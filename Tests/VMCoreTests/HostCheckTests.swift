import Testing
import VMModel
import VMTemplates
import VMTestSupport

@testable import VMCore

/// Every check with each way in which it can come out.
@Suite(.timeLimit(.minutes(1))) struct HostCheckTests {
    static let names = [
        "libvirt", "qemu", "kvm", "q35", "uefi", "secure-boot", "tpm", "network", "disks", "memory", "cpus", "iommu",
        "templates",
    ]

    typealias Change = @Sendable (inout HostSurvey) -> Void

    /// What is different from a host with everything, and what comes of that: whatever is not named here passes.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let change: Change
        let others: [String: HostCheck.Outcome]

        init(_ name: String, _ others: [String: HostCheck.Outcome], _ change: @escaping Change) {
            testDescription = name
            self.change = change
            self.others = others
        }
    }

    static let cases = [
        Case("everything", [:]) { _ in },
        Case(
            "nothing is known",
            Dictionary(uniqueKeysWithValues: names.dropLast().map { ($0, $0 == "qemu" ? .fail : .warn) })
        ) {
            $0 = HostSurvey()
        },
        Case("no QEMU", ["qemu": .fail]) { $0.hypervisor = nil },
        Case("no KVM", ["kvm": .warn]) { $0.kvmIsUsable = false },
        Case("KVM is not known", ["kvm": .warn]) { $0.kvmIsUsable = nil },
        Case("no q35", ["q35": .fail]) { $0.hasQ35 = false },
        Case("no firmware", ["uefi": .fail, "secure-boot": .fail]) { $0.firmware = HostSurvey.Firmware.none },
        Case("UEFI alone", ["secure-boot": .fail]) { $0.firmware = .uefi },
        Case("no keys", ["secure-boot": .fail]) { $0.firmware = .secureBoot },
        Case("firmware is not known", ["uefi": .warn, "secure-boot": .warn]) { $0.firmware = nil },
        Case("no TPM", ["tpm": .fail]) { $0.hasTPMEmulator = false },
        Case("no network", ["network": .warn]) { $0.network = .absent },
        Case("network is off", ["network": .warn]) { $0.network = .inactive },
        Case("no pool yet", [:]) { ($0.diskPool, $0.freeDiskBytes) = (.absent, nil) },
        Case("pool is off", [:]) { ($0.diskPool, $0.freeDiskBytes) = (.inactive, nil) },
        Case("pool does not answer", ["disks": .warn]) { $0.freeDiskBytes = nil },
        Case("just enough room", [:]) { $0.freeDiskBytes = 10 << 30 },
        Case("little room", ["disks": .warn]) { $0.freeDiskBytes = 10 << 30 - 1 },
        Case("hardly room", ["disks": .warn]) { $0.freeDiskBytes = 1 << 30 },
        Case("no room", ["disks": .fail]) { $0.freeDiskBytes = 1 << 30 - 1 },
        Case("full", ["disks": .fail]) { $0.freeDiskBytes = 0 },
        Case("just enough memory", [:]) { $0.memoryMB = 4096 },
        Case("little memory", ["memory": .warn]) { $0.memoryMB = 4095 },
        Case("two CPUs", [:]) { $0.cpus = 2 },
        Case("one CPU", ["cpus": .warn]) { $0.cpus = 1 },
        Case("no IOMMU", ["iommu": .warn]) { ($0.hasIOMMU, $0.canGivePCIDevices) = (false, false) },
        Case("no VFIO", ["iommu": .warn]) { $0.canGivePCIDevices = false },
        Case("VFIO is not known", ["iommu": .warn]) { $0.canGivePCIDevices = nil },
    ]

    @Test(arguments: cases)
    func eachCheckComesOutAsItShould(_ test: Case) async throws {
        let rig = try await Rig()
        rig.fake.change { test.change(&$0.survey) }
        let checks = await rig.manager.checkHost(within: .seconds(4))
        #expect(checks.map(\.name) == Self.names)
        for check in checks {
            #expect(check.outcome == test.others[check.name] ?? .pass, "\(check)")
            // What is not well comes with what to do, and nothing else does.
            #expect(check.advice.isEmpty == (check.outcome == .pass), "\(check)")
            #expect(!check.found.isEmpty && !check.found.contains("/") && !check.found.contains("\n"), "\(check)")
        }
        #expect(rig.fake.changes.isEmpty)
    }

    @Test func saysWhatWasFound() async throws {
        let rig = try await Rig()
        rig.fake.change { $0.survey.freeDiskBytes = 512 << 20 }
        let found = Dictionary(
            uniqueKeysWithValues: await rig.manager.checkHost(within: .seconds(4)).map { ($0.name, $0.found) })
        #expect(found["libvirt"] == "version 9.0.0 answers" && found["qemu"] == "QEMU 7.2.22")
        #expect(found["memory"] == "16384 MiB" && found["cpus"] == "8" && found["disks"] == "512 MiB are free")
        #expect(found["templates"] == "2, and none was refused")
    }

    @Test(arguments: [
        (VMError.Code.hypervisorUnavailable, "there is no connection to it"), (.timeout, "it does not answer"),
        (.busy, "it does not answer"), (.failed, "there is no connection to it"),
    ])
    func withoutLibvirtNothingElseIsKnown(_ code: VMError.Code, _ found: String) async throws {
        let rig = try await Rig()
        rig.fake.fail(.survey, with: VMError(code, "at /some/path"))
        let checks = await rig.manager.checkHost(within: .seconds(4))
        #expect(checks.map(\.name) == Self.names)
        #expect(checks.first?.outcome == .fail && checks.first?.found == found)
        #expect(checks.dropFirst().dropLast().allSatisfy { $0.outcome == .warn && $0.found == "not known" })
        #expect(checks.last?.outcome == .pass)
        #expect(checks.allSatisfy { !$0.found.contains("/") })
    }

    @Test func aLostConnectionIsOne() async throws {
        let rig = try await Rig()
        rig.fake.disconnect()
        #expect(await rig.manager.checkHost(within: .seconds(4)).first?.found == "there is no connection to it")
        rig.fake.connect()
        #expect(await rig.manager.checkHost(within: .seconds(4)).allSatisfy { $0.outcome == .pass })
    }

    private func templateCheck(_ templates: TestTemplates) async -> HostCheck? {
        let fake = FakeHypervisor()
        let manager = VMManager(
            inventory: Inventory(hypervisor: fake, executor: QueueExecutor()), hypervisor: fake,
            templates: templates.library, intents: MemoryIntents(), seeds: FakeSeeds())
        return await manager.checkHost(within: .seconds(4)).last
    }

    @Test func refusedTemplatesAreNamedAndNotQuoted() async throws {
        let check = try await templateCheck(TestTemplates(["broken": "{# secret: yes #}<domain/>"]))
        #expect(check?.outcome == .warn)
        #expect(check?.found == "2; refused: broken")
        let many = Dictionary(uniqueKeysWithValues: (10..<22).map { ("bad\($0)", "no header") })
        let names = (10..<20).map { "bad\($0)" }.joined(separator: ", ")
        #expect(try await templateCheck(TestTemplates(many))?.found == "2; refused: \(names) and 2 more")
    }

    @Test func withoutTemplatesThereIsNothingToMake() async throws {
        let fake = FakeHypervisor()
        for directories in [[], ["/nonexistent/templates"]] {
            let manager = VMManager(
                inventory: Inventory(hypervisor: fake, executor: QueueExecutor()), hypervisor: fake,
                templates: try TemplateLibrary(directories: directories), intents: MemoryIntents(), seeds: FakeSeeds())
            let check = await manager.checkHost(within: .seconds(4)).last
            #expect(check?.outcome == .fail)
            #expect(check?.found == (directories.isEmpty ? "there are none" : "0; refused: a directory"))
        }
    }
}
