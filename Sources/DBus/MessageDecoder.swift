import CDBus

/// Reads the body of a C message.
///
/// libdbus has validated what it hands out; still nothing here trusts it, and a mismatch is an error.
struct MessageDecoder {
    /// How many parts the arguments of a call may have: values, those within others included, and each 64 bytes of text. A message of
    /// 32 MiB can hold millions, each of which takes far more memory as a value than on the wire, and no method takes more than a few
    /// dozen.
    static let maximumArguments = 1 << 13

    /// How many descriptors the arguments of a call may have: each value is one of this process's own, also where several mean the
    /// same of the message.
    static let maximumDescriptors = 16

    /// The arguments of a call, and how much they are.
    /// - Throws: `InconsistentMessage`; `LimitsExceeded` for more than `maximumArguments` parts or `maximumDescriptors` descriptors.
    static func arguments(
        of message: OpaquePointer, as types: [DBusType]
    ) throws(DBusError) -> (values: [DBusValue], size: CallSize) {
        var decoder = MessageDecoder(left: maximumArguments, descriptorsLeft: maximumDescriptors)
        let values = try decoder.values(of: message, as: types)
        return (
            values,
            CallSize(
                parts: maximumArguments - decoder.left, descriptors: maximumDescriptors - decoder.descriptorsLeft)
        )
    }

    /// How many values may still come.
    private var left: Int
    private var descriptorsLeft: Int

    /// The signature and the values of a message.
    /// - Throws: `InconsistentMessage`.
    static func body(of message: OpaquePointer) throws(DBusError) -> (Signature, [DBusValue]) {
        guard let text = dbus_message_get_signature(message), text.pointee != 0 else { return (.empty, []) }
        guard let types = SignatureParser.parse(bytes(of: text)) else { throw inconsistent }
        return (Signature(types), try values(of: message, as: types))
    }

    /// The values of a message whose signature is known to be that of `types`.
    /// - Throws: `InconsistentMessage`.
    static func values(of message: OpaquePointer, as types: [DBusType]) throws(DBusError) -> [DBusValue] {
        var decoder = MessageDecoder(left: .max, descriptorsLeft: .max)
        return try decoder.values(of: message, as: types)
    }

    private mutating func values(of message: OpaquePointer, as types: [DBusType]) throws(DBusError) -> [DBusValue] {
        guard !types.isEmpty else { return [] }
        var iterator = DBusMessageIter()
        guard dbus_message_iter_init(message, &iterator) != 0 else { throw Self.inconsistent }
        var values: [DBusValue] = []
        values.reserveCapacity(types.count)
        for type in types {
            values.append(try value(type, &iterator, depth: 0))
            dbus_message_iter_next(&iterator)
        }
        return values
    }

    private mutating func value(
        _ type: DBusType, _ iterator: inout DBusMessageIter, depth: Int
    ) throws(DBusError) -> DBusValue {
        guard dbus_message_iter_get_arg_type(&iterator) == Int32(type.code), depth <= WireCheck.maximumDepth
        else { throw Self.inconsistent }
        try spend(1)
        switch type {
        case .byte: return .byte(Self.fixed(0, &iterator))
        case .boolean: return .boolean(Self.fixed(dbus_bool_t(0), &iterator) != 0)
        case .int16: return .int16(Self.fixed(0, &iterator))
        case .uint16: return .uint16(Self.fixed(0, &iterator))
        case .int32: return .int32(Self.fixed(0, &iterator))
        case .uint32: return .uint32(Self.fixed(0, &iterator))
        case .int64: return .int64(Self.fixed(0, &iterator))
        case .uint64: return .uint64(Self.fixed(0, &iterator))
        case .double: return .double(Self.fixed(0, &iterator))
        case .string: return .string(try text(&iterator))
        case .objectPath: return .objectPath(ObjectPath(unchecked: try text(&iterator)))
        case .signature: return .signature(try Signature(parsing: Self.string(&iterator)))
        case .unixFD:
            guard descriptorsLeft > 0 else { throw .limitsExceeded("the arguments have too many descriptors") }
            descriptorsLeft -= 1
            // The descriptor is a duplicate that belongs to the receiver, close-on-exec.
            let descriptor: Int32 = Self.fixed(-1, &iterator)
            guard descriptor >= 0 else { throw .invalidArgs("a file descriptor did not come with the message") }
            return .unixFD(UnixFD(owning: descriptor))
        case .variant: return .variant(try variant(&iterator, depth: depth))
        case .array(.byte):
            let bytes = Self.byteArray(&iterator)
            try spend(bytes.count)
            return .array(of: .byte, bytes.map(DBusValue.byte))
        case .array(let element): return .array(of: element, try array(element, &iterator, depth: depth))
        case .dictionary(let key, let value):
            return .dictionary(key: key, value: value, try entries(key, value, &iterator, depth: depth))
        case .structure(let types): return .structure(try structure(types, &iterator, depth: depth))
        }
    }

