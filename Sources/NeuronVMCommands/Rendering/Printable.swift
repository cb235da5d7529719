import VMModel

/// Text of other people made safe for a terminal, and its width there.
enum Printable {
    /// The text with every dangerous character escaped.
    static func escape(_ text: String, keeping kept: Set<Unicode.Scalar> = []) -> String {
        if isPlain(text) { return text }
        guard text.unicodeScalars.contains(where: { ForeignText.isDangerous($0) && !kept.contains($0) }) else {
            return text
        }
        var result = ""
        for scalar in text.unicodeScalars {
            if ForeignText.isDangerous(scalar), !kept.contains(scalar) {
                result += escaped(scalar)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// `\u` and four hexadecimal digits, as in JSON. Every dangerous character lies in the basic plane.
    static func escaped(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Whether it is printable ASCII, as nearly every text is.
    private static func isPlain(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in bytes.allSatisfy { $0 >= 0x20 && $0 < 0x7f } }
    }

    /// The number of columns that the text takes on a terminal.
    static func width(_ text: String) -> Int {
        if isPlain(text) { return text.utf8.count }
        return text.unicodeScalars.reduce(0) { $0 + width($1) }
    }

    private static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        return isWide(scalar) ? 2 : 1
    }

    /// Unicode Standard Annex 11, the blocks of class W and F that are in use; and what is shown as an emoji.
    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xa000...0xa4cf,
            0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
            0x20000...0x3fffd:
            true
        default: scalar.properties.isEmojiPresentation
        }
    }
}
