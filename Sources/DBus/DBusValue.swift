/// A value of any D-Bus type. Containers carry their element types, so that empty ones have a signature too.
public enum DBusValue: Hashable, Sendable {
    case byte(UInt8)
    case boolean(Bool)
    case int16(Int16)
    case uint16(UInt16)
    case int32(Int32)
    case uint32(UInt32)
    case int64(Int64)
    case uint64(UInt64)
    case double(Double)
    case string(String)
    case objectPath(ObjectPath)
    case signature(Signature)
    case unixFD(UnixFD)
    indirect case variant(DBusValue)
    case array(of: DBusType, [DBusValue])
    case dictionary(key: DBusType, value: DBusType, [Entry])
    case structure([DBusValue])

    /// One entry of a dictionary. The order of entries is kept.
    public struct Entry: Hashable, Sendable {
        public let key: DBusValue
        public let value: DBusValue

        public init(key: DBusValue, value: DBusValue) {
            self.key = key
            self.value = value
        }
    }

    /// The type that this value has on the wire.
    public var type: DBusType {
        switch self {
        case .byte: .byte
        case .boolean: .boolean
        case .int16: .int16
        case .uint16: .uint16
        case .int32: .int32
        case .uint32: .uint32
        case .int64: .int64
        case .uint64: .uint64
        case .double: .double
        case .string: .string
        case .objectPath: .objectPath
        case .signature: .signature
        case .unixFD: .unixFD
        case .variant: .variant
        case .array(let element, _): .array(element)
        case .dictionary(let key, let value, _): .dictionary(key: key, value: value)
        case .structure(let fields): .structure(fields.map(\.type))
        }
    }
}

extension DBusValue {
    /// Whether it is the same on the wire. `==` takes texts for equal that differ in Unicode normalization alone.
    func isSame(as other: DBusValue) -> Bool {
        switch (self, other) {
        case (.string(let left), .string(let right)):
            left.utf8.elementsEqual(right.utf8)
        case (.variant(let left), .variant(let right)):
            left.isSame(as: right)
        case (.array(let type, let left), .array(let otherType, let right)):
            type == otherType && left.count == right.count && zip(left, right).allSatisfy { $0.isSame(as: $1) }
        case (.structure(let left), .structure(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.isSame(as: $1) }
        case (.dictionary(let key, let value, let left), .dictionary(let otherKey, let otherValue, let right)):
            key == otherKey && value == otherValue && left.count == right.count
                && zip(left, right).allSatisfy { $0.key.isSame(as: $1.key) && $0.value.isSame(as: $1.value) }
        default:
            self == other
        }
    }
}
