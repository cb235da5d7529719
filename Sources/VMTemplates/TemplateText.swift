internal import _StringProcessing

/// Tests on the bytes of a text, and the one escaper for XML.
enum TemplateText {
    /// Longest text that any parameter takes, in bytes.
    static let maximumBytes = 65536
    /// Longest path that the kernel takes, in bytes without the final NUL (`PATH_MAX`, limits.h).
    static let maximumPathBytes = 4095

    /// Escapes a value for XML element content and quoted attributes.
    ///
    /// The references are those of Python's MarkupSafe, so that Jinja2 with autoescape renders the same bytes.
    static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&#34;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Why a text can stand in no parameter, or nil: characters that XML or a terminal would not leave alone, and what
    /// could be taken for an unreplaced part of a template.
    static func problem(with text: String) -> String? {
        for scalar in text.unicodeScalars where isControl(scalar) || scalar == "\u{FFFE}" || scalar == "\u{FFFF}" {
            return "it contains the control character \(codePoint(scalar))"
        }
        var previous: UInt8 = 0
        for byte in text.utf8 {
            if previous == UInt8(ascii: "{"), [UInt8(ascii: "{"), UInt8(ascii: "%"), UInt8(ascii: "#")].contains(byte) {
                return "it contains a template delimiter"
            }
            previous = byte
        }
        return nil
    }

    /// Whether all of a text matches a regular expression, scalar by scalar.
    static func matches(_ text: String, pattern: String?) -> Bool {
        guard let pattern else { return true }
        guard let regex = try? Regex(pattern).matchingSemantics(.unicodeScalar) else { return false }
        return (try? regex.wholeMatch(in: text)) != nil
    }

    /// Whether a text is a regular expression.
    static func isPattern(_ text: String) -> Bool {
        (try? Regex(text)) != nil
    }

    /// A VM name, by the rule of ``TemplateParameter/Kind/name``.
    static func isVMName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count), let first = bytes.first, isAlphanumeric(first) else { return false }
        let others = [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")]
        guard bytes.allSatisfy({ isAlphanumeric($0) || others.contains($0) }) else { return false }
        return !bytes.allSatisfy(isDigit) && !isUUIDShaped(bytes)
    }

    /// A UUID in its usual form.
    static func isUUID(_ text: String) -> Bool {
        let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return groups.map(\.count) == [8, 4, 4, 4, 12] && groups.allSatisfy { $0.allSatisfy(isHexDigit) }
    }

    /// Six octets, the group bit of the first clear, not all zero.
    static func isUnicastMAC(_ text: String) -> Bool {
        let groups = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard groups.count == 6, groups.allSatisfy({ $0.count == 2 && $0.allSatisfy(isHexDigit) }) else { return false }
        let octets = groups.compactMap { UInt8(String(decoding: $0, as: UTF8.self), radix: 16) }
        guard octets.count == 6, let first = octets.first else { return false }
        return first & 1 == 0 && octets.contains { $0 != 0 }
    }

    /// A path from the root, without components that climb or stay.
    static func isAbsolutePath(_ text: String) -> Bool {
        guard text.utf8.first == UInt8(ascii: "/"), (2...maximumPathBytes).contains(text.utf8.count) else {
            return false
        }
        return text.utf8.split(separator: UInt8(ascii: "/")).allSatisfy { component in
            !component.elementsEqual(".".utf8) && !component.elementsEqual("..".utf8)
        }
    }

    /// A text in quotes for a message: control and direction characters escaped, cut after 64 scalars.
    static func quoted(_ text: some StringProtocol) -> String {
        var result = "'"
        for scalar in text.unicodeScalars.prefix(64) {
            if isControl(scalar) || isInvisible(scalar) || scalar == "'" || scalar == "\\" {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result + (text.unicodeScalars.count > 64 ? "…'" : "'")
    }

    /// C0, DEL and C1.
    static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
    }

    /// An unsigned decimal or letter of ASCII.
    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }

    /// libvirt's tools take a name of this shape for a UUID, with dashes or without.
    private static func isUUIDShaped(_ bytes: [UInt8]) -> Bool {
        let digits = bytes.filter { $0 != UInt8(ascii: "-") }
        return digits.count == 32 && digits.allSatisfy(isHexDigit)
    }

    /// Characters that change what a terminal shows around them.
    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFFE, 0xFFFF: true
        default: false
        }
    }

    private static func codePoint(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
