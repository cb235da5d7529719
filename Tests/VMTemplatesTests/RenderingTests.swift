import Foundation
import Testing
import VMTemplates

/// The project's templates with every combination of what changes them.
@Suite struct RenderingTests {
    let library: TemplateLibrary

    init() throws {
        library = try ShippedTemplates.library()
    }

    /// Each template × accelerator × medium × drivers × vCPUs, and each choice by itself.
    static let jobs: [Jinja2.Job] = {
        var jobs: [Jinja2.Job] = []
        for (template, extra) in [("linux-basic", linux), ("windows11-basic", windows)] {
            for accelerator in ["kvm", "tcg"] {
                for iso in ["", "/media/install.iso"] {
                    for drivers in template == "windows11-basic" ? ["", "/media/virtio-win.iso"] : [""] {
                        for vcpus in [1, 2, 3, 4, 7, 16] as [UInt64] where template == "linux-basic" || vcpus > 1 {
                            var values = base(accelerator, iso, vcpus)
                            if template == "windows11-basic" { values["drivers_iso_path"] = .string(drivers) }
                            jobs.append(Jinja2.Job(template: template, values: values))
                        }
                    }
                }
                for (name, value) in extra + shared {
                    let values = base(accelerator, "/media/a.iso", 4).merging([name: value]) { $1 }
                    jobs.append(Jinja2.Job(template: template, values: values))
                }
            }
        }
        return jobs
    }()

    private static let shared: [(String, ParameterValue)] = [
        ("graphics", .string("spice")), ("graphics", .string("vnc")), ("graphics", .string("none")),
        ("network", .string("default")), ("bridge", .string("br0")), ("disk_format", .string("raw")),
        ("description", .string("Tom & <Jerry>, \"quoted\" 'twice' é 😀")),
        ("volumes", .strings(["/var/lib/libvirt/images/a.qcow2", "/tmp/<b>'\"&.qcow2"])),
        ("created_at", .integer(1_790_000_000_000_000)), ("owner_uid", .integer(0)), ("owner_uid", .integer(1000)),
        ("mac_address", .string("52:54:00:aa:bb:cc")), ("uuid", .string("3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f")),
    ]
    private static let linux: [(String, ParameterValue)] = [("secure_boot", .boolean(true)), ("tpm", .boolean(true))]
    private static let windows: [(String, ParameterValue)] = [
        ("firmware", .string("enrolled")), ("firmware", .string("setup")), ("firmware", .string("plain")),
        ("hyperv_features", .strings([])), ("hyperv_features", .strings(["relaxed", "spinlocks"])),
        (
            "hyperv_features",
            .strings([
                "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "frequencies", "tlbflush",
                "ipi",
                "evmcs", "avic",
            ])
        ),
    ]

    private static func base(_ accelerator: String, _ iso: String, _ vcpus: UInt64) -> [String: ParameterValue] {
        ShippedTemplates.required.merging([
            "accelerator": .string(accelerator), "iso_path": .string(iso), "vcpus": .integer(vcpus),
        ]) { $1 }
    }

    @Test func nothingIsRejected() {
        #expect(library.rejected.isEmpty, "\(library.rejected)")
        #expect(library.templates.map(\.name) == ShippedTemplates.names)
    }

    @Test func everyCombinationIsOneDomainAsAsked() throws {
        for job in Self.jobs {
            let xml = try library.render(job.template, values: job.values)
            let document = ParsedXML(xml)
            #expect(document.isWellFormed)
            let isTCG = job.values["accelerator"] == .string("tcg")
            #expect(xml.hasPrefix("<domain type='\(isTCG ? "qemu" : "kvm")'>"))
            guard case .integer(let vcpus)? = job.values["vcpus"] else { continue }
            #expect(xml.contains("<topology sockets='1' dies='1' cores='\(vcpus)' threads='1'/>"))
            #expect(!xml.contains("address type="))
            let kvmOnly = ["hyperv", "host-passthrough", "ioapic", "invtsc"].filter { xml.contains($0) }
            #expect(!isTCG || kvmOnly.isEmpty, "left under TCG: \(kvmOnly)")
        }
    }

    @Test(.enabled(if: Tools.hasJinja2 || Tools.isRequired, "python3-jinja2 is not installed"))
    func jinja2RendersTheSameBytes() throws {
        let completed = try Self.jobs.map { job in
            Jinja2.Job(template: job.template, values: try library.template(named: job.template).completed(job.values))
        }
        for (job, expected) in zip(Self.jobs, try Jinja2.render(completed)) {
            let rendered = try library.render(job.template, values: job.values)
            #expect(rendered.utf8.elementsEqual(expected.utf8), "\(job.template) \(job.values)")
        }
    }

    @Test(.enabled(if: Tools.hasJinja2 || Tools.isRequired, "python3-jinja2 is not installed"))
    func jinja2NeedsOnlyTheEightCommonValues() throws {
        let jobs = ShippedTemplates.names.map { Jinja2.Job(template: $0, values: ShippedTemplates.common) }
        for (job, xml) in zip(jobs, try Jinja2.render(jobs)) {
            let document = ParsedXML(xml)
            #expect(document.isWellFormed)
            for (name, value) in ShippedTemplates.common where name != "disk_size_gb" {
                switch value {
                case .string(let text): #expect(document.texts.contains(text), "\(job.template) \(name)")
                case .integer(let number): #expect(document.texts.contains(String(number)), "\(job.template) \(name)")
                case .boolean, .strings: Issue.record("no such common value")
                }
            }
        }
    }

