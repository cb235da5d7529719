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
        let cells = rows.map { $0.map { Cell(text: Printable.escape($0.text), style: $0.style) } }
        let widths = columns.indices.map { column in
            cells.reduce(Printable.width(columns[column].title)) {
                column < $1.count ? max($0, Printable.width($1[column].text)) : $0
            }
        }
        var result = line(columns.map { Cell(text: $0.title, style: .heading) }, widths, colours)
        for row in cells { result += line(row, widths, colours) }
        return result
    }

    private func line(_ cells: [Cell], _ widths: [Int], _ colours: Bool) -> String {
        var result = ""
        for (position, (column, (cell, width))) in zip(columns, zip(cells, widths)).enumerated() {
            if position > 0 { result += "  " }
            let padding = String(repeating: " ", count: max(0, width - Printable.width(cell.text)))
            let text = colours ? cell.style.apply(to: cell.text) : cell.text
            if column.isNumber {
                result += padding + text
            } else {
                // Nothing follows the last column, so that lines do not end in spaces.
                result += position == columns.count - 1 ? text : text + padding
            }
        }
        return result + "\n"
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
