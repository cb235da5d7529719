/// Reads the part of XML that libvirt's documents use: elements, attributes, text, namespaces, comments, CDATA, character references.
struct XMLReader {
    /// An element whose end has not come yet.
    private struct Open {
        var element: XMLTree
        let qualifiedName: [UInt8]
        /// The namespaces that hold inside, by prefix; the empty one is the default.
        let namespaces: [String: String]
        var text: [UInt8] = []
    }

    private static let maximumDepth = 256

    private let bytes: [UInt8]
    private var position = 0
    private var open: [Open] = []
    private var root: XMLTree?

    init(_ xml: String) {
        bytes = Array(xml.utf8)
    }

    mutating func readDocument() throws(XMLError) -> XMLTree {
        while let byte = peek() {
            if byte == UInt8(ascii: "<") { try readMarkup() } else { try readText() }
        }
        guard open.isEmpty, let root else { throw malformed("it ends too early") }
        return root
    }

    // MARK: Parts

    private mutating func readMarkup() throws(XMLError) {
        if skip("<!--") {
            _ = try take(until: "-->")
        } else if skip("<![CDATA[") {
            try append(try take(until: "]]>"))
        } else if skip("<?") {
            _ = try take(until: "?>")
        } else if skip("</") {
            try readEndTag()
        } else if skip("<!") {
            throw malformed("it has a document type declaration")
        } else {
            position += 1
            try readStartTag()
        }
    }

    private mutating func readText() throws(XMLError) {
        let start = position
        while let byte = peek(), byte != UInt8(ascii: "<") { position += 1 }
        let raw = bytes[start..<position]
        guard !open.isEmpty || raw.allSatisfy(Self.isSpace) else { throw malformed("it has text outside its element") }
        if !open.isEmpty { try append(resolve(raw)) }
    }

    private mutating func append(_ text: some Sequence<UInt8>) throws(XMLError) {
        guard let last = open.indices.last else { throw malformed("it has text outside its element") }
        open[last].text += text
    }

    private mutating func readStartTag() throws(XMLError) {
        guard root == nil, open.count < Self.maximumDepth else { throw malformed("it has too many elements") }
        let qualifiedName = try readName()
        var attributes: [String: String] = [:]
        var namespaces = open.last?.namespaces ?? [:]
        var isEmpty = false
        while true {
            let hasSpace = skipSpace()
            if skip(">") { break }
            if skip("/>") {
                isEmpty = true
                break
            }
            guard hasSpace else { throw malformed("an attribute has no space before it") }
            let (name, value) = try readAttribute()
            if name == "xmlns" {
                namespaces[""] = value
            } else if name.hasPrefix("xmlns:") {
                namespaces[String(name.dropFirst(6))] = value
            } else if attributes.updateValue(value, forKey: name) != nil {
                throw malformed("an attribute is there twice")
            }
        }
        let (prefix, name) = Self.split(qualifiedName)
        let namespace = namespaces[prefix]
        guard prefix.isEmpty || namespace != nil else { throw malformed("a prefix is not declared") }
        let element = XMLTree(name: name, namespace: namespace ?? "", attributes: attributes)
        open.append(Open(element: element, qualifiedName: qualifiedName, namespaces: namespaces))
        if isEmpty { finishElement() }
    }

    private mutating func readAttribute() throws(XMLError) -> (name: String, value: String) {
        let name = String(decoding: try readName(), as: UTF8.self)
        skipSpace()
        guard skip("=") else { throw malformed("an attribute has no value") }
        skipSpace()
        let quote: StaticString
        if skip("'") {
            quote = "'"
        } else if skip("\"") {
            quote = "\""
        } else {
            throw malformed("an attribute's value is not quoted")
        }
        let raw = try take(until: quote)
        guard !raw.contains(UInt8(ascii: "<")) else { throw malformed("an attribute's value has a '<'") }
        return (name, String(decoding: try resolve(raw), as: UTF8.self))
    }

    private mutating func readEndTag() throws(XMLError) {
        let name = try readName()
        skipSpace()
        guard skip(">"), open.last?.qualifiedName == name else { throw malformed("its tags do not match") }
        finishElement()
    }

    private mutating func finishElement() {
        guard let last = open.popLast() else { return }
        var element = last.element
        element.characters = String(decoding: last.text, as: UTF8.self)
        if let parent = open.indices.last {
            open[parent].element.children.append(element)
        } else {
            root = element
        }
    }

    // MARK: Characters

    private func peek() -> UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    private mutating func skip(_ word: StaticString) -> Bool {
        let isThere = word.withUTF8Buffer { bytes[position...].starts(with: $0) }
        if isThere { position += word.utf8CodeUnitCount }
        return isThere
    }

    @discardableResult
    private mutating func skipSpace() -> Bool {
        let start = position
        while let byte = peek(), Self.isSpace(byte) { position += 1 }
        return position > start
    }

    private mutating func take(until end: StaticString) throws(XMLError) -> ArraySlice<UInt8> {
        let start = position
        while position < bytes.count {
            let stop = position
            if skip(end) { return bytes[start..<stop] }
            position += 1
        }
        throw malformed("it ends too early")
    }

    private mutating func readName() throws(XMLError) -> [UInt8] {
        let start = position
        while let byte = peek(), !Self.isSpace(byte), !Self.delimiters.contains(byte) { position += 1 }
        guard position > start else { throw malformed("a name is missing") }
        return Array(bytes[start..<position])
    }

    /// Text with its references replaced.
    private func resolve(_ raw: ArraySlice<UInt8>) throws(XMLError) -> [UInt8] {
        guard raw.contains(UInt8(ascii: "&")) else { return Array(raw) }
        var text: [UInt8] = []
        var rest = raw
        while let start = rest.firstIndex(of: UInt8(ascii: "&")) {
            text += rest[..<start]
            guard let end = rest[start...].firstIndex(of: UInt8(ascii: ";")),
                let character = Self.character(String(decoding: rest[(start + 1)..<end], as: UTF8.self))
            else { throw malformed("it has an unknown entity") }
            text += Array(String(character).utf8)
            rest = rest[(end + 1)...]
        }
        return text + rest
    }

    private static func character(_ reference: String) -> Character? {
        switch reference {
        case "lt": return "<"
        case "gt": return ">"
        case "amp": return "&"
        case "apos": return "'"
        case "quot": return "\""
        default: break
        }
        let number =
            if reference.hasPrefix("#x") {
                UInt32(reference.dropFirst(2), radix: 16)
            } else {
                reference.hasPrefix("#") ? UInt32(reference.dropFirst()) : nil
            }
        return number.flatMap(Unicode.Scalar.init).map(Character.init)
    }

    private static func split(_ name: [UInt8]) -> (prefix: String, name: String) {
        guard let colon = name.firstIndex(of: UInt8(ascii: ":")) else {
            return ("", String(decoding: name, as: UTF8.self))
        }
        return (String(decoding: name[..<colon], as: UTF8.self), String(decoding: name[(colon + 1)...], as: UTF8.self))
    }

    private static let delimiters = Array("<>/='\"&".utf8)

    static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d
    }

    private func malformed(_ what: String) -> XMLError {
        XMLError(reason: what, position: position)
    }
}
