public import DBus
public import VMModel

/// Reads a dictionary of options: each key once, each of the right type, and none that nobody asked for.
public struct OptionReader {
    private var values: [String: DBusValue] = [:]

    /// - Throws: `invalidArgument` for a key that is given twice.
    public init(_ options: DBusValue?) throws(VMError) {
        for entry in options?.entriesValue ?? [] {
            guard let key = entry.key.stringValue else { continue }
            guard values.updateValue(entry.value.unwrapped, forKey: key) == nil else {
                throw VMError(.invalidArgument, "an option is given twice: '\(ForeignText.quotable(key))'")
            }
        }
    }

    /// Takes an option out; nil when it was not given.
    public mutating func take(_ key: String) -> DBusValue? {
        values.removeValue(forKey: key)
    }

    public mutating func bool(_ key: String) throws(VMError) -> Bool? {
        try take(key).map { value throws(VMError) in
            guard let bool = value.boolValue else { throw Self.wrongType(key, "a boolean (b)") }
            return bool
        }
    }

    public mutating func string(_ key: String) throws(VMError) -> String? {
        try take(key).map { value throws(VMError) in
            guard let string = value.stringValue else { throw Self.wrongType(key, "a string (s)") }
            return string
        }
    }

    public mutating func strings(_ key: String) throws(VMError) -> [String]? {
        try take(key).map { value throws(VMError) in
            guard let strings = value.stringsValue else { throw Self.wrongType(key, "a list of strings (as)") }
            return strings
        }
    }

    /// A whole number from 0, whatever the width of the type it came in.
    public mutating func unsigned(_ key: String) throws(VMError) -> UInt64? {
        try take(key).map { value throws(VMError) in
            guard let number = value.unsignedValue else { throw Self.wrongType(key, "a whole number from 0 (t or u)") }
            return number
        }
    }

    /// A file that the caller has opened.
    public mutating func file(_ key: String) throws(VMError) -> UnixFD? {
        try take(key).map { value throws(VMError) in
            guard let file = value.unixFDValue else { throw Self.wrongType(key, "a file descriptor (h)") }
            return file
        }
    }

    /// What has not been taken yet, by key.
    public mutating func takeRest() -> [String: DBusValue] {
        defer { values = [:] }
        return values
    }

    /// - Throws: `invalidArgument` when something is left that nobody took.
    public func finish() throws(VMError) {
        guard let key = values.keys.min() else { return }
        throw VMError(.invalidArgument, "unknown option '\(ForeignText.quotable(key))'")
    }

    public static func wrongType(_ key: String, _ expected: String) -> VMError {
        VMError(.invalidArgument, "option '\(ForeignText.quotable(key))' must be \(expected)")
    }
}

extension DBusValue {
    /// The number in any of the integer types; nil for a negative one and for what is no integer.
    public var unsignedValue: UInt64? {
        switch self {
        case .byte(let value): UInt64(value)
        case .uint16(let value): UInt64(value)
        case .uint32(let value): UInt64(value)
        case .uint64(let value): value
        case .int16(let value): UInt64(exactly: value)
        case .int32(let value): UInt64(exactly: value)
        case .int64(let value): UInt64(exactly: value)
        default: nil
        }
    }
}
