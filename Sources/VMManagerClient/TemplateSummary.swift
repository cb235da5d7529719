import DBus

/// A template as `ListTemplates` tells of it.
public struct TemplateSummary: Hashable, Sendable {
    public let name: String
    /// The guest system: `windows`, `linux` or `macos`.
    public let guest: String
    /// What it is, in a line.
    public let summary: String
    /// What it is in full, and what the host must have: paragraphs; empty where there are none.
    public let documentation: String
    /// In the service's order.
    public let parameters: [Parameter]

    /// What a template lets its user choose.
    public struct Parameter: Hashable, Sendable {
        public let name: String
        /// The signature of its value on the bus: `s`, `t`, `b` or `as`.
        public let type: String
        /// The allowed values in words.
        public let allowed: String
        /// The unit of a number, such as `MiB`; empty where there is none.
        public let unit: String
        public let defaultValue: ParameterValue?
        /// Whether a value has to be given.
        public let isRequired: Bool
        public let documentation: String

        public init(
            name: String, type: String, allowed: String = "", unit: String = "", defaultValue: ParameterValue? = nil,
            isRequired: Bool = false, documentation: String = ""
        ) {
            self.name = name
            self.type = type
            self.allowed = allowed
            self.unit = unit
            self.defaultValue = defaultValue
            self.isRequired = isRequired
            self.documentation = documentation
        }
    }

    public init(
        name: String, guest: String, summary: String, documentation: String = "", parameters: [Parameter] = []
    ) {
        self.name = name
        self.guest = guest
        self.summary = summary
        self.documentation = documentation
        self.parameters = parameters
    }

    /// A row of the reply of `ListTemplates`; nil for what is not one.
    init?(_ row: DBusValue) {
        guard let fields = row.structureValue, fields.count == 4, let name = fields[0].stringValue,
            let guest = fields[1].stringValue, let description = fields[2].stringValue,
            let entries = fields[3].entriesValue
        else { return nil }
        var parameters: [Parameter] = []
        for entry in entries {
            guard let name = entry.key.stringValue, let parameter = Parameter(name, entry.value.unwrapped) else {
                return nil
            }
            parameters.append(parameter)
        }
        let lines = description.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        self.init(
            name: name, guest: guest, summary: lines.first.map(String.init) ?? "",
            documentation: lines.count > 1 ? String(lines[1].drop { $0 == "\n" }) : "", parameters: parameters)
    }
}

extension TemplateSummary.Parameter {
    /// Fields that a service does not send are empty, so that their number may grow.
    fileprivate init?(_ name: String, _ value: DBusValue) {
        guard let fields = value.optionsValue, let type = fields["type"]?.stringValue else { return nil }
        self.init(
            name: name, type: type, allowed: fields["allowed"]?.stringValue ?? "",
            unit: fields["unit"]?.stringValue ?? "", defaultValue: fields["default"].flatMap(ParameterValue.init),
            isRequired: fields["required"]?.boolValue ?? false,
            documentation: fields["description"]?.stringValue ?? "")
    }
}
