internal import CYAML

/// A document of YAML as libyaml reads it, with nothing resolved: every scalar is a text. Anchors and aliases are refused.
indirect enum YAMLNode: Hashable {
    case scalar(String)
    case sequence([YAMLNode])
    case mapping([Pair])

    struct Pair: Hashable {
        let key: YAMLNode
        let value: YAMLNode
    }

    /// What is wrong with a text.
    struct Fault: Error {
        let reason: String
    }

    /// Deeper than any header goes, and no strain for the stack.
    private static let maximumDepth = 16

    /// The first document of a text; nil if it has none.
    static func document(of text: String) throws(Fault) -> YAMLNode? {
        let bytes = Array(text.utf8)
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) != 0 else { throw Fault(reason: "there is no memory to read it") }
        defer { yaml_parser_delete(&parser) }
        let result = bytes.withUnsafeBufferPointer { buffer -> Result<YAMLNode?, Fault> in
            yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)
            yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
            return Result { () throws(Fault) in try document(&parser) }
        }
        return try result.get()
    }

    private static func document(_ parser: inout yaml_parser_t) throws(Fault) -> YAMLNode? {
        while true {
            switch try next(&parser) {
            case .other: continue
            case .end: return nil
            case .begins(let node): return try self.node(node, &parser, depth: 0)
            }
        }
    }

    /// What an event means for the tree.
    private enum Event {
        /// A scalar, or an empty sequence or mapping that is to be filled.
        case begins(YAMLNode)
        /// The end of a sequence, of a mapping or of everything.
        case end
        case other
    }

    private static func next(_ parser: inout yaml_parser_t) throws(Fault) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(&parser, &event) != 0 else {
            let problem = parser.problem.map { String(cString: $0) } ?? "it cannot be read"
            throw Fault(reason: " in its line \(parser.problem_mark.line &+ 1): \(TemplateText.quoted(problem))")
        }
        defer { yaml_event_delete(&event) }
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(scalar.anchor)
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            return .begins(.scalar(String(decoding: bytes, as: UTF8.self)))
        case YAML_SEQUENCE_START_EVENT:
            try refuse(event.data.sequence_start.anchor)
            return .begins(.sequence([]))
        case YAML_MAPPING_START_EVENT:
            try refuse(event.data.mapping_start.anchor)
            return .begins(.mapping([]))
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT, YAML_STREAM_END_EVENT: return .end
        case YAML_ALIAS_EVENT: throw Fault(reason: ": it has an alias")
        default: return .other
        }
    }

    private static func refuse(_ anchor: UnsafeMutablePointer<yaml_char_t>?) throws(Fault) {
        if anchor != nil { throw Fault(reason: ": it has an anchor") }
    }

    private static func node(_ start: YAMLNode, _ parser: inout yaml_parser_t, depth: Int) throws(Fault) -> YAMLNode {
        guard depth < maximumDepth else { throw Fault(reason: ": it is too deep") }
        switch start {
        case .scalar: return start
        case .sequence:
            var items: [YAMLNode] = []
            while let item = try child(&parser, depth) { items.append(item) }
            return .sequence(items)
        case .mapping:
            var pairs: [Pair] = []
            while let key = try child(&parser, depth), let value = try child(&parser, depth) {
                guard !pairs.contains(where: { $0.key == key }) else { throw Fault(reason: ": a key stands twice") }
                pairs.append(Pair(key: key, value: value))
            }
            return .mapping(pairs)
        }
    }

    /// The next node inside one; nil at its end.
    private static func child(_ parser: inout yaml_parser_t, _ depth: Int) throws(Fault) -> YAMLNode? {
        while true {
            switch try next(&parser) {
            case .other: continue
            case .end: return nil
            case .begins(let node): return try self.node(node, &parser, depth: depth + 1)
            }
        }
    }
}
