import XMLReading

/// What a document consists of: its elements and attributes in order, and apart from them its texts.
struct ParsedXML {
    /// Paths of elements, each with the names of its attributes.
    private(set) var structure: [String] = []
    /// All attribute values, and the texts of elements that have no others inside, in order.
    private(set) var texts: [String] = []
    private(set) var isWellFormed = false

    init(_ text: String) {
        guard let root = try? XMLTree(parsing: text) else { return }
        isWellFormed = true
        take(root, below: "")
    }

    private mutating func take(_ element: XMLTree, below path: String) {
        let path = path + "/" + (element.namespace.isEmpty ? "" : "{\(element.namespace)}") + element.name
        structure.append(path + " " + element.attributes.keys.sorted().joined(separator: " "))
        texts += element.attributes.sorted { $0.key < $1.key }.map(\.value)
        if element.children.isEmpty { texts.append(element.characters) }
        for child in element.children { take(child, below: path) }
    }
}
