import Synchronization

/// Holds whoever comes until the test opens it.
public final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var arrived = 0
        var held: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    public init() {}

    /// How many have come so far.
    public var arrived: Int { state.withLock { $0.arrived } }

    /// Lets everybody through, from now on.
    public func open() {
        let held = state.withLock { state in
            state.isOpen = true
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    /// Waits until that many have come.
    public func reached(by count: Int = 1) async throws {
        try await eventually("\(count) to reach a gate") { self.arrived >= count }
    }

    /// Comes to the gate, and waits until it is open.
    public func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                state.arrived += 1
                if !state.isOpen { state.held.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }
}
