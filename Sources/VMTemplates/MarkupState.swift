/// Where in the XML a place of a template lies.
///
/// Values may stand only where escaping makes them harmless: in element content and in quoted attribute values. And each
/// branch of a tag has to end where it began, so that this can be known without rendering.
struct MarkupState: Hashable {
    enum Place: Hashable {
        case content
        /// Between `<` and `>`, outside quotes.
        case tag
        /// In an attribute's value, until this quote.
        case attribute(Unicode.Scalar)
        case comment
    }

    private(set) var place: Place = .content
    /// After an `&` whose `;` has not come.
    private var isInReference = false

    static let content = MarkupState()

    /// Whether a value may stand here.
    var takesValue: Bool {
        switch place {
        case .content, .attribute: !isInReference
        case .tag, .comment: false
        }
    }

    /// Goes over literal text.
    mutating func advance(over text: String, line: Int) throws(TemplateError) {
        var line = line
        var rest = Substring(text).unicodeScalars
        while let scalar = rest.popFirst() {
            if scalar == "\n" { line += 1 }
            switch (place, scalar) {
            case (.content, "<"): try open(&rest, line: line)
            case (.content, "&"), (.attribute, "&"): isInReference = true
            case (.content, ";"), (.attribute, ";"): isInReference = false
            case (.tag, "'"), (.tag, "\""): place = .attribute(scalar)
            case (.tag, ">"): place = .content
            case (.attribute(let quote), _) where quote == scalar: place = .tag
            case (.tag, "<"), (.attribute, "<"):
                throw TemplateError(.malformed, "line \(line): '<' stands inside a tag")
            case (.comment, "-") where rest.starts(with: "->".unicodeScalars):
                rest = rest.dropFirst(2)
                place = .content
            default: break
            }
        }
    }

    private mutating func open(_ rest: inout Substring.UnicodeScalarView, line: Int) throws(TemplateError) {
        if rest.starts(with: "!--".unicodeScalars) {
            rest = rest.dropFirst(3)
            place = .comment
        } else if let next = rest.first, next == "/" || next == "_" || (next.isASCII && next.properties.isAlphabetic) {
            place = .tag
        } else {
            throw TemplateError(
                .malformed,
                "line \(line): after '<' an element's name must follow; document types, entities, CDATA sections and "
                    + "processing instructions are not allowed")
        }
    }
}
