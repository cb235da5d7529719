import Synchronization
public import VMCore
public import VMModel

/// Intents in memory, which can be made to fail.
public final class MemoryIntents: IntentStore {
    private struct State {
        var kept: [Intent] = []
        var history: [String] = []
        var failure: [String: VMError] = [:]
    }

    private let state: Mutex<State>

    /// - Parameter kept: what an earlier process left.
    public init(_ kept: [Intent] = []) {
        state = Mutex(State(kept: kept))
    }

    public var kept: [Intent] { state.withLock { $0.kept } }
    /// What was done, in order, such as `keep create`.
    public var history: [String] { state.withLock { $0.history } }

    /// Has the next `keep` or `forget` fail.
    public func fail(_ action: String, with error: VMError) {
        state.withLock { $0.failure[action] = error }
    }

    public func keep(_ intent: Intent) async throws(VMError) {
        try note("keep", intent) { kept in
            kept.removeAll { $0.uuid == intent.uuid }
            kept.append(intent)
        }
    }

    public func forget(_ intent: Intent) async throws(VMError) {
        try note("forget", intent) { $0.removeAll { $0.uuid == intent.uuid } }
    }

    public func all() async throws(VMError) -> [Intent] { kept }

    private func note(
        _ action: String, _ intent: Intent, _ change: (inout [Intent]) -> Void
    ) throws(VMError) {
        let error = state.withLock { state in
            state.history.append("\(action) \(intent.kind.rawValue)")
            let error = state.failure.removeValue(forKey: action)
            if error == nil { change(&state.kept) }
            return error
        }
        if let error { throw error }
    }
}
