/// The conditions that both engines read alike.
enum TemplateExpression {
    typealias Uses = [(String, TemplateSyntax.Usage)]

    /// The variables that a condition names, or nil if it is not one that is allowed.
    static func uses(in words: [String]) -> Uses? {
        if words.count == 3, words[1] == "in" {
            guard let word = literal(words[0]), TemplateSyntax.isIdentifier(words[2]) else { return nil }
            return [(words[2], .membership(word: word))]
        }
        var uses: Uses = []
        var rest = ArraySlice(words)
        repeat {
            while rest.first == "not" { rest = rest.dropFirst() }
            guard let name = rest.popFirst(), TemplateSyntax.isVariable(name) else { return nil }
            if rest.first == "==" || rest.first == "!=" {
                guard let word = literal(rest.dropFirst().first ?? ""), TemplateSyntax.isIdentifier(name) else {
                    return nil
                }
                uses.append((name, .comparison(word: word)))
                rest = rest.dropFirst(2)
            } else {
                uses.append((name, .condition))
            }
            guard let joint = rest.popFirst() else { return uses }
            guard joint == "and" || joint == "or" else { return nil }
        } while true
    }

    /// The text of a literal in double quotes: letters, digits and `._-`, which neither engine could misread.
    static func literal(_ word: String) -> String? {
        let quote = UInt8(ascii: "\"")
        let bytes = Array(word.utf8)
        guard bytes.count >= 3, bytes.first == quote, bytes.last == quote else { return nil }
        let inner = bytes[1..<(bytes.count - 1)]
        let others = [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")]
        guard inner.allSatisfy({ TemplateText.isAlphanumeric($0) || others.contains($0) }) else { return nil }
        return String(decoding: inner, as: UTF8.self)
    }
}
