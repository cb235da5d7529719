internal import VMModel

extension TemplateParameter {
    /// Checks that the parameter takes a value.
    ///
    /// For an optional text parameter the empty string is allowed and means "none".
    /// - Throws: ``TemplateError`` of kind `invalidValue` that says what is allowed.
    public func check(_ value: ParameterValue) throws(TemplateError) {
        if let problem = problem(with: value) {
            let allowed = "must be \(kind.allowedValues)\(unit.isEmpty ? "" : " (\(unit))")"
            throw TemplateError(.invalidValue, parameter: name, "\(allowed); \(problem)")
        }
    }

    /// Whether a file's text is what a parameter for a file of root's asks for.
    public func acceptsContents(_ text: String) -> Bool {
        guard case .rootFile(let pattern) = kind else { return true }
        return TemplateText.matches(text, pattern: pattern)
    }

    /// What is wrong with a value, or nil.
    private func problem(with value: ParameterValue) -> String? {
        switch (kind, value) {
        case (.integer(let range), .integer(let number)):
            return range.contains(number) ? nil : "\(number) is out of range"
        case (.boolean, .boolean):
            return nil
        case (.number(let numbers), .integer(let number)):
            return numbers.contains(number) ? nil : "\(number) is not"
        case (.list(let element, let maximumCount), .strings(let items)):
            guard items.count <= maximumCount else { return "there are \(items.count)" }
            return items.lazy.compactMap { element.problem(with: $0) }.first
        case (.cpuSets, .strings(let items)):
            return items.lazy.compactMap { TemplateParameter.Kind.cpuSet.problem(with: $0) }.first
        case (.pciAddresses(let maximumCount), .strings(let items)):
            return Self.problem(withAddresses: items, maximumCount: maximumCount)
        case (.integer, _), (.number, _), (.boolean, _), (.list, _), (.cpuSets, _), (.pciAddresses, _):
            return "\(value.typeName) was given"
        case (_, .string(let text)):
            if text.isEmpty, case .choice = kind { return "it is empty" }
            if text.isEmpty { return isRequired ? "it is empty" : nil }
            return kind.problem(with: text)
        default:
            return "\(value.typeName) was given"
        }
    }

    private static func problem(withAddresses items: [String], maximumCount: Int) -> String? {
        guard items.count <= maximumCount else { return "there are \(items.count)" }
        var seen: Set<PCIAddress> = []
        for item in items {
            guard let address = PCIAddress(item) else { return "got \(TemplateText.quoted(item))" }
            guard seen.insert(address).inserted else { return "\(address) stands there twice" }
        }
        return nil
    }
}

extension TemplateParameter.Kind {
    /// What is wrong with one text of this kind, or nil. Everything is judged on bytes or Unicode scalars, never on
    /// what looks like one character.
    func problem(with text: String) -> String? {
        // No template may allow more, and looking at it closer would take time and memory.
        guard text.utf8.count <= TemplateText.maximumBytes else { return "it has \(text.utf8.count) bytes" }
        if let problem = TemplateText.problem(with: text) { return problem }
        let isValid =
            switch self {
            case .string(let pattern, let maximumBytes):
                text.utf8.count <= maximumBytes && TemplateText.matches(text, pattern: pattern)
            case .choice(let words): words.contains { $0.utf8.elementsEqual(text.utf8) }
            case .path, .rootFile: TemplateText.isAbsolutePath(text)
            case .name: TemplateText.isVMName(text)
            case .uuid: TemplateText.isUUID(text)
            case .macAddress: TemplateText.isUnicastMAC(text)
            case .cpuSet: CPUSet(text) != nil
            case .integer, .number, .boolean, .list, .cpuSets, .pciAddresses: false
            }
        return isValid ? nil : "got \(TemplateText.quoted(text))"
    }
}
