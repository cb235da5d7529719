import Synchronization
public import VMModel

/// A job, as its own work sees it: whether it is to go on, how far it is, and what there is to say.
///
/// A step that must not be left half done is not interrupted when the job is cancelled; the work looks between its steps. What only
/// waits or copies runs in `interruptible`.
public final class JobControl: Sendable {
    private struct State {
        var isCancelled = false
        var isCancelable: Bool
        var interrupts: [UInt64: @Sendable () -> Void] = [:]
        var lastInterrupt: UInt64 = 0
        var lastReport: ContinuousClock.Instant?
        var message = ""
    }

    public let id: JobID
    private let state: Mutex<State>
    private let tell: @Sendable (Double) -> Void

    /// - Parameter tell: brings progress, 0 to 1, to those who watch; called at most four times a second.
    init(id: JobID, isCancelable: Bool, tell: @escaping @Sendable (Double) -> Void) {
        self.id = id
        self.tell = tell
        state = Mutex(State(isCancelable: isCancelable))
    }

    /// What there is to say when it has succeeded.
    var message: String { state.withLock { $0.message } }

    /// - Throws: `cancelled` once somebody has cancelled the job.
    public func checkGoesOn() throws(VMError) {
        if state.withLock({ $0.isCancelled }) { throw cancelled }
    }

    /// From here on the job cannot be cancelled any more; `Jobs.passPointOfNoReturn` tells that as well.
    /// - Throws: `cancelled` when it has been.
    func passPointOfNoReturn() throws(VMError) {
        let isCancelled = state.withLock { state in
            if !state.isCancelled { state.isCancelable = false }
            return state.isCancelled
        }
        if isCancelled { throw cancelled }
    }

    /// Runs something in a task that is cancelled with the job.
    /// - Throws: `cancelled`, what `body` throws.
    public func interruptible<Success: Sendable>(
        _ body: @escaping @Sendable () async throws(VMError) -> Success
    ) async throws(VMError) -> Success {
        try checkGoesOn()
        let task = Task { () async -> Result<Success, VMError> in
            do throws(VMError) { return .success(try await body()) } catch { return .failure(error) }
        }
        let number = onCancel { task.cancel() }
        defer { state.withLock { $0.interrupts[number] = nil } }
        return try await task.value.get()
    }

    private func onCancel(_ interrupt: @escaping @Sendable () -> Void) -> UInt64 {
        let (number, isCancelled) = state.withLock { state in
            state.lastInterrupt &+= 1
            state.interrupts[state.lastInterrupt] = interrupt
            return (state.lastInterrupt, state.isCancelled)
        }
        if isCancelled { interrupt() }
        return number
    }

    /// How far it is. What comes more often than four times a second is left out.
    public func report(_ done: UInt64, of total: UInt64) {
        let now = ContinuousClock.now
        let isDue = state.withLock { state in
            if let last = state.lastReport, now - last < Self.reportInterval { return false }
            state.lastReport = now
            return true
        }
        if isDue, total > 0 { tell(min(1, Double(done) / Double(total))) }
    }

    private static var reportInterval: Duration { .milliseconds(250) }

    /// What whoever watches is told when it has succeeded.
    public func say(_ message: String) {
        state.withLock { $0.message = message }
    }

    /// - Returns: false when it is too late for that.
    func cancel() -> Bool {
        let interrupts: [@Sendable () -> Void]? = state.withLock { state in
            guard state.isCancelable else { return nil }
            state.isCancelled = true
            return state.interrupts.values.map(\.self)
        }
        guard let interrupts else { return false }
        for interrupt in interrupts { interrupt() }
        return true
    }

    var cancelled: VMError { VMError(.cancelled, "it was cancelled") }
}
