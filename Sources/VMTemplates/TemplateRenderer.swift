/// Renders the files of a library.
struct TemplateRenderer: Sendable {
    /// What the files write out, and which file they extend, by file name.
    let files: [String: (body: TemplateBody, parent: String?)]

    /// Renders a file. Texts are escaped for XML here and nowhere else.
    ///
    /// The library has checked that everything that the file names is there.
    func render(_ name: String, _ variables: [String: TemplateVariable]) -> String {
        var blocks: [String: [TemplateBody.Node]] = [:]
        var base = name
        // The last word has the file that extends the others. Files do not extend each other in a circle.
        while let file = files[base], let parent = file.parent {
            blocks.merge(file.body.blocks) { own, _ in own }
            base = parent
        }
        var rendering = Rendering(files: files, blocks: blocks, variables: variables)
        rendering.write(files[base]?.body.nodes ?? [])
        return rendering.text
    }
}

/// One rendering while it goes on.
private struct Rendering {
    let files: [String: (body: TemplateBody, parent: String?)]
    let blocks: [String: [TemplateBody.Node]]
    /// The parameters, and the variables of the loops that are open.
    var variables: [String: TemplateVariable]
    var text = ""

    mutating func write(_ nodes: [TemplateBody.Node]) {
        for node in nodes {
            switch node {
            case .text(let text): self.text += text
            case .output(let name): text += variable(name).output
            case .condition(let branches):
                let branch = branches.first { $0.words.isEmpty || TemplateExpression.holds($0.words, variable) }
                write(branch?.nodes ?? [])
            case .loop(let variable, let list, let nodes):
                for item in self.variable(list).items {
                    variables[variable] = item
                    write(nodes)
                }
                variables[variable] = nil
            case .block(let name, let nodes): write(blocks[name] ?? nodes)
            case .include(let name): write(files[name]?.body.nodes ?? [])
            }
        }
    }

    /// A parameter, a loop's item or a field of one.
    private func variable(_ name: String) -> TemplateVariable {
        let parts = name.split(separator: ".").map(String.init)
        let value = parts.first.flatMap { variables[$0] } ?? .text("")
        guard parts.count > 1, case .records(let records) = value else { return value }
        return .text(records.first?[parts[1]] ?? "")
    }
}

extension TemplateVariable {
    /// Each entry of a list, as a loop sees it.
    fileprivate var items: [TemplateVariable] {
        switch self {
        case .texts(let texts): texts.map { .text($0) }
        case .records(let records): records.map { .records([$0]) }
        case .text, .number, .flag: []
        }
    }

    fileprivate var output: String {
        switch self {
        case .text(let text): TemplateText.escaped(text)
        case .number(let number): String(number)
        case .flag, .texts, .records: ""
        }
    }
}
