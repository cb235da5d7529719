import Glibc
import Testing
import VMModel
import VMTemplates
import VMTestSupport

@testable import VMCore

/// VMs that have something of the host for themselves.
@Suite(.timeLimit(.minutes(1))) struct PassthroughTests {
    private static let text = TestTemplates.text(guest: "linux").replacing(
        "\n#}<domain",
        with: """

              pci_devices: {type: pci_addresses, maximum: 8, meaning: Devices.}
              cpu_pinning: {type: cpu_sets, one_for_each: vcpus, meaning: CPUs.}
              emulator_cpus: {type: cpu_set, meaning: CPUs.}
              threads: {type: integer, minimum: 1, maximum: 2, default: 1, meaning: Threads.}
              topoext: {type: boolean, default: false, reserved: true, meaning: AMD.}
              loader: {type: path, required: create, meaning: What it starts from.}
              key: {type: root_file, pattern: 'key=[a-z]+\\n', reserved: true, meaning: A key.}
            #}<domain
            """)

    private func rig(_ extra: [String: String] = [:]) async throws -> (Rig, VMManager) {
        let templates = try TestTemplates(["linux-passthrough": Self.text].merging(extra) { $1 })
        #expect(templates.library.rejected.isEmpty, "\(templates.library.rejected)")
        let rig = try await Rig()
        return (
            rig,
            VMManager(
                inventory: rig.inventory, hypervisor: rig.fake, templates: templates.library, intents: MemoryIntents(),
                seeds: FakeSeeds())
        )
    }

    private func request(_ values: [String: ParameterValue], template: String = "linux-passthrough") -> CreateRequest {
        var request = CreateRequest(name: "gamer")
        request.template = template
        request.values = values.merging(["loader": .string("/boot.img")]) { given, _ in given }
        return request
    }

    static let card = ["0000:01:00.0", "0000:01:00.1"].compactMap(PCIAddress.init)
    private static let bridge = PCIAddress("0000:00:01.0")

    static func host(driver: String? = "snd_hda_intel", hasIOMMU: Bool = true) -> [PCIDevice] {
        let group = hasIOMMU ? card + [bridge].compactMap(\.self) : []
        return [
            PCIDevice(address: card[0], name: "A Card", isBridge: false, driver: "nouveau", iommuGroup: group),
            PCIDevice(address: card[1], name: "Its Sound", isBridge: false, driver: driver, iommuGroup: group),
        ]
            + group.suffix(hasIOMMU ? 1 : 0).map {
                PCIDevice(address: $0, name: "Port", isBridge: true, driver: "pcieport", iommuGroup: group)
            }
    }

    // MARK: Before it is made

    @Test func aDeviceWithoutItsGroupIsRefusedWithTheWholeGroup() async throws {
        let (rig, manager) = try await rig()
        rig.fake.change { $0.pciDevices = Self.host() }
        let error = await failure {
            _ = try await manager.create(request(["pci_devices": .strings(["0000:01:00.0"])]), owner: 0)
        }
        #expect(error?.code == .invalidArgument)
        #expect(
            error?.message
                == "cannot create 'gamer': PCI device 0000:01:00.0 shares its IOMMU group with devices that the host uses, "
                + "so they go to the VM together or not at all; missing: 0000:01:00.1; the whole group: "
                + "0000:00:01.0 (Port), a bridge, which stays, 0000:01:00.0 (A Card), 0000:01:00.1 (Its Sound)")
        #expect(rig.fake.changes.isEmpty)
        #expect(await rig.inventory.vms.isEmpty)
    }

    @Test(arguments: [nil, "vfio-pci", "pci-stub"] as [String?])
    func whatTheHostDoesNotUseMayStayBehind(driver: String?) async throws {
        let (rig, manager) = try await rig()
        rig.fake.change { $0.pciDevices = Self.host(driver: driver) }
        _ = try await manager.create(request(["pci_devices": .strings(["0000:01:00.0"])]), owner: 0)
    }

    @Test func aWholeGroupIsTaken() async throws {
        let (rig, manager) = try await rig()
        rig.fake.change { $0.pciDevices = Self.host() }
        _ = try await manager.create(request(["pci_devices": .strings(Self.card.map(\.description))]), owner: 0)
        #expect(rig.fake.world.machines.count == 1)
    }

    @Test func aBridgeIsRefused() async throws {
        let (rig, manager) = try await rig()
        rig.fake.change { $0.pciDevices = Self.host() }
        let error = await failure {
            _ = try await manager.create(request(["pci_devices": .strings(["0000:00:01.0"])]), owner: 0)
        }
        #expect(error?.code == .invalidArgument && error?.message.contains("(Port) is a bridge") == true)
    }

    @Test func devicesThatAreNotThereAreLeftToTheStart() async throws {
        let (rig, manager) = try await rig()
        _ = try await manager.create(request(["pci_devices": .strings(["0000:01:00.0"])]), owner: 0)
        #expect(rig.fake.world.machines.count == 1)
    }

    @Test func processorsMustBeThere() async throws {
        let (rig, manager) = try await rig()
        for (name, value, cpu) in [
            ("cpu_pinning", ParameterValue.strings(["0-1", "3,5-6"]), "5"), ("emulator_cpus", .string("2-9"), "4"),
        ] {
            let error = await failure { _ = try await manager.create(request([name: value]), owner: 0) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message == "cannot create 'gamer': \(name) names CPU \(cpu), and the host's CPUs are 0-3")
        }
        #expect(rig.fake.changes.isEmpty)
        _ = try await manager.create(request(["cpu_pinning": .strings(["0", "3"])]), owner: 0)
    }

    @Test func threadsOfAnAMDAreToldOf() async throws {
        let text = Self.text.replacing(
            "{% if secure_boot %}", with: "{% if topoext %}<topoext/>{% endif %}{% if secure_boot %}")
        for (vendor, kvm, threads, expected) in [
            ("AMD", true, 2, true), ("AMD", true, 1, false), ("AMD", false, 2, false), ("Intel", true, 2, false),
        ] as [(String, Bool, UInt64, Bool)] {
            let (rig, manager) = try await rig(["linux-threads": text])
            rig.fake.change { $0.facts = World.facts(kvmIsUsable: kvm, cpuVendor: vendor) }
            let xml = try await manager.render(
                request(["threads": .integer(threads), "vcpus": .integer(4)], template: "linux-threads"), owner: 0)
            #expect(xml.contains("<topoext/>") == expected)
        }
    }

    @Test func whatIsNeededToCreateIsNotNeededToSee() async throws {
        let (rig, manager) = try await rig()
        var request = request([:])
        request.values = [:]
        rig.fake.forgetCalls()
        let error = await failure { [request] in _ = try await manager.create(request, owner: 0) }
        #expect(error?.code == .invalidArgument)
        #expect(
            error?.message.contains("loader is missing") == true
                && error?.message.contains("What it starts from.") == true)
        #expect(rig.fake.calls.isEmpty)
        #expect(try manager.check(request).hostResources == [])
        _ = try await manager.render(request, owner: 0)
    }

    @Test(arguments: [
        ("pci_devices", ParameterValue.strings(["0000:01:00.0"])), ("cpu_pinning", .strings(["0", "1"])),
        ("emulator_cpus", .string("0")),
    ])
    func whatIsTheHostsNeedsMoreThanTheRightToMakeAVM(name: String, value: ParameterValue) async throws {
        let (_, manager) = try await rig()
        var request = request([:])
        request.values = [name: value]
        #expect(try manager.check(request).hostResources.map { $0.prefix { $0 != "=" } } == [name[...]])
        request.values = [name: name == "emulator_cpus" ? .string("") : .strings([])]
        #expect(try manager.check(request).hostResources == [])
    }

    @Test func aFileOfTheAdministratorsIsTheHostsToo() async throws {
        let text = Self.text.replacing(
            "reserved: true, meaning: A key.", with: "default: /etc/key, reserved: true, meaning: A key.")
        let (_, manager) = try await rig(["linux-keyed": text])
        var request = request([:], template: "linux-keyed")
        request.values = [:]
        #expect(try manager.check(request).hostResources == ["key=as the template says"])
    }

    // MARK: Files of the administrator's

    private static let isRoot = geteuid() == 0

    private func write(_ text: String, mode: mode_t = 0o644) throws -> String {
        var path = Array("/tmp/root-file.XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        defer { close(descriptor) }
        #expect(descriptor >= 0 && Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count)
        #expect(fchmod(descriptor, mode) == 0)
        return String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    @Test(
        arguments: [
            ("key=abc\n", 0o644, nil), ("key=abc\n", 0o600, nil), ("key=abc\n", 0o664, "written by others"),
            ("key=abc\n", 0o646, "written by others"), ("", 0o644, "is empty"), ("key=123\n", 0o644, "does not hold"),
            (String(repeating: "a", count: 4097), 0o644, "longer"), ("\0", 0o644, "does not hold"),
        ] as [(String, mode_t, String?)])
    func filesAreTrustedForWhatTheyAre(text: String, mode: mode_t, words: String?) throws {
        let path = try write(text, mode: mode)
        defer { unlink(path) }
        let problem = RootFile.problem(with: path, matching: { $0 == "key=abc\n" }, owner: geteuid())
        #expect(words.map { problem?.contains($0) == true } ?? (problem == nil), "\(problem ?? "none")")
        #expect(
            RootFile.problem(with: path, matching: { _ in true }, owner: 65533)?.contains("belongs to user") == true)
    }

    @Test func otherThingsAreNoFiles() throws {
        let path = try write("key=abc\n")
        defer { unlink(path) }
        let link = path + ".link"
        #expect(symlink(path, link) == 0)
        defer { unlink(link) }
        for (path, words) in [
            (link, "not a regular file"), ("/", "not a regular file"), (path + ".none", "does not exist"),
            (path + "/none", "does not exist"), ("/dev/null", "not a regular file"),
        ] {
            #expect(RootFile.problem(with: path, matching: { _ in true })?.contains(words) == true, "\(path)")
        }
    }

    @Test(.enabled(if: isRoot, "the file must be root's"))
    func aTemplateThatNeedsAFileMakesNothingWithoutIt() async throws {
        let path = try write("key=abc\n")
        let text = Self.text.replacing(
            "reserved: true, meaning: A key.", with: "default: \(path), reserved: true, meaning: A key.")
        let (rig, manager) = try await rig(["linux-keyed": text])
        _ = try await manager.create(request([:], template: "linux-keyed"), owner: 0)
        unlink(path)
        rig.fake.forgetCalls()
        var request = request([:], template: "linux-keyed")
        request.name = "other"
        let error = await failure { [request] in _ = try await manager.create(request, owner: 0) }
        #expect(error?.code == .hostUnsupported)
        #expect(error?.message == "template 'linux-keyed' needs the file \(path), which does not exist. A key.")
        #expect(rig.fake.calls.isEmpty)
        _ = try await manager.render(request, owner: 0)
    }
}
