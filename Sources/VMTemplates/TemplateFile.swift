/// One template file, read and checked by itself.
struct TemplateFile {
    let header: TemplateHeader
    let syntax: TemplateSyntax
    /// What it writes out.
    let body: TemplateBody

    /// Reads a file's text.
    /// - Throws: ``TemplateError`` of kind `malformed`.
    init(text: String) throws(TemplateError) {
        let tokens = try TemplateScanner.tokens(of: text)
        header = try TemplateHeader(tokens)
        syntax = try TemplateSyntax(tokens)
        body = TemplateBody(tokens)
    }
}
