import CDBus

/// Appends checked values to a C message.
///
/// An iterator is passed `inout` only: appending through a copy loses what was appended.
enum MessageEncoder {
    /// Appends values that passed `WireCheck`.
    /// - Throws: `NoMemory`, and `Failed` for a descriptor that cannot be duplicated.
    static func append(_ body: [DBusValue], to message: borrowing OwnedMessage) throws(DBusError) {
        guard !body.isEmpty else { return }
        var iterator = DBusMessageIter()
        dbus_message_iter_init_append(message.pointer, &iterator)
        for value in body { try append(value, to: &iterator) }
    }

    static func append(_ value: DBusValue, to iterator: inout DBusMessageIter) throws(DBusError) {
        switch value {
        case .byte(let value): try fixed(value, .byte, &iterator)
        case .boolean(let value): try fixed(dbus_bool_t(value ? 1 : 0), .boolean, &iterator)
        case .int16(let value): try fixed(value, .int16, &iterator)
        case .uint16(let value): try fixed(value, .uint16, &iterator)
        case .int32(let value): try fixed(value, .int32, &iterator)
        case .uint32(let value): try fixed(value, .uint32, &iterator)
        case .int64(let value): try fixed(value, .int64, &iterator)
        case .uint64(let value): try fixed(value, .uint64, &iterator)
        case .double(let value): try fixed(value, .double, &iterator)
        case .unixFD(let descriptor):
            // libdbus duplicates the descriptor; that is what can fail here.
            do { try fixed(descriptor.rawValue, .unixFD, &iterator) } catch {
                throw .failed("cannot send a file descriptor")
            }
        case .string(let text): try string(text, .string, &iterator)
        case .objectPath(let path): try string(path.rawValue, .objectPath, &iterator)
        case .signature(let signature): try string(signature.description, .signature, &iterator)
        case .variant(let content): try variant(content, to: &iterator)
        case .array(let element, let values): try array(element, values, to: &iterator)
        case .dictionary(let key, let value, let entries):
            let signature = key == .string && value == .variant ? "{sv}" : "{\(key.signature)\(value.signature)}"
            try container(.array(.byte), signature, &iterator) { (inner) throws(DBusError) in
                for entry in entries {
                    try Self.entry(&inner) { (inner) throws(DBusError) in
                        try append(entry.key, to: &inner)
                        try append(entry.value, to: &inner)
                    }
                }
            }
        case .structure(let fields):
            try container(.structure([]), nil, &iterator) { (inner) throws(DBusError) in
                for field in fields { try append(field, to: &inner) }
            }
        }
    }

    static func variant(_ content: DBusValue, to iterator: inout DBusMessageIter) throws(DBusError) {
        try container(.variant, content.type.signature, &iterator) { (inner) throws(DBusError) in
            try append(content, to: &inner)
        }
    }

    /// Opens one dictionary entry, code `e`.
    static func entry(
        _ iterator: inout DBusMessageIter, _ body: (inout DBusMessageIter) throws(DBusError) -> Void
    ) throws(DBusError) {
        try container(code: Int32(UInt8(ascii: "e")), nil, &iterator, body)
    }

    static func string(_ text: String, _ type: DBusType, _ iterator: inout DBusMessageIter) throws(DBusError) {
        let done = text.withCString { pointer in
            var pointer: UnsafePointer<CChar>? = pointer
            return dbus_message_iter_append_basic(&iterator, Int32(type.code), &pointer)
        }
        guard done != 0 else { throw .outOfMemory }
    }

    private static func fixed<T: BitwiseCopyable>(
        _ value: T, _ type: DBusType, _ iterator: inout DBusMessageIter
    ) throws(DBusError) {
        let done = withUnsafePointer(to: value) {
            dbus_message_iter_append_basic(&iterator, Int32(type.code), $0)
        }
        guard done != 0 else { throw .outOfMemory }
    }

    private static func array(
        _ element: DBusType, _ values: [DBusValue], to iterator: inout DBusMessageIter
    ) throws(DBusError) {
        try container(.array(element), element.signature, &iterator) { (inner) throws(DBusError) in
            guard element == .byte else {
                for value in values { try append(value, to: &inner) }
                return
            }
            // All bytes at once. They are few million at the most, so the count fits.
            let bytes = values.compactMap(\.byteValue)
            let done = bytes.withUnsafeBufferPointer { buffer in
                var pointer = buffer.baseAddress
                return buffer.isEmpty
                    ? 1
                    : dbus_message_iter_append_fixed_array(&inner, Int32(element.code), &pointer, Int32(buffer.count))
            }
            guard done != 0 else { throw .outOfMemory }
        }
    }

    /// Opens a container of this type, with the signature of its content if its code does not say it.
    static func container(
        _ type: DBusType, _ signature: String?, _ iterator: inout DBusMessageIter,
        _ body: (inout DBusMessageIter) throws(DBusError) -> Void
    ) throws(DBusError) {
        try container(code: Int32(type.code), signature, &iterator, body)
    }

    private static func container(
        code: Int32, _ signature: String?, _ iterator: inout DBusMessageIter,
        _ body: (inout DBusMessageIter) throws(DBusError) -> Void
    ) throws(DBusError) {
        var inner = DBusMessageIter()
        let opened =
            if let signature {
                signature.withCString { dbus_message_iter_open_container(&iterator, code, $0, &inner) }
            } else {
                dbus_message_iter_open_container(&iterator, code, nil, &inner)
            }
        guard opened != 0 else { throw .outOfMemory }
        do {
            try body(&inner)
        } catch {
            dbus_message_iter_abandon_container(&iterator, &inner)
            throw error
        }
        guard dbus_message_iter_close_container(&iterator, &inner) != 0 else { throw .outOfMemory }
    }
}

extension DBusError {
    static let outOfMemory = DBusError(name: Name.noMemory, message: "libdbus is out of memory")
}
