/// What a template file writes out, as a tree.
struct TemplateBody: Sendable {
    /// A piece of it.
    indirect enum Node: Sendable {
        case text(String)
        /// `{{ name }}`, `{{ item.field }}`.
        case output(String)
        /// The first branch whose words hold; no words always hold.
        case condition([(words: [String], nodes: [Node])])
        case loop(variable: String, list: String, [Node])
        case block(String, [Node])
        case include(String)
    }

    let nodes: [Node]

    /// The blocks that it has, by name.
    var blocks: [String: [Node]] {
        var blocks: [String: [Node]] = [:]
        Self.collect(nodes, &blocks)
        return blocks
    }

    private static func collect(_ nodes: [Node], _ blocks: inout [String: [Node]]) {
        for node in nodes {
            switch node {
            case .block(let name, let nodes): blocks[name] = nodes
            case .condition(let branches): for branch in branches { collect(branch.nodes, &blocks) }
            case .text, .output, .loop, .include: break
            }
        }
    }

    /// Builds the tree of a file whose tokens ``TemplateReader`` has found to be right.
    init(_ tokens: [TemplateToken]) {
        var tokens = Self.trimmed(tokens)[...]
        nodes = Self.nodes(&tokens)
    }

    /// Takes nodes until the tag that ends or continues what they are in, which is left.
    private static func nodes(_ tokens: inout ArraySlice<TemplateToken>) -> [Node] {
        var nodes: [Node] = []
        while let token = tokens.first {
            switch token.kind {
            case .text(let text): nodes.append(.text(text))
            case .output(let content): nodes.append(.output(content.split(separator: " ").joined()))
            case .comment: break
            case .tag(let words):
                guard let keyword = words.first, !["elif", "else", "endif", "endfor", "endblock"].contains(keyword)
                else { return nodes }
                tokens = tokens.dropFirst()
                if let node = node(words, &tokens) { nodes.append(node) }
                continue
            }
            tokens = tokens.dropFirst()
        }
        return nodes
    }

    /// The node that a tag begins, with all that belongs to it; nil for a tag that writes nothing.
    private static func node(_ words: [String], _ tokens: inout ArraySlice<TemplateToken>) -> Node? {
        switch (words.first, words.count) {
        case ("if", _): return condition(Array(words.dropFirst()), &tokens)
        case ("for", 4):
            defer { tokens = tokens.dropFirst() }
            return .loop(variable: words[1], list: words[3], nodes(&tokens))
        case ("block", 2):
            defer { tokens = tokens.dropFirst() }
            return .block(words[1], nodes(&tokens))
        case ("include", 2): return TemplateExpression.literal(words[1]).map { .include($0) }
        default: return nil
        }
    }

    private static func condition(_ words: [String], _ tokens: inout ArraySlice<TemplateToken>) -> Node {
        var branches = [(words: words, nodes: nodes(&tokens))]
        while case .tag(let words)? = tokens.popFirst()?.kind, let keyword = words.first, keyword != "endif" {
            branches.append((Array(words.dropFirst()), nodes(&tokens)))
        }
        return .condition(branches)
    }

    // MARK: - White space

    /// The tokens without the header, without the line feed at the file's end, which Jinja2 drops as well, and without the white
    /// space that tags take away.
    private static func trimmed(_ tokens: [TemplateToken]) -> [TemplateToken] {
        var tokens = tokens
        if case .comment? = tokens.first?.kind { tokens.removeFirst() }
        if case .text(let text)? = tokens.last?.kind, text.unicodeScalars.last == "\n" {
            tokens[tokens.count - 1].kind = .text(String(text.unicodeScalars.dropLast()))
        }
        for index in tokens.indices {
            guard case .text(let text) = tokens[index].kind else { continue }
            var rest = text.unicodeScalars[...]
            if index > 0, tokens[index - 1].trimsAfter { rest = rest.drop { $0.properties.isWhitespace } }
            if index + 1 < tokens.count, tokens[index + 1].trimsBefore {
                while rest.last?.properties.isWhitespace == true { rest = rest.dropLast() }
            }
            tokens[index].kind = .text(String(rest))
        }
        return tokens
    }
}
