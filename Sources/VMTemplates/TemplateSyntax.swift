/// What one template file names, found by reading its tags.
///
/// Only this part of Jinja2 is allowed:
///
///     {{ name }} {{ item.field }}
///     {%- if EXPR %} {%- elif EXPR %} {%- else %} {%- endif %}
///     {%- for item in list %} {%- endfor %}
///     {%- include "_part.xml.j2" %}
///     {%- extends "_base.xml.j2" %} {%- block name %} {%- endblock %}
///
/// with `EXPR` either `"word" in list`, or names and `name == "word"`, `name != "word"`, joined by `not`, `and`, `or`.
/// Items of lists that have fields are used by their fields alone, as `{{ item.field }}` and `if item.field`.
struct TemplateSyntax {
    /// How a variable is used; its type has to fit.
    enum Usage: Hashable {
        /// `{{ name }}`.
        case output
        /// `{% if name %}`.
        case condition
        /// `name == "word"`.
        case comparison(word: String)
        /// `for item in name`.
        case loop
        /// `"word" in name`.
        case membership(word: String)
        /// The item of a loop over `name`, by itself.
        case item
        /// A field of the item of a loop over `name`.
        case field(String)
    }

    /// One use of a variable that is not a loop's own.
    struct Use: Hashable {
        let name: String
        let usage: Usage
        let line: Int
    }

    /// The file that this one extends.
    var parent: String?
    /// The files that this one includes.
    var includes: [String] = []
    /// Names of the blocks that it defines.
    var blocks: [String] = []
    /// Uses of parameters.
    var uses: [Use] = []
    /// Names of the variables of its loops.
    var loopVariables: Set<String> = []

    /// Reads a file's tokens.
    /// - Throws: ``TemplateError`` of kind `malformed`, with the line.
    init(_ tokens: [TemplateToken]) throws(TemplateError) {
        var reader = TemplateReader()
        for token in tokens {
            try reader.read(token)
        }
        self = try reader.finished()
    }

    /// An empty file's syntax, for the reader to fill.
    init() {}

    /// A variable, loop variable or block: `[a-z][a-z0-9_]*`, and no word that Jinja2 or Stencil, which reads the same files, takes for its own.
    static func isIdentifier(_ word: some StringProtocol) -> Bool {
        guard let first = word.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first) else { return false }
        return word.utf8.count <= 63 && !reservedWords.contains(String(word))
            && word.utf8.allSatisfy { byte in
                TemplateText.isDigit(byte) || byte == UInt8(ascii: "_")
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            }
    }

    /// An identifier, or two with a full stop between them.
    static func isVariable(_ word: some StringProtocol) -> Bool {
        let parts = word.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count <= 2 && parts.allSatisfy { isIdentifier($0) }
    }

    private static let reservedWords: Set<String> = [
        "and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "false", "none", "nil", "loop", "forloop",
        "block", "block_context", "self", "super", "caller", "varargs", "kwargs", "range", "dict", "lipsum", "cycler",
        "joiner", "namespace", "recursive", "where", "empty", "set", "with", "import", "from", "inf", "infinity", "nan",
    ]
}