    private mutating func variant(_ iterator: inout DBusMessageIter, depth: Int) throws(DBusError) -> DBusValue {
        var inner = DBusMessageIter()
        dbus_message_iter_recurse(&iterator, &inner)
        let code = UInt8(clamping: dbus_message_iter_get_arg_type(&inner))
        if let type = DBusType(singleCode: code) { return try value(type, &inner, depth: depth + 1) }
        guard let text = dbus_message_iter_get_signature(&inner) else { throw .outOfMemory }
        defer { dbus_free(text) }
        guard let types = SignatureParser.parse(Self.bytes(of: text)), types.count == 1, let type = types.first
        else { throw Self.inconsistent }
        return try value(type, &inner, depth: depth + 1)
    }

    private mutating func array(
        _ element: DBusType, _ iterator: inout DBusMessageIter, depth: Int
    ) throws(DBusError) -> [DBusValue] {
        var inner = DBusMessageIter()
        dbus_message_iter_recurse(&iterator, &inner)
        var values: [DBusValue] = []
        while dbus_message_iter_get_arg_type(&inner) != 0 {
            values.append(try value(element, &inner, depth: depth + 1))
            dbus_message_iter_next(&inner)
        }
        return values
    }

    private static func byteArray(_ iterator: inout DBusMessageIter) -> UnsafeBufferPointer<UInt8> {
        var inner = DBusMessageIter()
        dbus_message_iter_recurse(&iterator, &inner)
        var start: UnsafePointer<UInt8>?
        var count: Int32 = 0
        dbus_message_iter_get_fixed_array(&inner, &start, &count)
        return UnsafeBufferPointer(start: start, count: start == nil ? 0 : Int(max(0, count)))
    }

    private mutating func entries(
        _ key: DBusType, _ value: DBusType, _ iterator: inout DBusMessageIter, depth: Int
    ) throws(DBusError) -> [DBusValue.Entry] {
        var inner = DBusMessageIter()
        dbus_message_iter_recurse(&iterator, &inner)
        var entries: [DBusValue.Entry] = []
        while dbus_message_iter_get_arg_type(&inner) != 0 {
            var entry = DBusMessageIter()
            dbus_message_iter_recurse(&inner, &entry)
            let entryKey = try self.value(key, &entry, depth: depth + 2)
            dbus_message_iter_next(&entry)
            entries.append(DBusValue.Entry(key: entryKey, value: try self.value(value, &entry, depth: depth + 2)))
            dbus_message_iter_next(&inner)
        }
        return entries
    }

    private mutating func structure(
        _ types: [DBusType], _ iterator: inout DBusMessageIter, depth: Int
    ) throws(DBusError) -> [DBusValue] {
        var inner = DBusMessageIter()
        dbus_message_iter_recurse(&iterator, &inner)
        var fields: [DBusValue] = []
        fields.reserveCapacity(types.count)
        for type in types {
            fields.append(try value(type, &inner, depth: depth + 1))
            dbus_message_iter_next(&inner)
        }
        return fields
    }

    private mutating func text(_ iterator: inout DBusMessageIter) throws(DBusError) -> String {
        let text = try Self.string(&iterator)
        try spend(text.utf8.count / 64)
        return text
    }

    private mutating func spend(_ count: Int) throws(DBusError) {
        guard count <= left else { throw .limitsExceeded("the arguments have too many parts") }
        left -= count
    }

    private static func fixed<T: BitwiseCopyable>(_ initial: T, _ iterator: inout DBusMessageIter) -> T {
        var value = initial
        withUnsafeMutablePointer(to: &value) { dbus_message_iter_get_basic(&iterator, $0) }
        return value
    }

    private static func string(_ iterator: inout DBusMessageIter) throws(DBusError) -> String {
        var text: UnsafePointer<CChar>?
        dbus_message_iter_get_basic(&iterator, &text)
        guard let text else { throw inconsistent }
        return String(cString: text)
    }

    private static func bytes(of text: UnsafePointer<CChar>) -> [UInt8] {
        Array(String(cString: text).utf8)
    }

    private static let inconsistent = DBusError(
        name: DBusError.Name.inconsistentMessage, message: "a message does not have the types of its signature")
}
