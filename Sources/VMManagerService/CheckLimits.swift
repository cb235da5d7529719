import DBus
import Synchronization

/// How many of polkit's answers are waited for, so that one user's open prompts hold up nobody else: the bus lets a connection wait for
/// 128 replies, and the service is one connection.
final class CheckLimits: Sendable {
    static let perUser = 4
    static let total = 64
    /// How many of one user's questions about its permissions wait for the one that runs.
    static let waitingQueries = 32

    private struct State {
        var total = 0
        var checks: [UInt32: Int] = [:]
        /// Who waits, first come first; a user is listed while one of its queries runs.
        var queries: [UInt32: [CheckedContinuation<Bool, Never>]] = [:]
    }

    private let state = Mutex(State())

    /// How many answers are waited for now.
    var pending: Int { state.withLock { $0.total } }

    /// Runs a check of a method that a user has called. It does not wait for a free place.
    /// - Throws: `LimitsExceeded` when there is none; what `body` throws.
    func withCheck<Result: Sendable>(
        for uid: UInt32, _ body: () async throws(DBusError) -> Result
    ) async throws(DBusError) -> Result {
        let hasPlace = state.withLock { state in
            guard state.total < Self.total, state.checks[uid, default: 0] < Self.perUser else { return false }
            state.total += 1
            state.checks[uid, default: 0] += 1
            return true
        }
        guard hasPlace else {
            throw .limitsExceeded(
                "too many requests wait for an authorization already; answer those first, or try again")
        }
        defer { endCheck(uid) }
        return try await body()
    }

    private func endCheck(_ uid: UInt32) {
        state.withLock { state in
            state.total -= 1
            let left = state.checks[uid, default: 1] - 1
            state.checks[uid] = left > 0 ? left : nil
        }
    }

    /// Runs a query of what a user may do, one at a time for each user; further ones wait for their turn.
    /// - Throws: `LimitsExceeded` when too many wait; what `body` throws.
    func withQuery<Result: Sendable>(
        for uid: UInt32, _ body: () async throws(DBusError) -> Result
    ) async throws(DBusError) -> Result {
        guard await takeTurn(uid) else {
            throw .limitsExceeded("too many requests wait for an authorization already; try again")
        }
        defer { giveTurn(uid) }
        return try await body()
    }

    /// - Returns: false when there is no place, not even to wait.
    private func takeTurn(_ uid: UInt32) async -> Bool {
        await withCheckedContinuation { continuation in
            let isDecided: Bool? = state.withLock { state in
                guard let waiting = state.queries[uid] else {
                    guard state.total < Self.total else { return false }
                    state.queries[uid] = []
                    state.total += 1
                    return true
                }
                guard waiting.count < Self.waitingQueries else { return false }
                state.queries[uid, default: []].append(continuation)
                return nil
            }
            if let isDecided { continuation.resume(returning: isDecided) }
        }
    }

    private func giveTurn(_ uid: UInt32) {
        let next: CheckedContinuation<Bool, Never>? = state.withLock { state in
            guard let waiting = state.queries[uid], let next = waiting.first else {
                state.queries[uid] = nil
                state.total -= 1
                return nil
            }
            state.queries[uid] = Array(waiting.dropFirst())
            return next
        }
        next?.resume(returning: true)
    }
}
