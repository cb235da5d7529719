import Testing
import VMTemplates

/// The error that something throws; a failure if it throws none or another one.
func refusal<Result>(
    _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation, of body: () throws -> Result
) throws -> TemplateError {
    do {
        _ = try body()
    } catch let error as TemplateError {
        return error
    }
    Issue.record(comment ?? "nothing was refused", sourceLocation: sourceLocation)
    throw NothingRefused()
}

private struct NothingRefused: Error {}

extension TemplateError {
    /// Whether the message could be printed on a terminal as it is.
    var isPrintable: Bool {
        !message.unicodeScalars.contains { scalar in
            switch scalar.value {
            case 0...0x1F, 0x7F...0x9F, 0x61C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
            default: false
            }
        }
    }
}
