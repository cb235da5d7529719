import Synchronization

/// What the pool knows of a call: it can be made, and it can be given up.
protocol PendingWork: AnyObject, Sendable {
    /// Makes the call on this thread and hands its result over; does nothing if the caller has gone.
    func perform()
    /// Ends the caller's wait with an error; false if it has its answer already.
    @discardableResult func fail(_ error: any Error) -> Bool
}

/// One call of ``BlockingPool/run(deadline:operation:_:)``: its body, its waiting task, and who answers first.
///
/// The answer may come from the thread that made the call, the deadline, or the task's cancellation, in any order; the
/// first one wins and the task is resumed exactly once. What comes later is dropped.
final class PendingCall<Value: Sendable>: PendingWork {
    private struct State {
        var body: (@Sendable () throws -> Value)?
        var continuation: CheckedContinuation<Value, any Error>?
        var early: Result<Value, any Error>?
        var isAnswered = false
    }

    private let state: Mutex<State>

    init(_ body: @escaping @Sendable () throws -> Value) {
        state = Mutex(State(body: body))
    }

    /// Installs the waiting task; false if the call is answered already, and the task resumed at once.
    func attach(_ continuation: CheckedContinuation<Value, any Error>) -> Bool {
        let early = state.withLock { state -> Result<Value, any Error>? in
            if state.isAnswered { return state.early.take() }
            state.continuation = continuation
            return nil
        }
        guard let early else { return true }
        continuation.resume(with: early)
        return false
    }

    func perform() {
        // Taken out, so that what the body holds lives until the call returns and no longer.
        guard let body = state.withLock({ $0.body.take() }) else { return }
        answer(Result(catching: body))
    }

    @discardableResult
    func fail(_ error: any Error) -> Bool {
        answer(.failure(error))
    }

    @discardableResult
    private func answer(_ result: Result<Value, any Error>) -> Bool {
        let (isFirst, continuation, body) = state.withLock { state in
            if state.isAnswered { return (false, nil, nil) as Winner }
            state.isAnswered = true
            // A body that has not begun is dropped, outside the lock, since that may free handles.
            let winner: Winner = (true, state.continuation.take(), state.body.take())
            if winner.1 == nil { state.early = result }
            return winner
        }
        withExtendedLifetime(body) { continuation?.resume(with: result) }
        return isFirst
    }

    private typealias Winner = (Bool, CheckedContinuation<Value, any Error>?, (@Sendable () throws -> Value)?)
}
