import VMManagerClient

/// The list of templates.
enum TemplateList {
    static func table(_ templates: [TemplateSummary], colours: Bool) -> String {
        Table(
            columns: [.init(title: "Name"), .init(title: "Guest"), .init(title: "Description")],
            rows: sorted(templates).map { [.init(text: $0.name), .init(text: $0.guest), .init(text: $0.summary)] }
        ).text(colours: colours)
    }

    static func json(_ templates: [TemplateSummary]) -> String {
        JSON.lines(sorted(templates).map(\.json))
    }

    private static func sorted(_ templates: [TemplateSummary]) -> [TemplateSummary] {
        templates.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}

extension TemplateSummary {
    /// What the template is, and a paragraph for each of its parameters.
    var text: String {
        "\(Printable.escape(name)) (\(Printable.escape(guest))): \(Printable.escape(summary))\n"
            + (documentation.isEmpty ? "" : "\n" + Printable.escape(documentation, keeping: ["\n"]) + "\n")
            + parameters.map { "\n" + $0.text }.joined()
    }

    var json: JSON {
        .object([
            ("name", .string(name)), ("guest", .string(guest)), ("description", .string(summary)),
            ("documentation", .string(documentation)), ("parameters", .array(parameters.map(\.json))),
        ])
    }
}

extension TemplateSummary.Parameter {
    /// Name and default, what it means, what is allowed.
    fileprivate var text: String {
        let unit = unit.isEmpty ? "" : " " + unit
        let value = isRequired ? " (required)" : defaultValue.map { " = " + $0.text + unit } ?? ""
        return [name + value, "    " + documentation, allowed.isEmpty ? "" : "    Allowed: " + allowed]
            .filter { !$0.isEmpty }.map { Printable.escape($0) + "\n" }.joined()
    }

    fileprivate var json: JSON {
        .object([
            ("name", .string(name)), ("type", .string(type)), ("allowed", .string(allowed)), ("unit", .string(unit)),
            ("default", defaultValue?.json ?? .null), ("required", .boolean(isRequired)),
            ("description", .string(documentation)),
        ])
    }
}

extension ParameterValue {
    fileprivate var json: JSON {
        switch self {
        case .string(let text): .string(text)
        case .integer(let number): .integer(number)
        case .boolean(let bool): .boolean(bool)
        case .strings(let texts): .array(texts.map(JSON.string))
        }
    }

    fileprivate var text: String {
        switch self {
        case .string(let text): text
        case .integer(let number): String(number)
        case .boolean(let bool): bool ? "true" : "false"
        case .strings(let texts): texts.joined(separator: ",")
        }
    }
}
