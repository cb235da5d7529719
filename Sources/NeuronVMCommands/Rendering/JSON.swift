import VMModel

/// A JSON value (RFC 8259); the members of an object keep the order in which they are given.
indirect enum JSON {
    case null
    case boolean(Bool)
    case integer(UInt64)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])

    /// The value in one line.
    var text: String {
        var result = ""
        write(to: &result)
        return result
    }

    /// An array with each of its elements on a line of its own, so that it reads like a table.
    static func lines(_ elements: [JSON]) -> String {
        elements.isEmpty ? "[]\n" : "[\n" + elements.map { "  " + $0.text }.joined(separator: ",\n") + "\n]\n"
    }

    private func write(to result: inout String) {
        switch self {
        case .null: result += "null"
        case .boolean(let bool): result += bool ? "true" : "false"
        case .integer(let number): result += String(number)
        case .string(let text): Self.write(text, to: &result)
        case .array(let elements):
            result += "["
            for (position, element) in elements.enumerated() {
                if position > 0 { result += ", " }
                element.write(to: &result)
            }
            result += "]"
        case .object(let members):
            result += "{"
            for (position, (key, value)) in members.enumerated() {
                if position > 0 { result += ", " }
                Self.write(key, to: &result)
                result += ": "
                value.write(to: &result)
            }
            result += "}"
        }
    }

    /// What JSON demands is escaped, and also what could harm a terminal: it reads the same for a program.
    private static func write(_ text: String, to result: inout String) {
        result += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where ForeignText.isDangerous(scalar): result += Printable.escaped(scalar)
            default: result.unicodeScalars.append(scalar)
            }
        }
        result += "\""
    }
}

extension JSON {
    /// A string, or null where there is none.
    static func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    /// A number, or null where there is none.
    static func optional(_ number: UInt64?) -> JSON { number.map(JSON.integer) ?? .null }
}
