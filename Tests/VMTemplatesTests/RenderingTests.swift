import Foundation
import Testing
import VMTemplates
import XMLReading

/// The project's templates with every combination of what changes them.
@Suite struct RenderingTests {
    let library: TemplateLibrary

    init() throws {
        library = try ShippedTemplates.library()
    }

    @Test func nothingIsRejected() {
        #expect(library.rejected.isEmpty, "\(library.rejected)")
        #expect(library.templates.map(\.name) == ShippedTemplates.names)
    }

    @Test func everyCombinationIsOneDomainAsAsked() throws {
        for job in Matrix.jobs {
            let xml = try library.render(job.template, values: job.values)
            let domain = try XMLTree(parsing: xml)
            #expect(domain.attributes["type"] == (job.isTCG ? "qemu" : "kvm"))
            #expect(domain.first("vcpu")?.text == String(job.vcpus))
            let topology = try #require(domain.first("cpu")?.first("topology")).attributes
            let product = ["sockets", "dies", "cores", "threads"].compactMap { topology[$0].flatMap(UInt64.init) }
            #expect(product.count == 4 && product.reduce(1, *) == job.vcpus, "\(job): \(topology)")
            #expect(!xml.contains("address type=") || job.values["pci_devices"] != nil)
            let graphics = domain.first("devices")?.all("graphics") ?? []
            #expect(
                graphics.allSatisfy {
                    $0.attributes["port"] == nil && $0.children.first?.attributes == ["type": "socket"]
                })
            let kvmOnly = ["hyperv", "host-passthrough", "ioapic", "invtsc", "hidden", "topoext"].filter {
                xml.contains($0)
            }
            #expect(!job.isTCG || kvmOnly.isEmpty, "left under TCG: \(kvmOnly)")
        }
    }

    @Test(.enabled(if: Tools.hasJinja2 || Tools.isRequired, "python3-jinja2 is not installed"))
    func jinja2RendersTheSameBytes() throws {
        let completed = try Matrix.jobs.map { job in
            Jinja2.Job(template: job.template, values: try library.template(named: job.template).variables(job.values))
        }
        for (job, expected) in zip(Matrix.jobs, try Jinja2.render(completed)) {
            let rendered = try library.render(job.template, values: job.values)
            #expect(rendered.utf8.elementsEqual(expected.utf8), "\(job.template) \(job.values)")
        }
    }

    @Test(.enabled(if: Tools.hasJinja2 || Tools.isRequired, "python3-jinja2 is not installed"))
    func jinja2NeedsOnlyTheEightCommonValues() throws {
        var jobs: [Jinja2.Job] = []
        for template in ShippedTemplates.names {
            for vcpus in Matrix.vcpus {
                let values = ShippedTemplates.common.merging(["vcpus": .integer(vcpus)]) { $1 }
                jobs.append(Jinja2.Job(template: template, plain: values))
            }
        }
        let documents = try Jinja2.render(jobs)
        for (job, xml) in zip(jobs, documents) {
            let document = ParsedXML(xml)
            #expect(document.isWellFormed)
            for (name, value) in job.values where name != "disk_size_gb" {
                switch value {
                case .text(let text): #expect(document.texts.contains(text), "\(job.template) \(name)")
                case .number(let number): #expect(document.texts.contains(String(number)), "\(job.template) \(name)")
                case .flag, .texts, .records: Issue.record("no such common value")
                }
            }
        }
        if Tools.hasValidator { #expect(try Tools.faultyDomains(documents) == []) }
    }

    @Test(.enabled(if: Tools.hasValidator || Tools.isRequired, "virt-xml-validate is not installed"))
    func everyCombinationIsValidForTheSchema() throws {
        var documents: Set<String> = []
        for job in Matrix.jobs { documents.insert(try library.render(job.template, values: job.values)) }
        #expect(documents.count > 400)
        #expect(try Tools.faultyDomains(Array(documents)) == [])
    }

    @Test func everyTemplateTakesTheEightCommonParameters() throws {
        for template in try ShippedTemplates.names.map(library.template(named:)) {
            for name in ShippedTemplates.common.keys { #expect(template.parameter(named: name) != nil, "\(name)") }
            #expect(template.parameters.allSatisfy { !$0.documentation.isEmpty })
            #expect(!template.summary.isEmpty && !template.documentation.isEmpty && !template.hostRequirements.isEmpty)
            #expect(template.name.hasPrefix(template.guest))
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
        let values = Matrix.base("kvm", "", 1)
        #expect(throws: TemplateError.self) { try library.render("windows11-basic", values: values) }
        do {
            _ = try library.render("windows11-basic", values: values)
        } catch {
            #expect(error.kind == .invalidValue && error.parameter == "vcpus" && error.template == "windows11-basic")
            #expect(error.message.contains("from 2 to 255"))
        }
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
