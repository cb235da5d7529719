import Synchronization

/// What a test waited for did not come.
public struct DeadlineExceeded: Error, CustomStringConvertible {
    public let description: String

    public init(_ what: String) {
        description = "nothing came of waiting for \(what)"
    }
}

/// Runs `body`, and fails when it takes longer than a test may, also if `body` never ends.
public func within<Success: Sendable>(
    _ what: String, limit: Duration = .seconds(20), _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success {
    let race = Race<Success>()
    let runner = Task {
        do { race.end(.success(try await body())) } catch { race.end(.failure(error)) }
    }
    let timer = Task {
        try await Task.sleep(for: limit)
        race.end(.failure(DeadlineExceeded(what)))
    }
    defer {
        timer.cancel()
        runner.cancel()
    }
    return try await race.outcome()
}

/// Waits until a state is reached that nothing announces.
public func eventually(
    _ what: String, within limit: Duration = .seconds(20), _ isReached: @Sendable () async -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while await !isReached() {
        guard ContinuousClock.now < end else { throw DeadlineExceeded(what) }
        // Leaves the processor to those who are waited for.
        try await Task.sleep(for: .microseconds(200))
    }
}

/// The first of two outcomes.
private final class Race<Success: Sendable>: Sendable {
    private struct State {
        var outcome: Result<Success, any Error>?
        var waiter: CheckedContinuation<Success, any Error>?
    }

    private let state = Mutex(State())

    func end(_ outcome: Result<Success, any Error>) {
        let waiter = state.withLock { state -> CheckedContinuation<Success, any Error>? in
            guard state.outcome == nil else { return nil }
            state.outcome = outcome
            return state.waiter
        }
        waiter?.resume(with: outcome)
    }

    func outcome() async throws -> Success {
        try await withCheckedThrowingContinuation { continuation in
            let outcome = state.withLock { state in
                if state.outcome == nil { state.waiter = continuation }
                return state.outcome
            }
            if let outcome { continuation.resume(with: outcome) }
        }
    }
}
