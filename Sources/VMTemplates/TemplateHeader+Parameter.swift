extension TemplateHeader {
    /// The declared parameters, every field checked.
    func checkedParameters() throws(TemplateError) -> [TemplateParameter] {
        var checked: [TemplateParameter] = []
        for (name, fields) in parameters {
            do {
                checked.append(try ParameterFields(name: name, fields: fields).parameter())
            } catch {
                throw TemplateError(.malformed, parameter: name, "is declared wrongly: \(error.message)")
            }
        }
        return checked
    }
}

/// Turns the fields of one declaration into a parameter.
private struct ParameterFields {
    let name: String
    let fields: TemplateHeader.Fields

    private static let known: Set<String> = [
        "type", "unit", "minimum", "maximum", "pattern", "choices", "default", "required", "reserved", "of",
        "one_for_each", "meaning", "host",
    ]

    func parameter() throws(TemplateError) -> TemplateParameter {
        if let unknown = fields.first(where: { !Self.known.contains($0.name) }) {
            throw TemplateError(.malformed, "the field \(TemplateText.quoted(unknown.name)) is not known")
        }
        let kind = try kind()
        let isRequiredToCreate = try text("required") == "create"
        let isRequired = isRequiredToCreate ? false : try flag("required")
        let parameter = TemplateParameter(
            name: name, kind: kind, unit: try text("unit") ?? "", defaultValue: try defaultValue(kind),
            isRequired: isRequired, isRequiredToCreate: isRequiredToCreate, isReserved: try flag("reserved"),
            isOfTheHost: try flag("host") || kind.isOfTheHost, documentation: try text("meaning") ?? "")
        guard !parameter.documentation.isEmpty else { throw TemplateError(.malformed, "'meaning' is missing") }
        if let value = parameter.defaultValue {
            guard !isRequired, !isRequiredToCreate else {
                throw TemplateError(.malformed, "it is required and has a default")
            }
            try parameter.check(value)
        } else if !isRequired, case .integer = kind {
            throw TemplateError(.malformed, "an integer that is not required needs a default")
        } else if !isRequired, case .number = kind {
            throw TemplateError(.malformed, "an integer that is not required needs a default")
        } else if !isRequired, case .choice = kind {
            throw TemplateError(.malformed, "a choice that is not required needs a default")
        }
        return parameter
    }

    private func kind() throws(TemplateError) -> TemplateParameter.Kind {
        let type = try text("type") ?? ""
        try refuseFieldsOfOtherTypes(than: type)
        switch type {
        case "string": return try stringKind()
        case "integer" where node("choices") != nil: return try numberKind()
        case "integer":
            guard let minimum = try number("minimum"), let maximum = try number("maximum"), minimum <= maximum,
                maximum <= UInt64(Int64.max)
            else { throw TemplateError(.malformed, "an integer needs 'minimum' and 'maximum', at most \(Int64.max)") }
            return .integer(minimum...maximum)
        case "boolean": return .boolean
        case "choice":
            let words = try choices()
            return .choice(words)
        case "path": return .path
        case "name": return .name
        case "uuid": return .uuid
        case "mac": return .macAddress
        case "list": return try listKind()
        case "root_file": return .rootFile(pattern: try pattern())
        case "cpu_set": return .cpuSet
        case "cpu_sets": return .cpuSets(counter: try text("one_for_each") ?? "")
        case "pci_addresses":
            guard let maximum = try number("maximum"), (1...64).contains(maximum) else {
                throw TemplateError(.malformed, "PCI addresses need 'maximum', their number, up to 64")
            }
            return .pciAddresses(maximumCount: Int(maximum))
        default:
            throw TemplateError(.malformed, "'type' must be one of \(TemplateHeader.types.joined(separator: ", "))")
        }
    }

    private func stringKind() throws(TemplateError) -> TemplateParameter.Kind {
        guard let maximum = try number("maximum"), (1...UInt64(TemplateText.maximumBytes)).contains(maximum) else {
            throw TemplateError(
                .malformed, "a string needs 'maximum', its longest length in bytes, up to \(TemplateText.maximumBytes)")
        }
        return .string(pattern: try pattern(), maximumBytes: Int(maximum))
    }

