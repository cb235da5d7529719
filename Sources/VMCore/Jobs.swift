import Glibc
public import VMModel

/// The jobs that run, and those that have ended a short while ago.
///
/// It lives on the inventory's executor, so that a job, the property `Job` of its VM and the result of its work are told in order.
public actor Jobs {
    /// How many of one user's jobs may run or wait; root is not counted.
    static let maximumOfUser = 128
    /// How many of all users'.
    static let maximumInAll = 1024
    /// How many of those that have ended are kept.
    static let maximumEnded = 256

    private struct Running {
        var job: Job
        let control: JobControl
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let inventory: Inventory
    private let retention: Duration
    private let log: @Sendable (String) -> Void
    private var last: UInt64 = 0
    private var running: [JobID: Running] = [:]
    /// In the order in which they ended, with when they go.
    private var ended: [(job: Job, goesAt: ContinuousClock.Instant)] = []
    private var sweeper: Task<Void, Never>?
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []
    private var observers: [@Sendable (JobChange) -> Void] = []

    public nonisolated var unownedExecutor: UnownedSerialExecutor { inventory.unownedExecutor }

    /// - Parameters:
    ///   - retention: how long a job can be read after its end.
    ///   - log: told why a job failed that nobody waits for.
    init(
        inventory: Inventory, retention: Duration = .seconds(60), log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.inventory = inventory
        self.retention = retention
        self.log = log
    }

    // MARK: Reading

    /// Every job, also those that have ended, oldest first.
    public var all: [Job] { (ended.map(\.job) + running.values.map(\.job)).sorted { $0.id < $1.id } }

    /// nil when it is unknown, or has ended longer ago than jobs are kept.
    public func job(_ id: JobID) -> Job? {
        running[id]?.job ?? ended.first { $0.job.id == id }?.job
    }

    func control(of id: JobID) -> JobControl? { running[id]?.control }

    /// Calls `observer` with each change from now on, on the inventory's executor.
    public func observe(_ observer: @escaping @Sendable (JobChange) -> Void) {
        observers.append(observer)
    }

    // MARK: A job's life

    /// What a job is to be.
    public struct Order: Sendable {
        let operation: JobOperation
        let target: String
        let vms: [VMUUID]
        let uid: UInt32
        let isCancelable: Bool

        /// - Parameters:
        ///   - target: the name of what it works on.
        ///   - uid: who asks for it.
        public init(
            _ operation: JobOperation, _ target: String, on vms: [VMUUID] = [], by uid: UInt32,
            isCancelable: Bool = false
        ) {
            self.operation = operation
            self.target = target
            self.vms = vms
            self.uid = uid
            self.isCancelable = isCancelable
        }
    }

    /// Begins a job; `carryOut` must follow.
    /// - Throws: `limitsExceeded` when there are too many.
    func begin(_ order: Order, inBackground: Bool = false) throws(VMError) -> JobControl {
        let ofUser = running.values.lazy.filter { $0.job.startedByUID == order.uid }.count
        guard running.count < Self.maximumInAll, order.uid == 0 || ofUser < Self.maximumOfUser else {
            throw VMError(
                .limitsExceeded,
                "cannot \(order.operation.words) '\(order.target)': too many jobs run already; try again later")
        }
        last &+= 1
        let id = JobID(rawValue: last)
        let job = Job(
            id: id, operation: order.operation, target: order.target, vms: order.vms, startedByUID: order.uid,
            startedAt: MicrosecondClock.now(), isCancelable: order.isCancelable, isInBackground: inBackground)
        let control = JobControl(id: id, isCancelable: order.isCancelable) { [weak self] progress in
            Task { await self?.take(progress, of: id) }
        }
        running[id] = Running(job: job, control: control)
        announce(.added(job))
        inventory.assumeIsolated { inventory in
            for uuid in order.vms { inventory.begin(id, on: uuid) }
        }
        return control
    }

    /// Does the work of a job that has begun, and ends it.
    /// - Throws: what `work` throws.
    nonisolated func carryOut<Success: Sendable>(
        _ control: JobControl, _ work: @Sendable (JobControl) async throws(VMError) -> Success
    ) async throws(VMError) -> Success {
        do throws(VMError) {
            let success = try await work(control)
            await end(control, .succeeded(control.message))
            return success
        } catch {
            await end(control, .failed(error))
            throw error
        }
    }

    /// Has something done as a job, and waits for it.
    /// - Throws: `limitsExceeded`, what `work` throws.
    public nonisolated func run<Success: Sendable>(
        _ order: Order, _ work: @Sendable (JobControl) async throws(VMError) -> Success
    ) async throws(VMError) -> Success {
        try await carryOut(try await begin(order), work)
    }

    /// Has something done as a job that nobody waits for; how it ends is told to those who watch.
    /// - Throws: `limitsExceeded`.
    @discardableResult
    public nonisolated func start(
        _ order: Order, _ work: @escaping @Sendable (JobControl) async throws(VMError) -> Void
    ) async throws(VMError) -> JobID {
        let control = try await begin(order, inBackground: true)
        leave(control, work)
        return control.id
    }

    /// Does the work of a job that nobody waits for. The log has what the job does not tell everybody.
    nonisolated func leave(
        _ control: JobControl, _ work: @escaping @Sendable (JobControl) async throws(VMError) -> Void
    ) {
        Task {
            do throws(VMError) {
                try await carryOut(control, work)
            } catch {
                log("job \(control.id) failed: \(error)")
            }
        }
    }

    /// Cancels a job, and returns when it has ended and nothing is left of it.
    /// - Throws: `notFound`; `invalidState` when it is not to be cancelled, or no longer, or has just succeeded.
    public func cancel(_ id: JobID) async throws(VMError) {
        guard let control = running[id]?.control else {
            guard let job = job(id) else { throw VMError(.notFound, "there is no such job") }
            throw Self.cannotCancel(job, "it has ended")
        }
        if let job = running[id]?.job, !control.cancel() {
            throw Self.cannotCancel(job, "it is of a kind, or at a point, that cannot be undone")
        }
        await withCheckedContinuation { running[id]?.waiters.append($0) ?? $0.resume() }
        if let job = job(id), case .succeeded = job.outcome { throw Self.cannotCancel(job, "it has just ended") }
    }

    private static func cannotCancel(_ job: Job, _ reason: String) -> VMError {
        VMError(.invalidState, "cannot cancel the job to \(job.operation.words) '\(job.target)': \(reason)")
    }

    /// From here on the job cannot be cancelled, and says so.
    /// - Throws: `cancelled` when it has been.
    func passPointOfNoReturn(_ control: JobControl) throws(VMError) {
        try control.passPointOfNoReturn()
        guard running[control.id]?.job.isCancelable == true else { return }
        running[control.id]?.job.isCancelable = false
        tellChange(of: control.id)
    }

    private func take(_ progress: Double, of id: JobID) {
        guard let known = running[id]?.job, progress >= known.progress ?? 0 else { return }
        running[id]?.job.progress = progress
        tellChange(of: id)
    }

    private func end(_ control: JobControl, _ outcome: Job.Outcome) {
        guard let entry = running.removeValue(forKey: control.id) else { return }
        var job = entry.job
        job.isCancelable = false
        job.outcome = outcome
        if case .succeeded = outcome { job.progress = 1 }
        inventory.assumeIsolated { inventory in
            for uuid in job.vms { inventory.end(job.id, on: uuid) }
        }
        ended.append((job, .now + retention))
        announce(.ended(job))
        if ended.count > Self.maximumEnded { announce(.removed(ended.removeFirst().job)) }
        sweepLater()
        for waiter in entry.waiters { waiter.resume() }
        guard running.isEmpty else { return }
        for waiter in idleWaiters { waiter.resume() }
        idleWaiters = []
    }

    private func sweepLater() {
        guard sweeper == nil, let first = ended.first else { return }
        sweeper = Task { [weak self] in
            try? await Task.sleep(until: first.goesAt)
            await self?.sweep()
        }
    }

    private func sweep() {
        sweeper = nil
        let now = ContinuousClock.now
        while let first = ended.first, first.goesAt <= now { announce(.removed(ended.removeFirst().job)) }
        sweepLater()
    }

    // MARK: The end of the service

    /// Cancels what copies, because that may take longer than anybody waits for the service to end, and waits for the rest.
    func finish(atMost limit: Duration) async {
        for entry in running.values where entry.job.progress != nil { _ = entry.control.cancel() }
        guard !running.isEmpty else { return }
        let timer = Task {
            try? await Task.sleep(for: limit)
            giveUpWaiting()
        }
        await withCheckedContinuation { idleWaiters.append($0) }
        timer.cancel()
    }

    private func giveUpWaiting() {
        for waiter in idleWaiters { waiter.resume() }
        idleWaiters = []
    }

    // MARK: Telling

    private func tellChange(of id: JobID) {
        if let job = running[id]?.job { announce(.changed(job)) }
    }

    private func announce(_ change: JobChange) {
        for observer in observers { observer(change) }
    }
}

/// A difference in what there is of jobs.
public enum JobChange: Hashable, Sendable {
    case added(Job)
    /// Its progress, or whether it can be cancelled.
    case changed(Job)
    /// It has its outcome; it can be read for a while.
    case ended(Job)
    case removed(Job)
}

extension JobOperation {
    /// For sentences, as in `cannot import 'debian.iso'`.
    var words: String { self == .importMedia ? "import" : rawValue }
}

/// The time of day.
enum MicrosecondClock {
    /// Microseconds since the epoch (`clock_gettime(2)`).
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000 &+ UInt64(clamping: time.tv_nsec / 1000)
    }
}
