/// Zero or more complete types, such as `sa{sv}`.
public struct Signature: Hashable, Sendable, CustomStringConvertible {
    /// The complete types, in order.
    public let types: [DBusType]

    /// No types: a message without arguments.
    public static let empty = Signature([])

    /// Reads a signature within the limits of the specification: 255 bytes, 32 arrays and 32 structures deep.
    /// - Throws: `InvalidArgs`.
    public init(parsing text: String) throws(DBusError) {
        guard let types = SignatureParser.parse(Array(text.utf8)) else {
            throw .invalidArgs("not a valid signature: \(text.debugDescription)")
        }
        self.types = types
    }

    /// Wraps types without a check; a signature that breaks the limits is refused when it is sent.
    public init(_ types: [DBusType]) {
        self.types = types
    }

    public var description: String {
        var bytes: [UInt8] = []
        for type in types { type.appendSignature(to: &bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the bus would accept it.
    var isValid: Bool {
        // The types that carry nothing else are valid alone, and by far the most common.
        if types.count < 32, types.allSatisfy({ $0.isBasic || $0 == .variant }) { return true }
        var bytes: [UInt8] = []
        for type in types { type.appendSignature(to: &bytes) }
        return SignatureParser.parse(bytes) != nil
    }
}

extension Signature: ExpressibleByStringLiteral {
    /// For constants in the source; a malformed literal is a programming error and stops the process.
    public init(stringLiteral value: StaticString) {
        let types = SignatureParser.parse(Array(value.description.utf8))
        precondition(types != nil, "malformed signature in a literal")
        self.types = types ?? []
    }
}

/// A recursive descent over the bytes of a signature; the depth limits bound the recursion.
struct SignatureParser {
    private static let maximumDepth = 32
    private let bytes: [UInt8]
    private var position = 0

    /// The types of a valid signature, or nil.
    static func parse(_ bytes: [UInt8]) -> [DBusType]? {
        guard bytes.count <= 255 else { return nil }
        var parser = SignatureParser(bytes: bytes)
        var types: [DBusType] = []
        while parser.position < bytes.count {
            guard let type = parser.completeType(arrays: 0, structures: 0) else { return nil }
            types.append(type)
        }
        return types
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private mutating func next() -> UInt8? {
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[position]
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func completeType(arrays: Int, structures: Int) -> DBusType? {
        guard let code = next() else { return nil }
        switch code {
        case UInt8(ascii: "a"):
            guard arrays < Self.maximumDepth else { return nil }
            if peek == UInt8(ascii: "{") {
                position += 1
                return dictionary(arrays: arrays + 1, structures: structures + 1)
            }
            return completeType(arrays: arrays + 1, structures: structures).map(DBusType.array)
        case UInt8(ascii: "("):
            return structure(arrays: arrays, structures: structures + 1)
        default:
            return DBusType(singleCode: code)
        }
    }

    private mutating func dictionary(arrays: Int, structures: Int) -> DBusType? {
        guard structures <= Self.maximumDepth,
            let key = completeType(arrays: arrays, structures: structures), key.isBasic,
            let value = completeType(arrays: arrays, structures: structures),
            next() == UInt8(ascii: "}")
        else { return nil }
        return .dictionary(key: key, value: value)
    }

    private mutating func structure(arrays: Int, structures: Int) -> DBusType? {
        guard structures <= Self.maximumDepth else { return nil }
        var fields: [DBusType] = []
        while let code = peek, code != UInt8(ascii: ")") {
            guard let field = completeType(arrays: arrays, structures: structures) else { return nil }
            fields.append(field)
        }
        guard next() == UInt8(ascii: ")"), !fields.isEmpty else { return nil }
        return .structure(fields)
    }
}
