/// Reads a file's tokens one by one and holds what is open at the moment.
struct TemplateReader {
    /// A tag that waits for its end.
    private struct Open {
        enum Kind { case condition, conditionElse, loop, block }
        var kind: Kind
        let state: MarkupState
        let loopVariable: String?
        /// The list that the loop goes over.
        let list: String?
        let line: Int
    }

    private var syntax = TemplateSyntax()
    private var state = MarkupState.content
    private var open: [Open] = []
    private var hasContent = false

    /// Takes the next token.
    mutating func read(_ token: TemplateToken) throws(TemplateError) {
        switch token.kind {
        case .comment: break
        case .text(let text):
            let isBlank = text.utf8.allSatisfy { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: " ") }
            if syntax.parent != nil, open.isEmpty, !isBlank {
                throw malformed(token, "a template that extends another has all its text in blocks")
            }
            hasContent = hasContent || !isBlank
            try state.advance(over: text, line: token.line)
        case .output(let content): try readOutput(content, token)
        case .tag(let words): try readTag(words, token)
        }
    }

    /// What was read, when everything that was opened is closed.
    func finished() throws(TemplateError) -> TemplateSyntax {
        if let last = open.last {
            throw TemplateError(.malformed, "line \(last.line): the tag that begins here is not ended")
        }
        guard state == .content else { throw TemplateError(.malformed, "the file ends inside a tag or a comment") }
        return syntax
    }

    private mutating func readOutput(_ content: String, _ token: TemplateToken) throws(TemplateError) {
        let words = content.split(separator: " ")
        guard let name = words.first, words.count == 1, TemplateSyntax.isVariable(name) else {
            throw malformed(token, "'{{ }}' takes one variable, without filters")
        }
        guard state.takesValue else {
            throw malformed(token, "a value may stand only in an element or in a quoted attribute")
        }
        try atTopOfChildIsAllowed(token)
        try use(String(name), .output, token)
    }

    private mutating func readTag(_ words: [String], _ token: TemplateToken) throws(TemplateError) {
        guard let keyword = words.first else { throw malformed(token, "the tag is empty") }
        if keyword != "block", keyword != "endblock", keyword != "extends" { try atTopOfChildIsAllowed(token) }
        switch (keyword, words.count) {
        case ("if", 2...):
            try readCondition(words.dropFirst(), token)
            begin(.condition, token)
        case ("elif", 2...):
            try branch(to: .condition, token)
            try readCondition(words.dropFirst(), token)
        case ("else", 1): try branch(to: .conditionElse, token)
        case ("endif", 1): try end([.condition, .conditionElse], token)
        case ("for", 4): try readLoop(words, token)
        case ("endfor", 1): try end([.loop], token)
        case ("block", 2): try readBlock(words[1], token)
        case ("endblock", 1): try end([.block], token)
        case ("extends", 2): try readExtends(words[1], token)
        case ("include", 2): try readInclude(words[1], token)
        default: throw malformed(token, "the tag \(TemplateText.quoted(words.joined(separator: " "))) is not known")
        }
    }

    private mutating func readLoop(_ words: [String], _ token: TemplateToken) throws(TemplateError) {
        guard words[2] == "in", TemplateSyntax.isIdentifier(words[1]), TemplateSyntax.isIdentifier(words[3]) else {
            throw malformed(token, "a loop is written 'for item in list'")
        }
        try use(words[3], .loop, token)
        syntax.loopVariables.insert(words[1])
        begin(.loop, token, loopVariable: words[1], list: words[3])
    }

    private mutating func readBlock(_ name: String, _ token: TemplateToken) throws(TemplateError) {
        guard TemplateSyntax.isIdentifier(name), !syntax.blocks.contains(name) else {
            throw malformed(token, "each block has a name of its own")
        }
        guard state == .content else { throw malformed(token, "a block may stand only between elements") }
        guard !open.contains(where: { $0.kind == .loop || $0.kind == .block }) else {
            throw malformed(token, "a block may stand neither in a loop nor in another block")
        }
        syntax.blocks.append(name)
        begin(.block, token)
    }

    private mutating func readExtends(_ word: String, _ token: TemplateToken) throws(TemplateError) {
        guard syntax.parent == nil, !hasContent, syntax.uses.isEmpty, syntax.blocks.isEmpty, open.isEmpty else {
            throw malformed(token, "'extends' comes first, and once")
        }
        syntax.parent = try partName(word, token)
    }

    private mutating func readInclude(_ word: String, _ token: TemplateToken) throws(TemplateError) {
        guard state == .content, !open.contains(where: { $0.kind == .loop }) else {
            throw malformed(token, "'include' may stand only between elements and in no loop")
        }
        hasContent = true
        let part = try partName(word, token)
        if !syntax.includes.contains(part) { syntax.includes.append(part) }
    }

    /// The file name of a shared part, given as a quoted literal.
    private func partName(_ word: String, _ token: TemplateToken) throws(TemplateError) -> String {
        guard let name = TemplateExpression.literal(word), name.hasPrefix("_"), TemplateFiles.isTemplateFile(name)
        else {
            throw malformed(token, "a shared part is named \"_NAME\(TemplateFiles.suffix)\"")
        }
        return name
    }

    private mutating func readCondition(_ words: ArraySlice<String>, _ token: TemplateToken) throws(TemplateError) {
        guard let uses = TemplateExpression.uses(in: Array(words)) else {
            throw malformed(
                token,
                "a condition is '\"word\" in list', or names and 'name == \"word\"' joined by 'not', 'and', 'or'")
        }
        for (name, usage) in uses { try use(name, usage, token) }
    }

    // MARK: - What is open

    private mutating func use(
        _ name: String, _ usage: TemplateSyntax.Usage, _ token: TemplateToken
    ) throws(TemplateError) {
        hasContent = true
        let parts = name.split(separator: ".").map(String.init)
        let loop = open.last { $0.loopVariable == parts.first }
        var use = TemplateSyntax.Use(name: name, usage: usage, line: token.line)
        if let list = loop?.list, usage != .loop {
            use = TemplateSyntax.Use(name: list, usage: parts.count > 1 ? .field(parts[1]) : .item, line: token.line)
        } else if parts.count > 1 {
            throw malformed(token, "\(TemplateText.quoted(name)): only the item of a loop has fields")
        }
        syntax.uses.append(use)
    }

    private mutating func begin(
        _ kind: Open.Kind, _ token: TemplateToken, loopVariable: String? = nil, list: String? = nil
    ) {
        open.append(Open(kind: kind, state: state, loopVariable: loopVariable, list: list, line: token.line))
    }

    private mutating func branch(to kind: Open.Kind, _ token: TemplateToken) throws(TemplateError) {
        guard let last = open.indices.last, open[last].kind == .condition else {
            throw malformed(token, "there is no 'if' that this belongs to")
        }
        try endsWhereItBegan(open[last], token)
        open[last].kind = kind
    }

    private mutating func end(_ kinds: [Open.Kind], _ token: TemplateToken) throws(TemplateError) {
        guard let last = open.popLast(), kinds.contains(last.kind) else {
            throw malformed(token, "there is no tag that this ends")
        }
        try endsWhereItBegan(last, token)
    }

    private func endsWhereItBegan(_ opening: Open, _ token: TemplateToken) throws(TemplateError) {
        guard state == opening.state else {
            throw malformed(token, "since line \(opening.line) an XML tag or quote was opened or closed but not both")
        }
    }

    private func atTopOfChildIsAllowed(_ token: TemplateToken) throws(TemplateError) {
        if syntax.parent != nil, open.isEmpty {
            throw malformed(token, "a template that extends another has all its tags in blocks")
        }
    }

    private func malformed(_ token: TemplateToken, _ reason: String) -> TemplateError {
        TemplateError(.malformed, "line \(token.line): \(reason)")
    }
}
