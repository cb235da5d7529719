/// Rows under a heading, in columns as wide as their widest cell.
struct Table {
    struct Column {
        let title: String
        /// Numbers stand at the right edge, so that their units do.
        var isNumber = false
    }

    struct Cell {
        let text: String
        var style: Style = .plain
    }

    let columns: [Column]
    let rows: [[Cell]]

    /// The lines, each with its line feed; cells are escaped here.
    func text(colours: Bool) -> String {
        let heading = columns.map { Cell(text: $0.title, style: .heading) }
        let cells = ([heading] + rows).map { row in
            row.map { cell in
                let text = Printable.escape(cell.text)
                return (text: colours ? cell.style.apply(to: text) : text, width: Printable.width(text))
            }
        }
        let widths = columns.indices.map { column in
            cells.reduce(0) { column < $1.count ? max($0, $1[column].width) : $0 }
        }
        var result = ""
        for row in cells {
            for (column, cell) in row.enumerated() where column < columns.count {
                if column > 0 { result += "  " }
                let padding = widths[column] - cell.width
                if columns[column].isNumber { Self.append(spaces: padding, to: &result) }
                result += cell.text
                // Nothing follows the last column, so that lines do not end in spaces.
                if !columns[column].isNumber, column < columns.count - 1 { Self.append(spaces: padding, to: &result) }
            }
            result += "\n"
        }
        return result
    }

    private static func append(spaces count: Int, to result: inout String) {
        for _ in 0..<max(0, count) { result += " " }
    }
}

/// How a terminal shows a text (ECMA-48, "Select Graphic Rendition").
enum Style {
    case plain, heading, good, attention, bad, faint

    func apply(to text: String) -> String {
        let code: String? =
            switch self {
            case .plain: nil
            case .heading: "1"
            case .good: "32"
            case .attention: "33"
            case .bad: "31"
            case .faint: "2"
            }
        return code.map { "\u{1b}[\($0)m\(text)\u{1b}[0m" } ?? text
    }

    /// The style of a VM's state.
    static func of(state: String) -> Style {
        switch state {
        case "running", "blocked": .good
        case "creating", "paused", "suspended", "shutting-down": .attention
        case "crashed", "unknown": .bad
        case "shut-off": .faint
        default: .plain
        }
    }
}
