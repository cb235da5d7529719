/// A valid object path, such as `/org/neuronos/VMManager`.
public struct ObjectPath: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The path as it stands on the wire.
    public let rawValue: String

    /// The root, `/`.
    public static let root = ObjectPath(unchecked: "/")

    /// Checks the grammar: `/`-separated elements of `[A-Za-z0-9_]+`.
    /// - Throws: `InvalidArgs`.
    public init(_ rawValue: String) throws(DBusError) {
        guard NameSyntax.isObjectPath(rawValue) else {
            throw .invalidArgs("not a valid object path: \(rawValue.debugDescription)")
        }
        self.rawValue = rawValue
    }

    /// For text that libdbus has validated already.
    init(unchecked rawValue: String) {
        self.rawValue = rawValue
    }

    /// The path one level below this one.
    /// - Throws: `InvalidArgs` if `element` is not `[A-Za-z0-9_]+`.
    public func appending(_ element: String) throws(DBusError) -> ObjectPath {
        var element = element
        guard element.withUTF8({ !$0.isEmpty && $0.allSatisfy(NameSyntax.isElementByte) }) else {
            throw .invalidArgs("not a valid element of an object path: \(element.debugDescription)")
        }
        var path = rawValue
        path.reserveCapacity(rawValue.utf8.count + 1 + element.utf8.count)
        if path.utf8.count > 1 { path += "/" }
        path += element
        return ObjectPath(unchecked: path)
    }

    /// The elements from the root down; empty for `/`.
    public var elements: [String] { rawValue.split(separator: "/").map(String.init) }

    /// The path one level up; nil for `/`.
    public var parent: ObjectPath? {
        guard rawValue != "/", let slash = rawValue.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return slash == rawValue.startIndex ? .root : ObjectPath(unchecked: String(rawValue[..<slash]))
    }

    /// Whether this is `ancestor` itself or lies below it.
    public func isWithin(_ ancestor: ObjectPath) -> Bool {
        if ancestor.rawValue == "/" || self == ancestor { return true }
        return rawValue.utf8.starts(with: ancestor.rawValue.utf8)
            && rawValue.utf8.dropFirst(ancestor.rawValue.utf8.count).first == UInt8(ascii: "/")
    }

    public static func < (left: ObjectPath, right: ObjectPath) -> Bool { left.rawValue < right.rawValue }

    public var description: String { rawValue }
}

extension ObjectPath: ExpressibleByStringLiteral {
    /// For constants in the source; a malformed literal is a programming error and stops the process.
    public init(stringLiteral value: StaticString) {
        let text = value.description
        precondition(NameSyntax.isObjectPath(text), "malformed object path in a literal")
        self.init(unchecked: text)
    }
}
