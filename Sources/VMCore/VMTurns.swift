import VMModel

/// One order per VM: whoever changes a VM waits for its turn, so that two operations on one VM never interleave,
/// while operations on different VMs never wait for each other.
actor VMTurns {
    /// How many may wait for one VM; the next is told at once that it is busy.
    static let maximumWaiting = 16

    /// Who waits, first come first; a VM is listed while somebody has the turn.
    private(set) var waiting: [VMUUID: [CheckedContinuation<Void, Never>]] = [:]

    /// Runs `body` when everybody who came before has finished with this VM.
    /// - Throws: `busy` when too many wait; what `body` throws.
    nonisolated func withTurn<Result: Sendable>(
        for uuid: VMUUID, _ operation: String, _ body: @Sendable () async throws(VMError) -> Result
    ) async throws(VMError) -> Result {
        try await take(uuid, operation)
        do throws(VMError) {
            let result = try await body()
            await giveBack(uuid)
            return result
        } catch {
            await giveBack(uuid)
            throw error
        }
    }

    private func take(_ uuid: VMUUID, _ operation: String) async throws(VMError) {
        guard let queue = waiting[uuid] else {
            waiting[uuid] = []
            return
        }
        guard queue.count < Self.maximumWaiting else {
            throw VMError(
                .busy, "cannot \(operation) the VM: too many operations wait for it already; try again later")
        }
        await withCheckedContinuation { waiting[uuid, default: []].append($0) }
    }

    private func giveBack(_ uuid: VMUUID) {
        guard let queue = waiting[uuid], let next = queue.first else {
            waiting[uuid] = nil
            return
        }
        waiting[uuid] = Array(queue.dropFirst())
        next.resume()
    }
}