    @Test(.enabled(if: Tools.hasValidator || Tools.isRequired, "virt-xml-validate is not installed"))
    func everyCombinationIsValidForTheSchema() throws {
        let directory = try TemporaryDirectory()
        var seen: Set<String> = []
        for job in Self.jobs {
            let xml = try library.render(job.template, values: job.values)
            guard seen.insert(xml).inserted else { continue }
            let file = try directory.write("domain.xml", xml)
            let (status, output) = try Tools.run(Tools.validator, [file, "domain"])
            #expect(status == 0, "\(job.template) \(job.values): \(String(decoding: output, as: UTF8.self))")
        }
    }

    @Test func everyTemplateTakesTheEightCommonParameters() throws {
        for template in try ShippedTemplates.names.map(library.template(named:)) {
            for name in ShippedTemplates.common.keys { #expect(template.parameter(named: name) != nil, "\(name)") }
            #expect(template.parameters.allSatisfy { !$0.documentation.isEmpty })
            #expect(!template.summary.isEmpty && !template.documentation.isEmpty && !template.hostRequirements.isEmpty)
        }
    }

    @Test func limitsAndDefaults() throws {
        func memory(_ name: String, _ parameter: String) throws -> TemplateParameter {
            try #require(try library.template(named: name).parameter(named: parameter))
        }
        #expect(try memory("linux-basic", "memory_mb").kind == .integer(256...16_777_216))
        #expect(try memory("linux-basic", "memory_mb").defaultValue == .integer(4096))
        #expect(try memory("linux-basic", "memory_mb").unit == "MiB")
        #expect(try memory("linux-basic", "vcpus").kind == .integer(1...255))
        #expect(try memory("linux-basic", "disk_size_gb").kind == .integer(1...65536))
        #expect(try memory("linux-basic", "disk_size_gb").defaultValue == .integer(20))
        #expect(try memory("windows11-basic", "memory_mb").kind == .integer(4096...16_777_216))
        #expect(try memory("windows11-basic", "memory_mb").defaultValue == .integer(8192))
        #expect(try memory("windows11-basic", "vcpus").kind == .integer(2...255))
        #expect(try memory("windows11-basic", "vcpus").defaultValue == .integer(4))
        #expect(try memory("windows11-basic", "disk_size_gb").kind == .integer(64...65536))
        #expect(try memory("windows11-basic", "disk_size_gb").defaultValue == .integer(64))
    }

    @Test func windowsWantsMoreThanOneProcessor() {
        let values = Self.base("kvm", "", 1)
        #expect(throws: TemplateError.self) { try library.render("windows11-basic", values: values) }
        do {
            _ = try library.render("windows11-basic", values: values)
        } catch {
            #expect(error.kind == .invalidValue && error.parameter == "vcpus" && error.template == "windows11-basic")
            #expect(error.message.contains("from 2 to 255"))
        }
    }

    @Test func windowsHasWhatItsSetupAsksFor() throws {
        let xml = try library.render("windows11-basic", values: ShippedTemplates.required)
        #expect(xml.contains("<feature enabled='yes' name='secure-boot'/>"))
        #expect(xml.contains("<feature enabled='yes' name='enrolled-keys'/>"))
        #expect(xml.contains("<smm state='on'/>"))
        #expect(xml.contains("<tpm model='tpm-crb'>"))
        #expect(xml.contains("<target dev='sda' bus='sata'/>") && xml.contains("<model type='e1000e'/>"))
        let drivers = ShippedTemplates.required.merging(["drivers_iso_path": .string("/media/virtio-win.iso")]) { $1 }
        let virtio = try library.render("windows11-basic", values: drivers)
        #expect(virtio.contains("<target dev='vda' bus='virtio'/>") && virtio.contains("<model type='virtio'/>"))
        #expect(virtio.contains("startupPolicy='optional'"))
    }

    @Test func metadataNamesWhatTheServiceKnows() throws {
        let values = ShippedTemplates.required.merging([
            "owner_uid": .integer(0), "created_at": .integer(1_790_000_000_000_000),
            "volumes": .strings(["/pool/a", "/pool/b"]),
        ]) { $1 }
        let document = ParsedXML(try library.render("linux-basic", values: values))
        let texts = ["linux-basic", "linux", "0", "1790000000000000", "/pool/a", "/pool/b"]
        let start = try #require(document.texts.firstIndex(of: "linux-basic"))
        #expect(Array(document.texts[start...].prefix(texts.count)) == texts)
        #expect(document.structure.filter { $0.hasSuffix("/{https://neuronos.org/libvirt/1}vm ") }.count == 1)
        #expect(document.structure.filter { $0.contains("{https://neuronos.org/libvirt/1}volume") }.count == 2)
    }
}
