extension DBusValue {
    /// `a{sv}`, each value in exactly one variant (a value that is a variant already is not wrapped again).
    public static func options(_ entries: [(String, DBusValue)]) -> DBusValue {
        .dictionary(key: .string, value: .variant, entries.map { Entry(key: .string($0.0), value: $0.1.wrapped) })
    }

    /// `as`.
    public static func strings(_ strings: [String]) -> DBusValue {
        .array(of: .string, strings.map(DBusValue.string))
    }

    /// `ao`.
    public static func objectPaths(_ paths: [ObjectPath]) -> DBusValue {
        .array(of: .objectPath, paths.map(DBusValue.objectPath))
    }

    /// `ay`.
    public static func bytes(_ bytes: some Sequence<UInt8>) -> DBusValue {
        .array(of: .byte, bytes.map(DBusValue.byte))
    }

    /// This value in one variant.
    public var wrapped: DBusValue {
        if case .variant = self { return self }
        return .variant(self)
    }

    /// The content of a variant; the value itself if it is none. Strips one variant only.
    public var unwrapped: DBusValue {
        if case .variant(let content) = self { return content }
        return self
    }
}

// Each accessor gives nil for a value of another type; none looks into variants (use `unwrapped`).
extension DBusValue {
    public var byteValue: UInt8? { if case .byte(let value) = self { value } else { nil } }
    public var boolValue: Bool? { if case .boolean(let value) = self { value } else { nil } }
    public var int16Value: Int16? { if case .int16(let value) = self { value } else { nil } }
    public var uint16Value: UInt16? { if case .uint16(let value) = self { value } else { nil } }
    public var int32Value: Int32? { if case .int32(let value) = self { value } else { nil } }
    public var uint32Value: UInt32? { if case .uint32(let value) = self { value } else { nil } }
    public var int64Value: Int64? { if case .int64(let value) = self { value } else { nil } }
    public var uint64Value: UInt64? { if case .uint64(let value) = self { value } else { nil } }
    public var doubleValue: Double? { if case .double(let value) = self { value } else { nil } }
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    public var objectPathValue: ObjectPath? { if case .objectPath(let value) = self { value } else { nil } }
    public var signatureValue: Signature? { if case .signature(let value) = self { value } else { nil } }
    public var unixFDValue: UnixFD? { if case .unixFD(let value) = self { value } else { nil } }
    /// The elements of an array.
    public var arrayValue: [DBusValue]? { if case .array(_, let elements) = self { elements } else { nil } }
    /// The entries of a dictionary, in the order of the wire, repeated keys included.
    public var entriesValue: [Entry]? { if case .dictionary(_, _, let entries) = self { entries } else { nil } }
    /// The fields of a structure.
    public var structureValue: [DBusValue]? { if case .structure(let fields) = self { fields } else { nil } }

    /// The strings of an `as`.
    public var stringsValue: [String]? {
        guard case .array(of: .string, let elements) = self else { return nil }
        return elements.compactMap(\.stringValue)
    }

    /// The paths of an `ao`.
    public var objectPathsValue: [ObjectPath]? {
        guard case .array(of: .objectPath, let elements) = self else { return nil }
        return elements.compactMap(\.objectPathValue)
    }

    /// The bytes of an `ay`.
    public var bytesValue: [UInt8]? {
        guard case .array(of: .byte, let elements) = self else { return nil }
        return elements.compactMap(\.byteValue)
    }

    /// An `a{sv}` by key, each value taken out of its variant; nil for another type, and if a key is repeated.
    public var optionsValue: [String: DBusValue]? {
        guard case .dictionary(key: .string, value: .variant, let entries) = self else { return nil }
        var options: [String: DBusValue] = [:]
        for entry in entries {
            guard let key = entry.key.stringValue, options.updateValue(entry.value.unwrapped, forKey: key) == nil
            else { return nil }
        }
        return options
    }
}
