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
    /// What the template is, and a line for each of its parameters.
    func text(colours: Bool) -> String {
        let rows: [[Table.Cell]] = parameters.map { parameter in
            let value = parameter.isRequired ? "(required)" : parameter.defaultValue?.text ?? ""
            let unit = parameter.unit.isEmpty || parameter.defaultValue == nil ? "" : " " + parameter.unit
            return [
                .init(text: parameter.name), .init(text: value + unit), .init(text: parameter.allowed),
                .init(text: parameter.documentation),
            ]
        }
        let table = Table(
            columns: [
                .init(title: "Parameter"), .init(title: "Default"), .init(title: "Allowed"), .init(title: "Meaning"),
            ], rows: rows)
        return "\(Printable.escape(name)) (\(Printable.escape(guest))): \(Printable.escape(summary))\n\n"
            + table.text(colours: colours)
    }

    var json: JSON {
        .object([
            ("name", .string(name)), ("guest", .string(guest)), ("description", .string(summary)),
            ("parameters", .array(parameters.map(\.json))),
        ])
    }
}

extension TemplateSummary.Parameter {
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
