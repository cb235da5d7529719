import Synchronization

/// Counts what is under way, and lets a task wait until nothing is.
final class Gate: Sendable {
    private struct State {
        var count = 0
        var waiters: [OneShot<Bool>] = []

        mutating func takeWaiters() -> [OneShot<Bool>] {
            defer { waiters = [] }
            return waiters
        }
    }

    private let state = Mutex(State())

    /// How many are inside.
    var count: Int { state.withLock { $0.count } }

    func enter() {
        state.withLock { $0.count += 1 }
    }

    func leave() {
        let waiters = state.withLock { state in
            state.count -= 1
            return state.count == 0 ? state.takeWaiters() : []
        }
        for waiter in waiters { waiter.deliver(true) }
    }

    /// Waits until nobody is inside, or that long, or until the task is cancelled.
    /// - Returns: whether nobody was inside at that moment.
    @discardableResult
    func waitUntilEmpty(atMost time: Duration) async -> Bool {
        let isEmpty = OneShot<Bool>()
        state.withLock { state in
            if state.count == 0 { isEmpty.deliver(true) } else { state.waiters.append(isEmpty) }
        }
        if isEmpty.value == true { return true }
        let timer = Task {
            try await Task.sleep(for: time)
            isEmpty.deliver(false)
        }
        defer { timer.cancel() }
        return (try? await isEmpty.wait()) ?? false
    }
}
