import Synchronization

/// Keeps what callers can cause from filling the journal: so many lines in a while, and then one that says how many there were more.
final class LogLimit: Sendable {
    private static let lines = 500
    private static let period: Duration = .seconds(10)

    private struct State {
        var start: ContinuousClock.Instant?
        var written = 0
        var dropped = 0
    }

    private let state = Mutex(State())

    /// Writes a line by `write`, or not; `write` gets a line about those that were not written when there is room again.
    func log(at now: ContinuousClock.Instant = .now, _ line: @autoclosure () -> String, by write: (String) -> Void) {
        let (dropped, mayWrite) = state.withLock { state -> (Int, Bool) in
            var dropped = 0
            if state.start.map({ now - $0 >= Self.period }) ?? true {
                dropped = state.dropped
                state = State(start: now)
            }
            guard state.written < Self.lines else {
                state.dropped += 1
                return (0, false)
            }
            state.written += 1
            return (dropped, true)
        }
        if dropped > 0 { write("\(dropped) more refusals and failures were not logged") }
        if mayWrite { write(line()) }
    }
}
