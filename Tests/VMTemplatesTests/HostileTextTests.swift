import Foundation
import Testing
import VMTemplates

/// Whatever stands in a text parameter, the document has the template's own elements and attributes, and the text comes
/// back unchanged; or it was refused.
@Suite struct HostileTextTests {
    let library: TemplateLibrary

    init() throws {
        library = try ShippedTemplates.library()
    }

    /// The text parameters without a fixed form, with the values that mark their places.
    private static let marks = [
        "description": "mark-description", "iso_path": "/mark-iso", "disk_path": "/mark-disk",
        "seed_path": "/mark-seed",
        "network": "mark-network", "drivers_iso_path": "/mark-drivers", "opencore_path": "/mark-opencore",
        "smc_config": "/mark-smc", "rom_path": "/mark-rom",
    ]
    /// What has to be there for the places of all marks to be.
    private static let others: [String: ParameterValue] = ["pci_devices": .strings(["0000:01:00.0"])]
    /// Texts that are tried, in all templates together.
    private static let wanted = 100_000
    private static let volumeMarks = (0..<24).map { "/mark-volume-\($0)" }

    @Test(arguments: ShippedTemplates.names)
    func documentsKeepTheirStructure(template name: String) throws {
        let seed = UInt64.random(in: .min ... .max)
        var hostile = HostileText(seed: seed)
        let template = try library.template(named: name)
        let marks = Self.marks.filter { template.parameter(named: $0.key) != nil }
        // Each of the template's texts that has no form of its own is among them.
        let free = template.parameters.filter { !Self.hasForm($0.kind) }.map(\.name)
        #expect(Set(free).subtracting(["template", "os_type", "bridge", "volumes"]) == Set(marks.keys))
        let others = Self.others.filter { template.parameter(named: $0.key) != nil }
        let markedValues = values(marks: marks, others) { $0 }
        let marked = ParsedXML(try library.render(name, values: markedValues))
        #expect(marked.isWellFormed)
        var tried = 0
        var accepted = 0
        while tried < Self.wanted / ShippedTemplates.names.count + 1 {
            var texts: [String: String] = [:]
            for mark in marks.values.sorted() + Self.volumeMarks {
                // Until one is accepted, so that no place of the document is tame.
                while texts[mark] == nil {
                    let isPath = mark.hasPrefix("/mark-") && !mark.hasPrefix("/mark-volume")
                    let text = (isPath ? "/" : "") + hostile.text()
                    tried += 1
                    if try isAccepted(text, for: mark, of: template) { texts[mark] = text }
                }
                accepted += 1
            }
            let values = values(marks: marks, others) { texts[$0] ?? $0 }
            let document = ParsedXML(try library.render(name, values: values))
            #expect(document.isWellFormed, "seed \(seed)")
            try #require(document.structure == marked.structure, "seed \(seed): \(texts)")
            let expected = marked.texts.map { texts[$0] ?? $0 }
            let isUnchanged = document.texts.elementsEqual(expected) {
                $0.unicodeScalars.elementsEqual($1.unicodeScalars)
            }
            try #require(isUnchanged, "seed \(seed): \(texts)")
        }
        #expect(accepted > tried / 8 && accepted < tried, "\(accepted) of \(tried)")
    }

    /// Whether a text is accepted; if not, it is refused with a message that can be printed, and so is its rendering.
    private func isAccepted(_ text: String, for mark: String, of template: Template) throws -> Bool {
        let isVolume = Self.volumeMarks.contains(mark)
        let name = isVolume ? "volumes" : Self.marks.first { $0.value == mark }?.key ?? ""
        let value: ParameterValue = isVolume ? .strings([text]) : .string(text)
        // An empty text means that there is none: then the document has fewer elements, which other tests look at.
        if text.isEmpty { return false }
        let parameter = try #require(template.parameter(named: name))
        do {
            try parameter.check(value)
            return true
        } catch {
            #expect(error.kind == .invalidValue && error.parameter == name && error.isPrintable)
            let rendering = try refusal {
                try library.render(template.name, values: ShippedTemplates.required.merging([name: value]) { $1 })
            }
            #expect(rendering.kind == .invalidValue && rendering.template == template.name && rendering.isPrintable)
            return false
        }
    }

    /// Whether a kind's values have a form in which nothing hostile fits, or are no texts.
    private static func hasForm(_ kind: TemplateParameter.Kind) -> Bool {
        switch kind {
        case .string, .path, .rootFile, .list(of: .string, _), .list(of: .path, _): false
        default: true
        }
    }

    private func values(
        marks: [String: String], _ others: [String: ParameterValue], _ text: (String) -> String
    ) -> [String: ParameterValue] {
        var values = others.merging(["name": .string("vm-1")]) { $1 }
        for (name, mark) in marks { values[name] = .string(text(mark)) }
        values["volumes"] = .strings(Self.volumeMarks.map(text))
        return values
    }

    @Test func formsRefuseWhatIsHostile() throws {
        var hostile = HostileText(seed: .random(in: .min ... .max))
        let template = try library.template(named: "linux-passthrough")
        for name in [
            "emulator_cpus", "uuid", "mac_address", "accelerator", "graphics", "template", "os_type", "bridge",
        ] {
            let parameter = try #require(template.parameter(named: name))
            for _ in 0..<1_000 {
                let text = hostile.text()
                let isTame = text.utf8.allSatisfy { byte in
                    byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
                        || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
                        || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_")].contains(byte)
                }
                if isTame { continue }
                #expect(throws: TemplateError.self, "\(name) \(text.debugDescription)") {
                    try parameter.check(.string(text))
                }
            }
        }
    }
}
