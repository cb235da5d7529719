import VMModel

/// A lane for work that weighs on the host: so many jobs at a time, and users take turns, so that one who asks for a thousand VMs
/// holds up nobody who asks for one.
actor JobLane {
    private struct Waiter {
        let number: UInt64
        let continuation: CheckedContinuation<Bool, Never>
    }

    private let width: Int
    private let perUser: Int
    /// How many places each user has.
    private var taken: [UInt32: Int] = [:]
    private var waiters: [UInt32: [Waiter]] = [:]
    /// Who waits; the first one's turn is next.
    private var users: [UInt32] = []
    private var last: UInt64 = 0

    /// - Parameters:
    ///   - width: how many jobs go on at a time.
    ///   - perUser: how many of one user's, where that is fewer.
    init(width: Int, perUser: Int = .max) {
        self.width = width
        self.perUser = perUser
    }

    /// How many wait for a place.
    var waiting: Int { waiters.values.reduce(0) { $0 + $1.count } }

    /// Runs `body` when there is a place for it.
    /// - Throws: `cancelled` when the job is cancelled before that; what `body` throws.
    nonisolated func withPlace<Success: Sendable>(
        for uid: UInt32, _ job: JobControl, _ body: () async throws(VMError) -> Success
    ) async throws(VMError) -> Success {
        let hasPlace = try await job.interruptible { () async throws(VMError) in await self.enter(uid) }
        guard hasPlace else { throw job.cancelled }
        do throws(VMError) {
            let success = try await body()
            await leave(uid)
            return success
        } catch {
            await leave(uid)
            throw error
        }
    }

    /// - Returns: false when the task was cancelled first.
    private func enter(_ uid: UInt32) async -> Bool {
        if hasPlace(uid) {
            taken[uid, default: 0] += 1
            return true
        }
        last &+= 1
        let number = last
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard !Task.isCancelled else { return continuation.resume(returning: false) }
                if waiters[uid] == nil { users.append(uid) }
                waiters[uid, default: []].append(Waiter(number: number, continuation: continuation))
            }
        } onCancel: {
            Task { await self.giveUp(number, uid) }
        }
    }

    private func giveUp(_ number: UInt64, _ uid: UInt32) {
        guard let index = waiters[uid]?.firstIndex(where: { $0.number == number }),
            let waiter = waiters[uid]?.remove(at: index)
        else { return }
        if waiters[uid]?.isEmpty == true { forget(uid) }
        waiter.continuation.resume(returning: false)
    }

    private func forget(_ uid: UInt32) {
        waiters[uid] = nil
        users.removeAll { $0 == uid }
    }

    private func hasPlace(_ uid: UInt32) -> Bool {
        taken.values.reduce(0, +) < width && taken[uid, default: 0] < perUser
    }

    /// The place goes to the user whose turn it is, and that user to the end of the row.
    private func leave(_ uid: UInt32) {
        let left = taken[uid, default: 1] - 1
        taken[uid] = left > 0 ? left : nil
        guard let index = users.firstIndex(where: hasPlace), let waiter = waiters[users[index]]?.first else { return }
        let next = users.remove(at: index)
        waiters[next]?.removeFirst()
        if waiters[next]?.isEmpty == true { waiters[next] = nil } else { users.append(next) }
        taken[next, default: 0] += 1
        waiter.continuation.resume(returning: true)
    }
}
