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
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || (0x202A...0x202E).contains(scalar.value)
        }
    }
}
