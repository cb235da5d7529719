/// Puts templates together from the files that they draw on.
struct TemplateResolver {
    /// All files by name: read and checked, or why they were refused.
    let files: [String: Result<TemplateFile, TemplateError>]

    /// Deepest chain of files that extend or include each other.
    private static let maximumDepth = 8

    /// The template that a file makes, with everything that it names declared.
    func template(ofFile name: String) throws(TemplateError) -> Template {
        let chain = try closure(of: name, depth: 0)
        guard let own = chain.last?.file.header else { throw TemplateError(.notFound, "there is no such file") }
        try own.checkIsComplete()
        var merged = TemplateHeader()
        for (_, file) in chain { merged.merge(parametersOf: file.header) }
        let parameters = try merged.checkedParameters()
        try checkCounters(parameters)
        for (fileName, file) in chain {
            try check(file.syntax, against: parameters, part: fileName == name ? nil : fileName)
        }
        try checkBlocks(of: name)
        return Template(
            name: TemplateFiles.templateName(ofFile: name), guest: own.guest, summary: own.summary,
            documentation: own.description, parameters: parameters, hostRequirements: own.hostRequirements)
    }

    /// The files that a file draws on, before itself.
    private func closure(of name: String, depth: Int) throws(TemplateError) -> [(name: String, file: TemplateFile)] {
        guard depth < Self.maximumDepth else {
            throw TemplateError(.malformed, "files extend or include each other more than \(Self.maximumDepth) deep")
        }
        let file = try file(name, depth: depth)
        var chain: [(name: String, file: TemplateFile)] = []
        for part in [file.syntax.parent].compactMap(\.self) + file.syntax.includes {
            let included = file.syntax.includes.contains(part)
            for entry in try closure(of: part, depth: depth + 1) {
                if included, entry.file.syntax.parent != nil || !entry.file.syntax.blocks.isEmpty {
                    throw TemplateError(
                        .malformed, "'\(entry.name)' is included and must neither extend nor have blocks")
                }
                if !chain.contains(where: { $0.name == entry.name }) { chain.append(entry) }
            }
        }
        return chain + [(name, file)]
    }

    private func file(_ name: String, depth: Int) throws(TemplateError) -> TemplateFile {
        switch files[name] {
        case .success(let file): return file
        case .failure(let error) where depth == 0: throw error
        case .failure: throw TemplateError(.malformed, "the shared part '\(name)' that it draws on was refused")
        case nil: throw TemplateError(.malformed, "the shared part '\(name)' that it draws on does not exist")
        }
    }

    /// A block that no ancestor has would be dropped in silence.
    private func checkBlocks(of name: String) throws(TemplateError) {
        guard case .success(let file)? = files[name], let parent = file.syntax.parent else { return }
        var known: Set<String> = []
        var ancestor: String? = parent
        while let current = ancestor, case .success(let file)? = files[current] {
            known.formUnion(file.syntax.blocks)
            ancestor = file.syntax.parent
        }
        if let stray = file.syntax.blocks.first(where: { !known.contains($0) }) {
            throw TemplateError(.malformed, "'\(parent)' has no block '\(stray)'")
        }
        try checkBlocks(of: parent)
    }

    // MARK: - Variables

    private func checkCounters(_ parameters: [TemplateParameter]) throws(TemplateError) {
        for parameter in parameters {
            guard case .cpuSets(let counter) = parameter.kind else { continue }
            guard case .integer? = parameters.first(where: { $0.name == counter })?.kind else {
                throw TemplateError(
                    .malformed, parameter: parameter.name, "needs 'one_for_each', the name of an integer parameter")
            }
        }
    }

    private func check(
        _ syntax: TemplateSyntax, against parameters: [TemplateParameter], part: String?
    ) throws(TemplateError) {
        let place = part.map { "'\($0)' " } ?? ""
        if let shadow = parameters.first(where: { syntax.loopVariables.contains($0.name) }) {
            throw TemplateError(.malformed, parameter: shadow.name, "is also the variable of a loop")
        }
        for use in syntax.uses {
            guard let parameter = parameters.first(where: { $0.name == use.name }) else {
                throw TemplateError(
                    .undeclaredVariable, parameter: use.name,
                    "is used in \(place)line \(use.line), but no header declares it")
            }
            if let reason = reason(against: use.usage, of: parameter.kind) {
                throw TemplateError(.malformed, parameter: use.name, "in \(place)line \(use.line): \(reason)")
            }
        }
    }

    /// Why a parameter of that kind cannot be used so, or nil.
    private func reason(against usage: TemplateSyntax.Usage, of kind: TemplateParameter.Kind) -> String? {
        switch (usage, kind) {
        case (.condition, _), (.loop, .list), (.loop, .cpuSets), (.loop, .pciAddresses): nil
        case (.field(let field), _):
            kind.fields?.contains(field) == true ? nil : "its items have no field '\(field)'"
        case (.item, _): kind.fields.map { "its items are used by their fields: \($0.joined(separator: ", "))" }
        case (.output, .boolean), (.output, .list), (.output, .cpuSets), (.output, .pciAddresses):
            "only texts and integers can be written out"
        case (.output, _): nil
        case (.comparison(let word), .choice(let words)), (.membership(let word), .list(.choice(let words), _)):
            words.contains(word) ? nil : "'\(word)' is not one of its choices"
        case (.comparison, .integer), (.comparison, .number), (.comparison, .boolean), (.comparison, .list),
            (.comparison, .cpuSets), (.comparison, .pciAddresses):
            "only texts can be compared"
        case (.comparison, _), (.membership, .list): nil
        case (.loop, _), (.membership, _): "it is not a list"
        }
    }
}
