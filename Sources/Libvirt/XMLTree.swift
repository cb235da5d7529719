import Foundation
import FoundationXML

/// An element of a piece of XML that libvirt wrote, to be read and not changed.
public struct XMLTree: Sendable, Hashable {
    /// The name without prefix.
    public private(set) var name: String
    /// The namespace's URI; empty if it has none.
    public private(set) var namespace: String
    /// The attributes, by their names as written.
    public private(set) var attributes: [String: String]
    /// The elements inside, in order.
    public private(set) var children: [XMLTree] = []
    /// All text directly inside, without white space around it.
    public var text: String { characters.trimmingCharacters(in: .whitespacesAndNewlines) }
    private var characters = ""

    /// Reads a whole document.
    /// - Throws: `LibvirtError` `.xmlError` if it is not well-formed.
    public init(parsing xml: String) throws {
        let parser = XMLParser(data: Data(xml.utf8))
        let reader = Reader()
        parser.shouldProcessNamespaces = true
        parser.shouldResolveExternalEntities = false
        parser.delegate = reader
        guard parser.parse(), let root = reader.root else {
            throw LibvirtError(
                code: .xmlError, source: .xml, message: "the XML is not well-formed", operation: "XMLParser.parse")
        }
        self = root
    }

    fileprivate init(name: String, namespace: String, attributes: [String: String]) {
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
    }

    /// The first element inside with this name, and namespace if it is stated.
    public func first(_ name: String, namespace: String? = nil) -> XMLTree? {
        children.first { $0.name == name && (namespace == nil || $0.namespace == namespace) }
    }

    /// All elements inside with this name.
    public func all(_ name: String) -> [XMLTree] {
        children.filter { $0.name == name }
    }

    /// Builds the tree; an element is put into its parent when it ends.
    private final class Reader: NSObject, XMLParserDelegate {
        private var open: [XMLTree] = []
        private(set) var root: XMLTree?

        func parser(
            _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            open.append(XMLTree(name: elementName, namespace: namespaceURI ?? "", attributes: attributes))
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) {
            guard let last = open.indices.last else { return }
            open[last].characters += string
        }

        func parser(_ parser: XMLParser, foundCDATA block: Data) {
            self.parser(parser, foundCharacters: String(decoding: block, as: UTF8.self))
        }

        func parser(
            _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName: String?
        ) {
            guard let element = open.popLast() else { return }
            if let parent = open.indices.last {
                open[parent].children.append(element)
            } else {
                root = element
            }
        }
    }
}
