/// One piece of a template file, as Jinja2 would cut it.
struct TemplateToken: Hashable {
    enum Kind: Hashable {
        case text(String)
        /// `{{ name }}`: what stands between the braces.
        case output(String)
        /// `{% word word %}`: the words between the delimiters.
        case tag([String])
        /// `{# … #}`: what stands between the delimiters.
        case comment(String)
    }

    var kind: Kind
    /// Line on which it begins, from 1.
    let line: Int
    /// `{%-`: takes away the white space in front of it.
    var trimsBefore = false
    /// `-%}`: takes away the white space that follows it.
    var trimsAfter = false
}

/// Cuts a template file into tokens, and refuses what Jinja2 could cut differently.
struct TemplateScanner {
    private var rest: Substring.UnicodeScalarView
    private var line = 1
    private var text = ""
    private var textLine = 1
    private var tokens: [TemplateToken] = []

    private init(_ source: String) {
        rest = Substring(source).unicodeScalars
    }

    /// The tokens of a file.
    static func tokens(of source: String) throws(TemplateError) -> [TemplateToken] {
        var scanner = TemplateScanner(source)
        while let scalar = scanner.rest.first {
            switch (scalar, scanner.rest.dropFirst().first) {
            case ("{", "{"): try scanner.scanMarkup(closing: "}}") { .output($0) }
            case ("{", "%"): try scanner.scanTag()
            case ("{", "#"): try scanner.scanMarkup(closing: "#}") { .comment($0) }
            case ("}", "}"), ("%", "}"), ("#", "}"):
                throw TemplateError(.malformed, "line \(scanner.line): a delimiter is closed that was not opened")
            default: scanner.takeText()
            }
        }
        scanner.endText()
        return scanner.tokens
    }

    private mutating func takeText() {
        guard let scalar = rest.popFirst() else { return }
        if text.isEmpty { textLine = line }
        text.unicodeScalars.append(scalar)
        if scalar == "\n" { line += 1 }
    }

    private mutating func endText() {
        guard !text.isEmpty else { return }
        tokens.append(TemplateToken(kind: .text(text), line: textLine))
        text = ""
    }

    /// Takes an opening delimiter, everything up to the closing one, and that.
    private mutating func scanMarkup(
        closing: String, _ kind: (String) -> TemplateToken.Kind
    ) throws(TemplateError) {
        endText()
        let start = line
        rest = rest.dropFirst(2)
        var content = ""
        while let scalar = rest.first {
            if rest.prefix(2).elementsEqual(closing.unicodeScalars) {
                rest = rest.dropFirst(2)
                tokens.append(TemplateToken(kind: kind(content), line: start))
                return
            }
            if scalar == "\n" { line += 1 }
            content.unicodeScalars.append(scalar)
            rest = rest.dropFirst()
        }
        throw TemplateError(.malformed, "line \(start): '\(closing)' is missing")
    }

    /// Takes a tag.
    private mutating func scanTag() throws(TemplateError) {
        let start = line
        var (trimsBefore, trimsAfter) = (false, false)
        try scanMarkup(closing: "%}") { content in
            var inner = Substring(content)
            trimsBefore = inner.hasPrefix("-")
            if trimsBefore { inner = inner.dropFirst() }
            trimsAfter = inner.hasSuffix("-")
            if trimsAfter { inner = inner.dropLast() }
            return .tag(inner.split(separator: " ").map(String.init))
        }
        tokens[tokens.count - 1].trimsBefore = trimsBefore
        tokens[tokens.count - 1].trimsAfter = trimsAfter
        guard line == start else {
            throw TemplateError(.malformed, "line \(start): a tag must stand on one line")
        }
    }
}
