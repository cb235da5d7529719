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
        for element in ["name", "uuid"] {
            let expected = values[element].flatMap(\.nonEmptyText).map { [$0] } ?? []
            guard domain.all(element).map(\.characters) == expected else {
                throw TemplateError(.notWellFormed, "the rendered domain's '\(element)' is not the one given")
            }
        }
    }
}

extension ParameterValue {
    fileprivate var nonEmptyText: String? {
        if case .string(let text) = self, !text.isEmpty { return text }
        return nil
    }
}
