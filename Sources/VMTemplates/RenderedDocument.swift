internal import Foundation
internal import FoundationXML

/// Checks that a rendered text is the XML of the domain that was asked for.
enum RenderedDocument {
    /// - Throws: ``TemplateError`` of kind `notWellFormed`.
    static func check(_ text: String, values: [String: ParameterValue]) throws(TemplateError) {
        for remnant in ["{{", "{%", "{#", "<!DOCTYPE", "<!ENTITY"] where text.contains(remnant) {
            throw TemplateError(.notWellFormed, "'\(remnant)' is left in the rendered text")
        }
        let reader = DomainReader()
        let parser = XMLParser(data: Data(text.utf8))
        parser.shouldProcessNamespaces = true
        parser.shouldResolveExternalEntities = false
        parser.delegate = reader
        // Some faults, such as a second root element, leave only the error set.
        guard parser.parse(), parser.parserError == nil else {
            throw TemplateError(.notWellFormed, "the rendered text is not well-formed XML (line \(parser.lineNumber))")
        }
        guard reader.root == "domain" else {
            throw TemplateError(.notWellFormed, "the rendered text is not a 'domain' element")
        }
        for (element, texts) in ["name": reader.names, "uuid": reader.uuids] {
            let expected = values[element].flatMap(\.nonEmptyText).map { [$0] } ?? []
            guard texts == expected else {
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

/// Notes the root element and what identifies a domain.
private final class DomainReader: NSObject, XMLParserDelegate {
    private(set) var root = ""
    private(set) var names: [String] = []
    private(set) var uuids: [String] = []
    private var path: [String] = []
    private var text = ""

    func parser(
        _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?, qualifiedName qName: String?,
        attributes attributeDict: [String: String] = [:]
    ) {
        if path.isEmpty { root = elementName }
        path.append(elementName)
        text = ""
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
        text += string
    }

    func parser(
        _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName qName: String?
    ) {
        if path == ["domain", "name"] { names.append(text) }
        if path == ["domain", "uuid"] { uuids.append(text) }
        _ = path.popLast()
    }
}
