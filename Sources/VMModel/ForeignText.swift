/// Text that came from somebody else and is about to be shown: names of other tools' VMs, words of callers.
public enum ForeignText {
    /// Whether a character could move a terminal's cursor, colour it, turn the direction of writing, or look like a new line:
    /// C0, DEL, C1, the marks and overrides of bidirectional text, and the line and paragraph separators.
    public static func isDangerous(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1f, 0x7f...0x9f, 0x61c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069: true
        default: false
        }
    }

    /// The text with every dangerous character as `\u{…}`, so that it stays one line and moves nothing.
    public static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isDangerous) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isDangerous(scalar) {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A caller's word as it may stand in a message: cut to `limit` characters, and with everything but plain ASCII replaced.
    public static func quotable(_ word: String, limit: Int = 64) -> String {
        String(String.UnicodeScalarView(word.unicodeScalars.prefix(limit).map { (" "..."~").contains($0) ? $0 : "?" }))
    }
}
