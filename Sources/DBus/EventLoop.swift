import CDBus
import Glibc
import Synchronization

/// One thread in poll(2): descriptors, timers and jobs.
///
/// It is the serial executor of everything that lives on the bus: the connection, the object server, and actors that
/// name it as their executor. Two such actors reach each other with `assumeIsolated`, without a hop.
/// The thread starts with the first job and sleeps without a timeout when there is nothing to do.
public final class EventLoop: SerialExecutor, Sendable {
    enum Work {
        case job(UnownedJob)
        case closure(@Sendable () -> Void)
    }

    private struct Inbox {
        var queue: [Work] = []
        var isRunning = false
        /// Set by the loop before it sleeps, cleared by whoever wakes it: one write to the eventfd per sleep.
        var isSleeping = false
        var isStopping = false
    }

    private let name: String
    private let inbox = Mutex(Inbox())
    private let wakeup: Int32
    /// `pthread_self()` of the loop's thread; 0 while there is none.
    private let thread = Atomic<UInt>(0)
    /// Timers and descriptors; touched on the loop only.
    let agenda = LoopAgenda()
    /// How often poll(2) returned; for tests of idleness.
    let turns = Atomic<UInt64>(0)

    /// Makes a loop; its thread gets the first 15 bytes of `name`. Calls `eventfd(2)`, and stops the process if no
    /// descriptor can be had.
    public init(name: String) {
        self.name = name
        wakeup = eventfd(0, Int32(bitPattern: UInt32(EFD_CLOEXEC | EFD_NONBLOCK)))
        precondition(wakeup >= 0, "no descriptor left for an event loop")
    }

    deinit {
        close(wakeup)
    }

    /// Whether the caller runs on the thread of the loop.
    public var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// Ends the thread once everything that is queued has run; does not wait for that.
    ///
    /// Close connections first: descriptors are no longer served. Jobs that come later still run.
    public func shutdown() {
        let mustWake = inbox.withLock { inbox in
            inbox.isStopping = true
            defer { inbox.isSleeping = false }
            return inbox.isSleeping
        }
        if mustWake { wake() }
    }

    /// Runs `body` on the loop and hands back its result; at once if the caller is on the loop.
    public func run<T: Sendable, E: Error>(
        _ body: @escaping @Sendable () throws(E) -> sending T
    ) async throws(E) -> T {
        let result: Result<T, E> = await withCheckedContinuation { continuation in
            execute {
                do throws(E) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    /// Queues `body`, in order with everything else that is queued.
    public func execute(_ body: @escaping @Sendable () -> Void) {
        submit(.closure(body))
    }

    /// Queues `body` again and again, each time when `interval` has passed since it ran, for as long as the loop is there.
    public func repeatEvery(_ interval: Duration, _ body: @escaping @Sendable () -> Void) {
        execute { [weak self] in
            _ = self?.agenda.schedule(after: interval) { [weak self] in
                body()
                self?.repeatEvery(interval, body)
            }
        }
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        submit(.job(UnownedJob(job)))
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    /// Stops the process if the caller is not on the loop. Called by `assumeIsolated`.
    public func checkIsolated() {
        precondition(isCurrent, "this must run on the event loop")
    }

    public func isIsolatingCurrentContext() -> Bool? {
        isCurrent
    }

    private func submit(_ work: Work) {
        enum Need { case nothing, wake, start }
        let need: Need = inbox.withLock { inbox in
            inbox.queue.append(work)
            if !inbox.isRunning {
                inbox.isRunning = true
                return .start
            }
            defer { inbox.isSleeping = false }
            return inbox.isSleeping ? .wake : .nothing
        }
        switch need {
        case .nothing: break
        case .wake: wake()
        case .start: start()
        }
    }

    private func wake() {
        // Can only fail with EAGAIN, when the counter is full and the loop is awake anyway.
        eventfd_write(wakeup, 1)
    }
}

// The thread.
extension EventLoop {
    private func start() {
        // Signals belong to the threads of the program, so the loop's thread starts with all of them blocked.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { context in
                guard let context else { return nil }
                Unmanaged<EventLoop>.fromOpaque(context).takeRetainedValue().main()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(code == 0, "no thread left for an event loop")
    }

    private func main() {
        pthread_setname_np(pthread_self(), String(decoding: name.utf8.prefix(15), as: UTF8.self))
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        var batch: [Work] = []
        repeat {
            takeWork(into: &batch)
            for work in batch { perform(work) }
            agenda.fireTimers()
        } while sleep(hasMore: agenda.processSources())
    }

    private func perform(_ work: Work) {
        switch work {
        case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
        case .closure(let body): body()
        }
    }

    private func takeWork(into batch: inout [Work]) {
        batch.removeAll(keepingCapacity: batch.count < 1024)
        inbox.withLock { inbox in
            inbox.isSleeping = false
            swap(&inbox.queue, &batch)
        }
    }

    /// Waits for the next event; false if the thread is to end.
    private func sleep(hasMore: Bool) -> Bool {
        let untilTimer = agenda.millisecondsUntilTimer()
        let timeout: Int32? = inbox.withLock { inbox in
            if !inbox.queue.isEmpty || hasMore { return 0 }
            if inbox.isStopping {
                thread.store(0, ordering: .relaxed)
                inbox.isRunning = false
                return nil
            }
            inbox.isSleeping = untilTimer != 0
            return untilTimer
        }
        guard let timeout else { return false }
        if agenda.poll(wakeup: wakeup, timeout: timeout) {
            var count: eventfd_t = 0
            eventfd_read(wakeup, &count)
        }
        turns.add(1, ordering: .relaxed)
        return true
    }
}
