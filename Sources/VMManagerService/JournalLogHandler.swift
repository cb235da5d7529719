import Glibc
public import Logging
import VMModel

/// Writes log lines to standard error in the form that the journal reads: the priority in front (`sd-daemon(3)`), one line each.
public struct JournalLogHandler: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let label: String

    public init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let bytes = Array((line(event) + "\n").utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }

    /// What is written of an event, without the end of the line.
    func line(_ event: LogEvent) -> String {
        var line = "<\(Self.priority(event.level))>\(label): \(event.message)"
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 }).sorted(by: {
            $0.key < $1.key
        }) {
            line += " \(key)=\(value)"
        }
        return Self.singleLine(line)
    }

    /// syslog's priorities, as `<N>` in front of a line tells them to the journal.
    static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }

    /// Names of other tools' VMs may hold anything; in a log they must not look like more lines or move a terminal's cursor.
    static func singleLine(_ text: String) -> String { ForeignText.escaped(text) }
}
