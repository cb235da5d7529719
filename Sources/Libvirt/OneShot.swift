import Synchronization

/// A value that arrives once, and tasks that wait for it.
final class OneShot<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiters: [UInt64: CheckedContinuation<Value?, Never>] = [:]
        var last: UInt64 = 0
    }

    private let state = Mutex(State())

    /// The value, once it has arrived.
    var value: Value? { state.withLock { $0.value } }

    /// Delivers the value; only the first one counts.
    /// - Returns: whether it was the first.
    @discardableResult
    func deliver(_ value: Value) -> Bool {
        let waiters = state.withLock { state -> [UInt64: CheckedContinuation<Value?, Never>]? in
            guard state.value == nil else { return nil }
            defer { state.waiters = [:] }
            state.value = value
            return state.waiters
        }
        for waiter in waiters ?? [:] { waiter.value.resume(returning: value) }
        return waiters != nil
    }

    /// Waits for the value.
    /// - Throws: `CancellationError` when the task is cancelled first.
    func wait() async throws -> Value {
        let key = state.withLock { state in
            state.last &+= 1
            return state.last
        }
        let value = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (value, mayWait) = state.withLock { state -> (Value?, Bool) in
                    let mayWait = state.value == nil && !Task.isCancelled
                    if mayWait { state.waiters[key] = continuation }
                    return (state.value, mayWait)
                }
                if !mayWait { continuation.resume(returning: value) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: key) }?.resume(returning: nil)
        }
        guard let value else { throw CancellationError() }
        return value
    }
}
