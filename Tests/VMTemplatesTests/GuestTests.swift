import Testing
import VMTemplates
import XMLReading

/// What each guest needs of its machine.
@Suite struct GuestTests {
    let library: TemplateLibrary

    init() throws {
        library = try ShippedTemplates.library()
    }

    private func domain(_ template: String, _ values: [String: ParameterValue] = [:]) throws -> XMLTree {
        try XMLTree(parsing: try library.render(template, values: ShippedTemplates.required.merging(values) { $1 }))
    }

    private func devices(_ domain: XMLTree, _ name: String) -> [XMLTree] {
        domain.first("devices")?.all(name) ?? []
    }

    private func hasFeature(_ domain: XMLTree, _ name: String) -> Bool? {
        let feature = domain.first("os")?.first("firmware")?.all("feature").first { $0.attributes["name"] == name }
        return (feature?.attributes["enabled"]).map { $0 == "yes" }
    }

    @Test(arguments: ["windows11-basic", "windows11-passthrough"])
    func windowsHasWhatItsSetupAsksFor(template: String) throws {
        let bare = try domain(template, ["iso_path": .string("/media/win11.iso")])
        #expect(hasFeature(bare, "secure-boot") == true && hasFeature(bare, "enrolled-keys") == true)
        #expect(bare.first("features")?.first("smm")?.attributes["state"] == "on")
        #expect(devices(bare, "tpm").first?.first("backend")?.attributes == ["type": "emulator", "version": "2.0"])
        #expect(devices(bare, "disk").map { $0.first("target")?.attributes["bus"] } == ["sata", "sata"])
        #expect(devices(bare, "disk").map { $0.first("boot")?.attributes["order"] } == ["1", "2"])
        #expect(devices(bare, "interface").first?.first("model")?.attributes["type"] == "e1000e")
        let virtio = try domain(template, ["drivers_iso_path": .string("/media/virtio-win.iso")])
        #expect(devices(virtio, "disk").map { $0.first("target")?.attributes["bus"] } == ["virtio", "sata", "sata"])
        #expect(devices(virtio, "interface").first?.first("model")?.attributes["type"] == "virtio")
        #expect(devices(virtio, "disk").last?.first("source")?.attributes["startupPolicy"] == "optional")
    }

