/// Decides whether libdbus may be handed a value: it aborts the process on what the specification forbids, and the bus
/// drops a connection that sends it.
///
/// Everything that is encoded has passed through here once, so that encoding itself cannot fail for what a value is.
struct WireCheck {
    /// The longest body that is sent, in bytes. It is the specification's limit of one array, so that none can be longer.
    static let maximumBodySize = (1 << 25) - (1 << 16)
    /// Descriptors per message that libdbus accepts when it receives (`DBUS_DEFAULT_MESSAGE_UNIX_FDS`).
    static let maximumDescriptors = 16
    /// Containers within containers, variants included.
    static let maximumDepth = 64

    /// An upper bound of the size on the wire, in bytes.
    private(set) var size = 0
    private var descriptors = 0

    /// Checks a whole body against its types; the types must be valid.
    /// - Throws: `InvalidArgs` or `LimitsExceeded`.
    /// - Returns: an upper bound of the size on the wire, in bytes.
    @discardableResult
    static func check(_ body: [DBusValue], as types: [DBusType]) throws(DBusError) -> Int {
        var check = WireCheck()
        try check.sequence(body, as: types, depth: 0, what: "the message")
        return check.size
    }

    /// Checks a body whose types come from its values.
    static func check(_ body: [DBusValue], as signature: Signature) throws(DBusError) {
        guard signature.isValid else { throw .invalidArgs("not a valid signature: \(signature)") }
        try check(body, as: signature.types)
    }

    /// Checks that a property has this type and can be sent, also from within `GetManagedObjects`: `a{oa{sa{sv}}}`
    /// puts seven containers around it.
    /// - Returns: an upper bound of the size on the wire, in bytes.
    static func checkProperty(_ value: DBusValue, as type: DBusType) throws(DBusError) -> Int {
        var check = WireCheck()
        try check.value(value, as: type, depth: 7)
        return check.size
    }

    private mutating func sequence(
        _ values: [DBusValue], as types: [DBusType], depth: Int, what: String
    ) throws(DBusError) {
        guard values.count == types.count else {
            throw .invalidArgs("\(what) has \(values.count) values where its signature has \(types.count)")
        }
        for (value, type) in zip(values, types) { try self.value(value, as: type, depth: depth) }
    }

    private mutating func value(_ value: DBusValue, as type: DBusType, depth: Int) throws(DBusError) {
        guard depth <= Self.maximumDepth else { throw .limitsExceeded("a value is nested too deeply") }
        switch (value, type) {
        case (.byte, .byte), (.boolean, .boolean), (.int16, .int16), (.uint16, .uint16), (.int32, .int32),
            (.uint32, .uint32), (.int64, .int64), (.uint64, .uint64), (.double, .double):
            try add(16)
        case (.string(let text), .string):
            try self.text(text)
        case (.objectPath(let path), .objectPath):
            try add(path.rawValue.utf8.count + 8)
        case (.signature(let signature), .signature):
            guard signature.isValid else { throw .invalidArgs("not a valid signature: \(signature)") }
            try add(264)
        case (.unixFD, .unixFD):
            descriptors += 1
            guard descriptors <= Self.maximumDescriptors else {
                throw .limitsExceeded("a message carries at most \(Self.maximumDescriptors) descriptors")
            }
            try add(8)
        case (.variant(let content), .variant):
            try variant(content, depth: depth)
        case (.array(let element, let values), .array(let declared)) where element == declared:
            try add(16)
            for value in values { try self.value(value, as: element, depth: depth + 1) }
        case (.dictionary(let key, let content, let entries), .dictionary(let declaredKey, let declaredContent))
        where key == declaredKey && content == declaredContent:
            try add(16)
            for entry in entries {
                try add(8)
                try self.value(entry.key, as: key, depth: depth + 2)
                try self.value(entry.value, as: content, depth: depth + 2)
            }
        case (.structure(let fields), .structure(let types)):
            try add(8)
            try sequence(fields, as: types, depth: depth + 1, what: "a structure")
        default:
            throw .invalidArgs("a value of type '\(value.type.signature)' stands where '\(type.signature)' is declared")
        }
    }

    private mutating func variant(_ content: DBusValue, depth: Int) throws(DBusError) {
        let type = content.type
        guard type.isBasic || type == .variant || Signature([type]).isValid else {
            throw .invalidArgs("not a valid signature: \(type.signature)")
        }
        try add(264)
        try value(content, as: type, depth: depth + 1)
    }

    private mutating func text(_ text: String) throws(DBusError) {
        guard !text.utf8.contains(0) else { throw .invalidArgs("a string contains a NUL character") }
        try add(text.utf8.count + 8)
    }

    private mutating func add(_ count: Int) throws(DBusError) {
        size += count
        guard size <= Self.maximumBodySize else {
            throw .limitsExceeded("the message is longer than the bus takes, 32 MiB")
        }
    }
}