    private func pattern() throws(TemplateError) -> String? {
        let pattern = try text("pattern")
        if let pattern, !TemplateText.isPattern(pattern) {
            throw TemplateError(.malformed, "'pattern' is not a regular expression")
        }
        return pattern
    }

    private func numberKind() throws(TemplateError) -> TemplateParameter.Kind {
        guard let node = node("choices"), self.node("minimum") == nil, self.node("maximum") == nil else {
            throw TemplateError(.malformed, "an integer has either 'choices' or 'minimum' and 'maximum'")
        }
        let numbers = try TemplateHeader.texts(node, of: "choices").map { UInt64($0) ?? .max }
        guard !numbers.isEmpty, Set(numbers).count == numbers.count, numbers.allSatisfy({ $0 <= UInt64(Int64.max) })
        else { throw TemplateError(.malformed, "'choices' of an integer must be different whole numbers") }
        return .number(numbers)
    }

    private func choices() throws(TemplateError) -> [String] {
        guard let node = node("choices") else { throw TemplateError(.malformed, "'choices' is missing") }
        let words = try TemplateHeader.texts(node, of: "choices")
        guard !words.isEmpty, Set(words).count == words.count,
            words.allSatisfy({ TemplateExpression.literal("\"\($0)\"") != nil })
        else { throw TemplateError(.malformed, "'choices' must be different words of letters, digits and . _ -") }
        return words
    }

    private func listKind() throws(TemplateError) -> TemplateParameter.Kind {
        guard let node = node("of"), let maximum = try number("maximum"), (1...4096).contains(maximum) else {
            throw TemplateError(.malformed, "a list needs 'of' and 'maximum', the number of its items, up to 4096")
        }
        let fields = try TemplateHeader.pairs(node, of: "of")
        switch try ParameterFields(name: name, fields: fields).kind() {
        case .integer, .number, .boolean, .list, .path, .rootFile, .cpuSet, .cpuSets, .pciAddresses:
            throw TemplateError(.malformed, "a list can be of texts only")
        case let element: return .list(of: element, maximumCount: Int(maximum))
        }
    }

    private func refuseFieldsOfOtherTypes(than type: String) throws(TemplateError) {
        let types = [
            "minimum": ["integer"], "maximum": ["integer", "string", "list", "pci_addresses"],
            "pattern": ["string", "root_file"], "choices": ["choice", "integer"], "of": ["list"],
            "one_for_each": ["cpu_sets"],
        ]
        if let odd = fields.first(where: { types[$0.name].map { !$0.contains(type) } ?? false }) {
            throw TemplateError(.malformed, "'\(odd.name)' does not go with this 'type'")
        }
    }

    private func defaultValue(_ kind: TemplateParameter.Kind) throws(TemplateError) -> ParameterValue? {
        guard let node = node("default") else { return nil }
        switch kind {
        case .integer, .number: return try number("default").map { .integer($0) }
        case .boolean: return .boolean(try flag("default"))
        case .list, .cpuSets, .pciAddresses: return .strings(try TemplateHeader.texts(node, of: "default"))
        case .string, .choice, .path, .name, .uuid, .macAddress, .rootFile, .cpuSet:
            return try text("default").map { .string($0) }
        }
    }

    // MARK: - Fields

    private func node(_ field: String) -> YAMLNode? {
        fields.first { $0.name == field }?.value
    }

    private func text(_ field: String) throws(TemplateError) -> String? {
        guard let node = node(field) else { return nil }
        return try TemplateHeader.text(node, of: field)
    }

    private func number(_ field: String) throws(TemplateError) -> UInt64? {
        guard let text = try text(field) else { return nil }
        guard text.utf8.allSatisfy(TemplateText.isDigit), let number = UInt64(text) else {
            throw TemplateError(.malformed, "'\(field)' must be a whole number")
        }
        return number
    }

    private func flag(_ field: String) throws(TemplateError) -> Bool {
        switch try text(field) {
        case nil, "false": return false
        case "true": return true
        default: throw TemplateError(.malformed, "'\(field)' must be true or false")
        }
    }
}
