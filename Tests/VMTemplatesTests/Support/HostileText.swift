/// Random texts made of what breaks XML, templates, paths and terminals.
struct HostileText {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    private static let fragments: [String] = [
        "<", ">", "&", "'", "\"", "]]>", "<!--", "-->", "<![CDATA[", "<?xml?>", "&lt;", "&#60;", "&#x27;", "&foo;", ";",
        "</name>",
        "'/><disk type='file'>", "\"><source file=\"/etc/shadow\"/>", "</description><devices>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
        "{", "}", "{{", "}}", "{%", "%}", "{#", "#}", "{{ name }}", "{% endif %}", "%s%n", "$(id)", "`id`", "json:{}",
        ",", "=",
        "\0", "\t", "\n", "\r\n", "\u{1B}[31m", "\u{7F}", "\u{85}", "\u{A0}", "\u{202E}", "\u{61C}", "\u{2028}",
        "\u{FFFE}",
        "\u{FFFF}",
        "\u{FEFF}", "e\u{301}", "é", "😀", "👩‍👩‍👧", "a", "B", "0", " ", "  ", ".", "..", "/", "/../", "\\", "-", "_",
    ]

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int {
        Int(next() % UInt64(bound))
    }

    /// A text of up to twelve fragments; about half of them have nothing that is always refused.
    mutating func text() -> String {
        let isTame = below(2) == 0
        var text = ""
        for _ in 0...below(12) {
            if below(8) == 0, let scalar = Unicode.Scalar(UInt32(below(0x11_0000))) {
                text.unicodeScalars.append(scalar)
            } else {
                let fragment = Self.fragments[below(Self.fragments.count)]
                if isTame, fragment.unicodeScalars.contains(where: { $0.value < 0x20 }) || fragment.contains("{") {
                    continue
                }
                text += fragment
            }
        }
        return text
    }
}
