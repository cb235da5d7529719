/// The conditions of `if`.
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

    /// Whether a condition that is allowed holds, with the precedence of Jinja2: `not` before `and` before `or`.
    static func holds(_ words: [String], _ variable: (String) -> TemplateVariable) -> Bool {
        if words.count == 3, words[1] == "in", let word = literal(words[0]) {
            guard case .texts(let texts) = variable(words[2]) else { return false }
            return texts.contains(word)
        }
        return words.split(separator: "or").contains { $0.split(separator: "and").allSatisfy { isTrue($0, variable) } }
    }

    /// `not* name [== "word" | != "word"]`
    private static func isTrue(_ words: ArraySlice<String>, _ variable: (String) -> TemplateVariable) -> Bool {
        let term = Array(words.drop { $0 == "not" })
        var result = false
        if term.count == 3 {
            let isEqual = literal(term[2]).map { variable(term[0]) == .text($0) } ?? false
            result = isEqual == (term[1] == "==")
        } else if let name = term.first {
            result = variable(name).isTrue
        }
        return (words.count - term.count).isMultiple(of: 2) ? result : !result
    }

    /// The text of a literal in double quotes: letters, digits and `._-`, which nobody could misread.
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

extension TemplateVariable {
    /// Whether it counts as true: not empty, not 0.
    fileprivate var isTrue: Bool {
        switch self {
        case .text(let text): !text.isEmpty
        case .number(let number): number != 0
        case .flag(let flag): flag
        case .texts(let texts): !texts.isEmpty
        case .records(let records): !records.isEmpty
        }
    }
}
