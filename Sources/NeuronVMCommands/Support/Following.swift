import Dispatch
import Glibc
import Synchronization
import VMManagerClient
import VMModel

extension VMManagerClient {
    /// Makes a call that is a job of the service's: shows how far it is on a terminal, and has ctrl-C cancel it.
    func following<Success: Sendable>(
        _ operation: JobOperation, _ title: String, on target: VMReference,
        _ call: () async throws -> Success
    ) async throws -> Success {
        let jobs = try await self.jobs(operation, on: target)
        let current = CurrentJob { job in
            do {
                try await self.cancel(job)
            } catch {
                Output.note(Failure(error).description)
            }
        }
        let bar = ProgressBar(title)
        let follower = Task {
            for await status in jobs {
                current.set(status)
                bar.show(status.progress)
            }
        }
        let interrupt = Interrupts.shared.add { current.cancel() }
        defer {
            Interrupts.shared.remove(interrupt)
            follower.cancel()
            bar.clear()
        }
        return try await call()
    }
}

/// The job of a call, once it is known. One that is to be cancelled before that is cancelled then.
private final class CurrentJob: Sendable {
    private struct State {
        var status: JobStatus?
        var isCancelWanted = false
        var isCancelled = false

        /// The job, if it is to be cancelled now.
        mutating func due() -> JobStatus? {
            guard isCancelWanted, !isCancelled, let status, status.isCancelable else { return nil }
            isCancelled = true
            return status
        }
    }

    private let state = Mutex(State())
    private let cancelJob: @Sendable (JobStatus) async -> Void

    init(_ cancelJob: @escaping @Sendable (JobStatus) async -> Void) {
        self.cancelJob = cancelJob
    }

    func set(_ status: JobStatus) {
        begin(
            state.withLock { state in
                state.status = status
                return state.due()
            })
    }

    /// - Returns: false when the job is there and cannot be cancelled.
    func cancel() -> Bool {
        let (due, isPossible) = state.withLock { state in
            state.isCancelWanted = true
            return (state.due(), state.status?.isCancelable ?? true)
        }
        begin(due)
        return isPossible
    }

    private func begin(_ due: JobStatus?) {
        guard let due else { return }
        Task { [cancelJob] in await cancelJob(due) }
    }
}

/// What ctrl-C does while calls are under way: the first cancels what can be cancelled, and where nothing can be, or at the second,
/// the process ends, and what it has asked for goes on.
final class Interrupts: Sendable {
    static let shared = Interrupts()

    private struct State {
        var last = 0
        var cancels: [Int: @Sendable () -> Bool] = [:]
        var isWatching = false
        var hasCancelled = false
    }

    private let state = Mutex(State())

    /// - Parameter cancel: false when there is nothing that can be cancelled.
    func add(_ cancel: @escaping @Sendable () -> Bool) -> Int {
        let (number, isFirst) = state.withLock { state in
            defer { state.isWatching = true }
            state.last += 1
            state.cancels[state.last] = cancel
            return (state.last, !state.isWatching)
        }
        if isFirst { watch() }
        return number
    }

    func remove(_ number: Int) {
        state.withLock { $0.cancels[number] = nil }
    }

    /// For the rest of the process: with nothing under way the signal ends it as ever.
    private func watch() {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler { [self] in interrupt() }
        source.resume()
        _ = Unmanaged.passRetained(source as AnyObject)
    }

    private func interrupt() {
        let (cancels, isSecond) = state.withLock { state in
            defer { state.hasCancelled = true }
            return (state.cancels.values.map(\.self), state.hasCancelled)
        }
        let hasCancelled = cancels.map { $0() }.contains(true)
        guard isSecond || !hasCancelled else { return }
        TextAgent.stop()
        signal(SIGINT, SIG_DFL)
        raise(SIGINT)
    }
}
