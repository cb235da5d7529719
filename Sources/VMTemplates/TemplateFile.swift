/// One template file, read and checked by itself.
struct TemplateFile {
    let header: TemplateHeader
    let syntax: TemplateSyntax
    /// What the renderer reads: the file without its header, and without the line feed at its end, which Jinja2 drops as
    /// well.
    let body: String

    /// Reads a file's text.
    /// - Throws: ``TemplateError`` of kind `malformed`.
    init(text: String) throws(TemplateError) {
        let tokens = try TemplateScanner.tokens(of: text)
        header = try TemplateHeader(tokens)
        syntax = try TemplateSyntax(tokens)
        body = Self.body(of: text)
    }

    private static func body(of text: String) -> String {
        var body = Substring(text)
        if body.hasPrefix("{#"), let end = body.range(ofEnd: "#}") { body = body[end...] }
        return String(body.last == "\n" ? body.dropLast() : body)
    }
}

extension Substring {
    /// The index after the first occurrence of an ASCII marker.
    fileprivate func range(ofEnd marker: String) -> Index? {
        var rest = unicodeScalars[...]
        while !rest.isEmpty {
            if rest.starts(with: marker.unicodeScalars) {
                return rest.index(rest.startIndex, offsetBy: marker.unicodeScalars.count)
            }
            rest = rest.dropFirst()
        }
        return nil
    }
}
