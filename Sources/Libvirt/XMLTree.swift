/// An element of a piece of XML that libvirt wrote, to be read and not changed.
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
    /// All text directly inside, without white space around it.
    public internal(set) var text = ""

    init(name: String, namespace: String, attributes: [String: String]) {
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
    }

    /// Reads a whole document. A document type declaration is refused: libvirt writes none, and entities are a way to
    /// attack.
    /// - Throws: `LibvirtError` `.xmlError` if it is not well-formed.
    public init(parsing xml: String) throws {
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
