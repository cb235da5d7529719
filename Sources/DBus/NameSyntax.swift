/// The grammar of D-Bus names, checked on bytes.
///
/// libdbus aborts the process when it is handed a malformed name, so every name passes through here first.
/// Source: D-Bus specification, "Valid Names".
enum NameSyntax {
    static let maximumLength = 255

    /// Two or more elements of `[A-Za-z_][A-Za-z0-9_]*`, separated by periods.
    static func isInterface(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { isDotted($0, allowHyphen: false, allowLeadingDigit: false) }
    }

    /// Error names follow the grammar of interface names.
    static func isError(_ name: String) -> Bool { isInterface(name) }

    /// One element of `[A-Za-z_][A-Za-z0-9_]*`.
    static func isMember(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { bytes in
            guard let first = bytes.first, bytes.count <= maximumLength, !isDigit(first) else { return false }
            return bytes.allSatisfy(isElementByte)
        }
    }

    /// A unique name such as `:1.42`, or a well-known name such as `org.example.Service`.
    static func isBus(_ name: String) -> Bool {
        isUnique(name) || isWellKnown(name)
    }

    /// A unique connection name, `:` and at least two elements.
    static func isUnique(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { bytes in
            guard bytes.first == UInt8(ascii: ":"), bytes.count <= maximumLength else { return false }
            return isDotted(
                UnsafeBufferPointer(rebasing: bytes.dropFirst()), allowHyphen: true, allowLeadingDigit: true)
        }
    }

    /// A name that a service can request.
    static func isWellKnown(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { isDotted($0, allowHyphen: true, allowLeadingDigit: false) }
    }

    /// `/`, or `/` followed by elements of `[A-Za-z0-9_]+` separated by `/`.
    static func isObjectPath(_ path: String) -> Bool {
        var path = path
        return path.withUTF8 { bytes in
            guard bytes.first == slash else { return false }
            if bytes.count == 1 { return true }
            var previous = UInt8(0)
            for byte in bytes {
                if byte == slash {
                    if previous == slash { return false }
                } else if !isElementByte(byte) {
                    return false
                }
                previous = byte
            }
            return previous != slash
        }
    }

    /// A namespace for `arg0namespace`: a bus or interface name, or a single element of one.
    static func isNamespace(_ name: String) -> Bool {
        isWellKnown(name) || isMember(name)
    }

    static func isElementByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"): true
        default: isDigit(byte)
        }
    }

    private static let slash = UInt8(ascii: "/")

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private static func isDotted(
        _ bytes: UnsafeBufferPointer<UInt8>, allowHyphen: Bool, allowLeadingDigit: Bool
    ) -> Bool {
        guard !bytes.isEmpty, bytes.count <= maximumLength else { return false }
        var elements = 1
        var atStart = true
        for byte in bytes {
            if byte == UInt8(ascii: ".") {
                if atStart { return false }
                elements += 1
                atStart = true
                continue
            }
            guard isElementByte(byte) || (allowHyphen && byte == UInt8(ascii: "-")) else { return false }
            if atStart, isDigit(byte), !allowLeadingDigit { return false }
            atStart = false
        }
        return elements >= 2 && !atStart
    }
}
