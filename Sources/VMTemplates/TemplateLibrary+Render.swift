extension TemplateLibrary {
    /// Renders a template to the XML of a domain.
    ///
    /// - Throws: ``TemplateError``: `notFound`, `missingParameter`, `unknownParameter`, `invalidValue`, `notWellFormed`.
    public func render(_ name: String, values: [String: ParameterValue]) throws(TemplateError) -> String {
        let template = try template(named: name)
        throw TemplateError(.malformed, template: template.name, "not built yet")
    }
}