    @Test(arguments: ["windows11-basic", "windows11-passthrough"])
    func windowsKnowsOfItsHypervisorUnderKVM(template: String) throws {
        let kvm = try domain(template, ["accelerator": .string("kvm")])
        let hyperv = try #require(kvm.first("features")?.first("hyperv")).children.map(\.name)
        #expect(
            hyperv == [
                "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "frequencies", "tlbflush",
                "ipi",
            ])
        #expect(kvm.first("clock")?.all("timer").contains { $0.attributes["name"] == "hypervclock" } == true)
        let tcg = try domain(template, ["accelerator": .string("tcg")])
        #expect(tcg.first("features")?.first("hyperv") == nil)
        #expect(tcg.first("clock")?.all("timer").contains { $0.attributes["name"] == "hypervclock" } == false)
    }

    @Test(arguments: ["macos-sonoma-basic", "macos-sonoma-passthrough"])
    func macOSBootsFromOpenCore(template: String) throws {
        let mac = try domain(
            template,
            ["opencore_path": .string("/oc.qcow2"), "iso_path": .string("/BaseSystem.img"), "vcpus": .integer(6)])
        #expect(hasFeature(mac, "secure-boot") == false && hasFeature(mac, "enrolled-keys") == false)
        let disks = devices(mac, "disk")
        #expect(
            disks.map { $0.first("source")?.attributes["file"] } == [
                "/oc.qcow2", "/var/lib/libvirt/images/vm-1.qcow2", "/BaseSystem.img",
            ])
        #expect(disks.map { $0.first("boot")?.attributes["order"] } == ["1", "2", nil])
        #expect(disks.map { $0.first("target")?.attributes["bus"] } == ["sata", "sata", "usb"])
        #expect(disks.map { $0.first("readonly") != nil } == [false, false, true])
        #expect(disks.map { $0.first("source")?.first("seclabel")?.attributes["relabel"] } == ["no", nil, "no"])
        #expect(mac.first("cpu")?.first("model")?.attributes["vendor_id"] == "GenuineIntel")
        let topology = try #require(mac.first("cpu")?.first("topology")).attributes
        #expect((topology["sockets"], topology["cores"]) == ("3", "2"))
        #expect(devices(mac, "input").map { $0.attributes["type"] } == ["tablet", "keyboard"])
        #expect(devices(mac, "memballoon").first?.attributes["model"] == "none" && devices(mac, "rng").isEmpty)
        let arguments = mac.first("commandline", namespace: "http://libvirt.org/schemas/domain/qemu/1.0")?.all("arg")
        #expect(arguments?.suffix(2).map { $0.attributes["value"] } == ["-readconfig", "/etc/neuron-vm/macos-smc.cfg"])
    }

    /// The key is in a file that QEMU reads by itself, so that no definition holds it.
    @Test func theKeyOfAMacIsNoParameter() throws {
        for template in library.templates where template.guest == "macos" {
            let parameter = try #require(template.parameter(named: "smc_config"))
            #expect(parameter.isReserved)
            guard case .rootFile(let pattern?) = parameter.kind else {
                Issue.record("it is no file of root's")
                return
            }
            let regex = try Regex(pattern)
            func config(_ key: String) -> String {
                "[device \"smc\"]\n  driver = \"isa-applesmc\"\n  osk = \"\(key)\"\n"
            }
            #expect(try regex.wholeMatch(in: config(String(repeating: "k", count: 64))) != nil)
            for length in [0, 63, 65] {
                #expect(try regex.wholeMatch(in: config(String(repeating: "k", count: length))) == nil)
            }
            #expect(try regex.wholeMatch(in: String(repeating: "k", count: 64)) == nil)
            #expect(try #require(template.parameter(named: "opencore_path")).isRequiredToCreate)
        }
        for template in library.templates where template.guest != "macos" {
            #expect(!(try library.render(template.name, values: ShippedTemplates.required)).contains("commandline"))
        }
    }

    @Test(arguments: ["linux-passthrough", "macos-sonoma-passthrough", "windows11-passthrough"])
    func devicesOfTheHostAreNamedWithoutDoubt(template: String) throws {
        let domain = try domain(
            template,
            [
                "pci_devices": .strings([
                    "0000:0A:00.1", "0000:10:1f.0", "0000:0a:00.0", "10000:42:08.3", "10000:42:08.1",
                ])
            ])
        let sources = devices(domain, "hostdev").compactMap { $0.first("source")?.first("address")?.attributes }
        #expect(sources.map { $0["bus"] } == ["0x0a", "0x0a", "0x10", "0x42", "0x42"])
        #expect(sources.map { $0["slot"] } == ["0x00", "0x00", "0x1f", "0x08", "0x08"])
        #expect(sources.map { $0["function"] } == ["0x0", "0x1", "0x0", "0x1", "0x3"])
        #expect(sources.map { $0["domain"] } == ["0x0000", "0x0000", "0x0000", "0x10000", "0x10000"])
        #expect(devices(domain, "hostdev").allSatisfy { $0.attributes["managed"] == "yes" })
        // The functions of a card stay together; what is alone is libvirt's to place.
        let places = devices(domain, "hostdev").map { $0.first("address")?.attributes ?? [:] }
        #expect(places.map { $0["bus"] } == ["0x01", "0x01", nil, "0x02", "0x02"])
        #expect(places.map { $0["function"] } == ["0x0", "0x1", nil, "0x0", "0x3"])
        #expect(places.map { $0["multifunction"] } == ["on", "off", nil, "on", "off"])
        #expect(devices(domain, "memballoon").first?.attributes["model"] == "none")
    }

    @Test func theMemoryOfLookingGlassIsTheVMsOwn() throws {
        for template in ["linux-passthrough", "windows11-passthrough"] {
            #expect(devices(try domain(template), "shmem").isEmpty)
            let shmem = devices(try domain(template, ["looking_glass_mb": .integer(64)]), "shmem")
            #expect(shmem.first?.attributes["name"] == "looking-glass-vm-1" && shmem.first?.first("size")?.text == "64")
        }
        #expect(try library.template(named: "macos-sonoma-passthrough").parameter(named: "looking_glass_mb") == nil)
    }

    @Test func processorsAndPagesOfTheHost() throws {
        let domain = try domain(
            "linux-passthrough",
            [
                "vcpus": .integer(4), "threads": .integer(2), "huge_pages": .boolean(true),
                "emulator_cpus": .string("0-1"),
                "cpu_pinning": .strings(["4", "12", "5", "13"]),
            ])
        #expect(domain.first("memoryBacking")?.first("hugepages") != nil)
        let tune = try #require(domain.first("cputune"))
        #expect(tune.all("vcpupin").map { $0.attributes["cpuset"] } == ["4", "12", "5", "13"])
        #expect(tune.all("vcpupin").map { $0.attributes["vcpu"] } == ["0", "1", "2", "3"])
        #expect(tune.first("emulatorpin")?.attributes["cpuset"] == "0-1")
        let topology = try #require(domain.first("cpu")?.first("topology")).attributes
        #expect((topology["cores"], topology["threads"]) == ("2", "2"))
        #expect(try self.domain("linux-passthrough").first("cputune") == nil)
    }

    @Test func onlyADiskThatIsTheVMsOwnIsRelabelled() throws {
        for template in library.templates {
            var values: [String: ParameterValue] = [:]
            for parameter in template.parameters where parameter.kind == .path && !parameter.isReserved {
                values[parameter.name] = .string("/media/\(parameter.name)")
            }
            for disk in devices(try domain(template.name, values), "disk") {
                let source = try #require(disk.first("source"))
                let isForeign = source.attributes["file"]?.hasPrefix("/media/") == true
                #expect(isForeign == (source.first("seclabel")?.attributes["relabel"] == "no"), "\(template.name)")
            }
        }
    }
}
