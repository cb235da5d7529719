/// An element of an XML document, to be read and not changed.
///
/// It is read by code of our own: libvirt uses libxml2 in this process, and Foundation's parser exchanges the function
/// with which all of the process's libxml2 opens files, so that the two cannot live together.
public struct XMLTree: Sendable, Hashable {
    /// The name without prefix.
    public let name: String
    /// The namespace's URI; empty if it has none.
    public let namespace: String
    /// The attributes, by their names as written.
    public let attributes: [String: String]
    /// The elements inside, in order.
    public internal(set) var children: [XMLTree] = []
    /// All text directly inside, as it stands there.
    public internal(set) var characters = ""
    /// All text directly inside, without white space around it.
    public var text: String {
        let bytes = Array(characters.utf8)
        let start = bytes.firstIndex { !XMLReader.isSpace($0) } ?? bytes.endIndex
        let end = bytes.lastIndex { !XMLReader.isSpace($0) }.map { $0 + 1 } ?? start
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    init(name: String, namespace: String, attributes: [String: String]) {
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
    }

    /// Reads a whole document. A document type declaration is refused: libvirt writes none, and entities are a way to
    /// attack.
    /// - Throws: ``XMLError`` if it is not well-formed.
    public init(parsing xml: String) throws(XMLError) {
        var reader = XMLReader(xml)
        self = try reader.readDocument()
    }

    /// The first element inside with this name, and namespace if it is stated.
    public func first(_ name: String, namespace: String? = nil) -> XMLTree? {
        children.first { $0.name == name && (namespace == nil || $0.namespace == namespace) }
    }

    /// All elements inside with this name.
    public func all(_ name: String) -> [XMLTree] {
        children.filter { $0.name == name }
    }
}

/// Why a text is not a document that can be read.
public struct XMLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, without any of the document's text.
    public let reason: String
    /// Where, in bytes from the beginning.
    public let position: Int

    public var description: String { "the XML is not well-formed: \(reason) (byte \(position))" }
}
