import Glibc
import Synchronization

/// How far something is, in one line of a terminal that is written again and again; nothing elsewhere.
final class ProgressBar: Sendable {
    private static let width = 30

    private let title: String
    private let isShown: Bool
    private let line = Mutex("")

    /// - Parameter isShown: nil shows it where standard error is a terminal that can go back in a line.
    init(_ title: String, isShown: Bool? = nil) {
        self.title = Printable.escape(title)
        self.isShown = isShown ?? Output.canRewrite
    }

    /// - Parameter progress: from 0 to 1; nil when nothing is known.
    func show(_ progress: Double?) {
        guard isShown, let progress else { return }
        line.withLock { line in
            let next = Self.text(title, progress)
            guard next != line else { return }
            line = next
            Output.tell("\r\(next)")
        }
    }

    /// Takes the line away, so that what is written next stands alone.
    func clear() {
        line.withLock { line in
            if !line.isEmpty { Output.tell("\r\u{1b}[K") }
            line = ""
        }
    }

    static func text(_ title: String, _ progress: Double) -> String {
        let share = progress.isFinite ? min(1, max(0, progress)) : 0
        let done = Int(share * Double(width))
        let percent = String(Int(share * 100))
        let bar = String(repeating: "#", count: done) + String(repeating: "-", count: width - done)
        return "\(title) [\(bar)] \(String(repeating: " ", count: 3 - percent.count))\(percent) %"
    }
}
