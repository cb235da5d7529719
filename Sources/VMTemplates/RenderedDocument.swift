import XMLReading

/// Checks that a rendered text is the XML of the domain that was asked for.
enum RenderedDocument {
    /// - Throws: ``TemplateError`` of kind `notWellFormed`.
    static func check(_ text: String, values: [String: ParameterValue]) throws(TemplateError) {
        for remnant in ["{{", "{%", "{#", "<!DOCTYPE", "<!ENTITY"] where text.contains(remnant) {
            throw TemplateError(.notWellFormed, "'\(remnant)' is left in the rendered text")
        }
        let domain: XMLTree
        do throws(XMLError) {
            domain = try XMLTree(parsing: text)
        } catch {
            throw TemplateError(.notWellFormed, "the rendered text is no document: \(error)")
        }
        guard domain.name == "domain" else {
            throw TemplateError(.notWellFormed, "the rendered text is not a 'domain' element")
        }
        // libvirt takes options for QEMU itself in elements of other namespaces, and passes them on unseen.
        guard domain.namespace.isEmpty,
            domain.children.allSatisfy({ $0.isMetadata || $0.isPlain || $0.isHarmlessCommandLine })
        else {
            throw TemplateError(
                .notWellFormed,
                "the rendered domain has elements of other namespaces outside its metadata, or options for QEMU other than "
                    + "-global and -readconfig")
        }
        for element in ["name", "uuid"] {
            let expected = values[element].flatMap(\.nonEmptyText).map { [$0] } ?? []
            guard domain.all(element).map(\.characters) == expected else {
                throw TemplateError(.notWellFormed, "the rendered domain's '\(element)' is not the one given")
            }
        }
    }
}

extension XMLTree {
    /// Whether it and all that is in it are elements of libvirt's own domain format.
    fileprivate var isPlain: Bool { namespace.isEmpty && children.allSatisfy(\.isPlain) }
    /// Whether it is an option line for QEMU with nothing but properties of devices and configuration from a file. No other option
    /// is let through: it could open any file or listen anywhere.
    fileprivate var isHarmlessCommandLine: Bool {
        guard namespace == "http://libvirt.org/schemas/domain/qemu/1.0", name == "commandline",
            children.allSatisfy({ $0.namespace == namespace && $0.name == "arg" && $0.children.isEmpty })
        else { return false }
        let words = children.map { $0.attributes["value"] ?? "" }
        return !words.isEmpty && words.count.isMultiple(of: 2)
            && words.indices.allSatisfy { !$0.isMultiple(of: 2) || ["-global", "-readconfig"].contains(words[$0]) }
    }
    /// Whether it holds what libvirt keeps and does not look at.
    fileprivate var isMetadata: Bool { namespace.isEmpty && name == "metadata" }
}

extension ParameterValue {
    fileprivate var nonEmptyText: String? {
        if case .string(let text) = self, !text.isEmpty { return text }
        return nil
    }
}
