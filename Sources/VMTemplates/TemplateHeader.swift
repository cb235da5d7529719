/// The YAML in the comment that a template begins with.
///
///     {#
///     summary: Linux with UEFI and virtio devices     # a template must have this and guest, a shared part not
///     guest: linux
///     description: …
///     host: [a line for each thing that the host must have]
///     parameters:
///       memory_mb:
///         type: integer        # one of `types`
///         unit: MiB
///         minimum: 256         # of an integer
///         maximum: 16777216    # of an integer; bytes of a string; items of a list or of pci_addresses
///         default: 4096
///         required: false      # true: a value has to be given; create: not to see what would be made
///         reserved: false      # true: only the service sets it
///         pattern: '[a-z]+'    # of a string, or of what a root_file holds
///         choices: [kvm, tcg]  # of a choice, or instead of a range of an integer
///         of: {type: path}     # of a list
///         one_for_each: vcpus  # of cpu_sets
///         meaning: …
///     #}
///
/// A template has the parameters of the parts that it extends and includes as well, and may state some of their fields anew.
struct TemplateHeader {
    /// One parameter's fields as written.
    typealias Fields = [(name: String, value: YAMLNode)]

    var summary = ""
    var guest = ""
    var description = ""
    var hostRequirements: [String] = []
    /// The parameters as written, in order.
    var parameters: [(name: String, fields: Fields)] = []

    /// A header that says nothing.
    init() {}

    static let guests = ["linux", "windows", "macos"]
    static let types = [
        "string", "integer", "boolean", "choice", "path", "name", "uuid", "mac", "list", "root_file", "cpu_set",
        "cpu_sets", "pci_addresses",
    ]

    /// Reads the header of a file, from its first token.
    /// - Throws: ``TemplateError`` of kind `malformed`.
    init(_ tokens: [TemplateToken]) throws(TemplateError) {
        guard case .comment(let text)? = tokens.first?.kind else { return }
        guard let root = try Self.compose(text) else { return }
        for (key, node) in try Self.pairs(root, of: "the header") {
            switch key {
            case "summary": summary = try Self.text(node, of: key)
            case "guest": guest = try Self.text(node, of: key)
            case "description": description = try Self.text(node, of: key)
            case "host": hostRequirements = try Self.texts(node, of: key)
            case "parameters":
                for (name, fields) in try Self.pairs(node, of: key) {
                    guard TemplateSyntax.isIdentifier(name) else {
                        throw Self.malformed("\(TemplateText.quoted(name)) cannot be the name of a parameter")
                    }
                    parameters.append((name, try Self.pairs(fields, of: name)))
                }
            default: throw Self.malformed("the field \(TemplateText.quoted(key)) is not known")
            }
        }
    }

    /// Checks what a template needs and a shared part does not.
    func checkIsComplete() throws(TemplateError) {
        guard !summary.isEmpty, !summary.contains("\n") else {
            throw Self.malformed("'summary' must say in one line what the template is")
        }
        guard Self.guests.contains(guest) else {
            throw Self.malformed("'guest' must be one of \(Self.guests.joined(separator: ", "))")
        }
    }

    /// Adds the parameters of another header; its fields go over those that are there.
    mutating func merge(parametersOf other: TemplateHeader) {
        for (name, fields) in other.parameters {
            guard let index = parameters.firstIndex(where: { $0.name == name }) else {
                parameters.append((name, fields))
                continue
            }
            parameters[index].fields.removeAll { old in fields.contains { $0.name == old.name } }
            parameters[index].fields += fields
        }
    }

    // MARK: - YAML

    private static func compose(_ text: String) throws(TemplateError) -> YAMLNode? {
        do {
            return try YAMLNode.document(of: text)
        } catch {
            throw malformed("it is not valid YAML\(error.reason)")
        }
    }

    static func pairs(_ node: YAMLNode, of name: String) throws(TemplateError) -> Fields {
        guard case .mapping(let mapping) = node else {
            throw malformed("\(TemplateText.quoted(name)) must be a mapping")
        }
        var pairs: Fields = []
        for pair in mapping {
            guard case .scalar(let key) = pair.key else {
                throw malformed("a key of \(TemplateText.quoted(name)) is no text")
            }
            pairs.append((key, pair.value))
        }
        return pairs
    }

    static func text(_ node: YAMLNode, of name: String) throws(TemplateError) -> String {
        guard case .scalar(let string) = node else { throw malformed("\(TemplateText.quoted(name)) must be a text") }
        let lines = string.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.allSatisfy({ TemplateText.problem(with: String($0)) == nil }) else {
            throw malformed("\(TemplateText.quoted(name)) contains control characters")
        }
        return string.hasSuffix("\n") ? String(string.dropLast()) : string
    }

    static func texts(_ node: YAMLNode, of name: String) throws(TemplateError) -> [String] {
        guard case .sequence(let sequence) = node else {
            throw malformed("\(TemplateText.quoted(name)) must be a list")
        }
        var texts: [String] = []
        for item in sequence { texts.append(try text(item, of: name)) }
        return texts
    }

    static func malformed(_ reason: String) -> TemplateError {
        TemplateError(.malformed, "header: \(reason)")
    }
}
