extension TemplateLibrary {
    /// Renders a template to the XML of a domain.
    ///
    /// Parameters that are not given have their defaults. `template` and `os_type` are filled in from the template, `sockets`
    /// and `cores` from the number of virtual CPUs, where it declares them.
    /// - Throws: ``TemplateError``: `notFound`, `missingParameter`, `unknownParameter`, `invalidValue`, `notWellFormed`.
    public func render(_ name: String, values: [String: ParameterValue]) throws(TemplateError) -> String {
        let template = try template(named: name)
        do {
            let text = renderer.render(template.name + TemplateFiles.suffix, try template.variables(values))
            try RenderedDocument.check(text, values: values)
            return text
        } catch {
            throw error.inTemplate(template.name)
        }
    }
}

extension Template {
    /// The values for all parameters of the template: those given, checked, and the defaults of the others.
    /// - Throws: ``TemplateError``: `missingParameter`, `unknownParameter`, `invalidValue`.
    public func completed(_ given: [String: ParameterValue]) throws(TemplateError) -> [String: ParameterValue] {
        for name in given.keys.sorted() where parameter(named: name) == nil {
            let known = parameters.map(\.name).joined(separator: ", ")
            throw TemplateError(
                .unknownParameter, template: self.name,
                "there is no parameter \(TemplateText.quoted(name)); the template has \(known)")
        }
        var values: [String: ParameterValue] = [:]
        for parameter in parameters {
            do {
                values[parameter.name] = try value(of: parameter, given: given[parameter.name])
            } catch {
                throw error.inTemplate(self.name)
            }
        }
        try checkCounts(values)
        try fillInTopology(&values)
        return values
    }

    private func value(of parameter: TemplateParameter, given: ParameterValue?) throws(TemplateError) -> ParameterValue
    {
        if let given {
            try parameter.check(given)
            return given
        }
        guard !parameter.isRequired else {
            throw TemplateError(
                .missingParameter, parameter: parameter.name, "has to be given: \(parameter.kind.allowedValues)")
        }
        return switch parameter.name {
        case "template": .string(name)
        case "os_type": .string(guest)
        default: parameter.fallback
        }
    }
}
