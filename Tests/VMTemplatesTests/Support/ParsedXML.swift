import Foundation
import FoundationXML

/// What a document consists of: its elements and attributes in order, and apart from them its texts.
final class ParsedXML: NSObject, XMLParserDelegate {
    /// Paths of elements, each with the names of its attributes.
    private(set) var structure: [String] = []
    /// All attribute values, and the texts of elements that have no others inside, in order.
    private(set) var texts: [String] = []
    private var path: [String] = []
    private var pending: String?
    private(set) var isWellFormed = false

    init(_ text: String) {
        super.init()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = self
        isWellFormed = parser.parse() && parser.parserError == nil
    }

    func parser(
        _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?, qualifiedName qName: String?,
        attributes attributeDict: [String: String] = [:]
    ) {
        path.append(elementName)
        pending = ""
        structure.append(path.joined(separator: "/") + " " + attributeDict.keys.sorted().joined(separator: " "))
        texts += attributeDict.sorted { $0.key < $1.key }.map(\.value)
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
        pending? += string
    }

    func parser(
        _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName qName: String?
    ) {
        if let pending { texts.append(pending) }
        pending = nil
        path.removeLast()
    }
}
