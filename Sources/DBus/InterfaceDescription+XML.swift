extension InterfaceDescription {
    /// The `<interface>` element of introspection data, documentation as `org.gtk.GDBus.DocString` annotations.
    /// - Parameter indent: the number of spaces before the outermost element.
    public func xml(indent: Int = 2) -> String {
        var out = XMLWriter(indent: indent)
        out.element("interface", [("name", name)]) { out in
            out.documentation(documentation)
            for method in methods { method.write(to: &out) }
            for signal in signals { signal.write(to: &out) }
            for property in properties { property.write(to: &out) }
        }
        return out.text
    }
}

extension MethodDescription {
    fileprivate func write(to out: inout XMLWriter) {
        out.element("method", [("name", name)]) { out in
            out.documentation(documentation)
            for annotation in annotations { out.annotation(annotation.name, annotation.value) }
            for argument in inputs { argument.write(to: &out, direction: "in") }
            for argument in outputs { argument.write(to: &out, direction: "out") }
        }
    }
}

extension SignalDescription {
    fileprivate func write(to out: inout XMLWriter) {
        out.element("signal", [("name", name)]) { out in
            out.documentation(documentation)
            for argument in arguments { argument.write(to: &out, direction: nil) }
        }
    }
}

extension ArgumentDescription {
    fileprivate func write(to out: inout XMLWriter, direction: String?) {
        var attributes = [("name", name), ("type", type.signature)]
        if let direction { attributes.append(("direction", direction)) }
        out.element("arg", attributes) { out in out.documentation(documentation) }
    }
}

extension PropertyDescription {
    fileprivate func write(to out: inout XMLWriter) {
        out.element("property", [("name", name), ("type", type.signature), ("access", "read")]) { out in
            out.documentation(documentation)
            if emitsChangedSignal != .changes {
                out.annotation("org.freedesktop.DBus.Property.EmitsChangedSignal", emitsChangedSignal.rawValue)
            }
        }
    }
}

/// Writes indented elements, and closes in place those that stay empty.
struct XMLWriter {
    private(set) var text = ""
    private var indent: Int

    init(indent: Int) {
        self.indent = max(0, indent)
    }

    mutating func element(
        _ name: String, _ attributes: [(String, String)], content: (inout XMLWriter) -> Void = { _ in }
    ) {
        let start = attributes.reduce("<" + name) { $0 + " \($1.0)=\"\(Self.escaped($1.1))\"" }
        var inner = XMLWriter(indent: indent + 2)
        content(&inner)
        if inner.text.isEmpty {
            line(start + "/>")
        } else {
            line(start + ">")
            text += inner.text
            line("</\(name)>")
        }
    }

    mutating func annotation(_ name: String, _ value: String) {
        element("annotation", [("name", name), ("value", value)])
    }

    mutating func documentation(_ text: String) {
        if !text.isEmpty { annotation("org.gtk.GDBus.DocString", text) }
    }

    mutating func raw(_ xml: String) { text += xml }

    private mutating func line(_ content: String) {
        text += String(repeating: " ", count: indent) + content + "\n"
    }

    static func escaped(_ value: String) -> String {
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\n": result += "&#10;"
            case "\t": result += "&#9;"
            // XML 1.0 has no form at all for these.
            case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
