import Synchronization

/// The threads and the queue of a ``BlockingPool``.
final class CallScheduler: Sendable {
    private struct Entry {
        let work: any PendingWork
        let operation: String
        let owner: ObjectIdentifier?
        let allowed: Duration
        var deadline: MonotonicInstant
        var isRunning = false
        var isStuck = false
    }

    private struct State {
        /// Calls that wait for a thread, in order from `head`; those given up meanwhile have no entry.
        var queue: [any PendingWork] = []
        var head = 0
        /// Calls that wait or run.
        var entries: [ObjectIdentifier: Entry] = [:]
        var threads = 0
        /// Threads that are made and have not looked at the queue yet; each will take a call.
        var starting = 0
        var idle = 0
        var stuck = 0
        var number = 0
        var hasTimer = false
        var timerWakes = MonotonicInstant.never
        var isClosed = false

        var waiting: Int { queue.count - head }
    }

    private let size: Int
    private let spare: Int
    private let queueLimit: Int
    private let name: String
    private let state = Mutex(State())
    private let work = ThreadSignal()
    private let timer = ThreadSignal()

    init(size: Int, spare: Int, queueLimit: Int, name: String) {
        self.size = size
        self.spare = spare
        self.queueLimit = queueLimit
        self.name = name
    }

    var threadCounts: (all: Int, stuck: Int) {
        state.withLock { ($0.threads, $0.stuck) }
    }

    var waitingCount: Int {
        state.withLock { $0.waiting }
    }

    /// Queues a call; without a deadline it is made however long that takes.
    func submit(_ call: any PendingWork, operation: String, owner: ObjectIdentifier? = nil, deadline: Duration?) {
        let instant = deadline.map { MonotonicInstant.now.advanced(by: $0) } ?? .never
        let wakeUps = state.withLock { state -> WakeUps? in
            if state.waiting >= queueLimit { dropAbandoned(&state) }
            guard state.waiting < queueLimit || deadline == nil else { return nil }
            state.queue.append(call)
            state.entries[ObjectIdentifier(call)] = Entry(
                work: call, operation: operation, owner: owner, allowed: deadline ?? .zero, deadline: instant)
            return neededWakeUps(for: instant, &state)
        }
        guard let wakeUps else {
            call.fail(LibvirtError.queueFull(operation: operation, limit: queueLimit))
            return
        }
        send(wakeUps)
    }

    /// Gives up a call whose caller has gone: its place in the queue is void, or its thread is stuck.
    func abandon(_ call: any PendingWork) {
        let wakeUps = state.withLock { state -> WakeUps in
            giveUp(ObjectIdentifier(call), &state)
            return neededWakeUps(for: .never, &state)
        }
        send(wakeUps)
    }

    /// Gives up every call of one owner, as each caller could.
    func abandonAll(of owner: ObjectIdentifier) {
        let (abandoned, wakeUps) = state.withLock { state in
            let abandoned = state.entries.values.filter { $0.owner == owner }
            for entry in abandoned { giveUp(ObjectIdentifier(entry.work), &state) }
            return (abandoned, neededWakeUps(for: .never, &state))
        }
        for entry in abandoned {
            entry.work.fail(LibvirtError.connectionClosed(operation: entry.operation, object: nil))
        }
        send(wakeUps)
    }

    /// Lets the threads end once the queue is empty.
    func close() {
        let (threads, hasTimer) = state.withLock { state in
            state.isClosed = true
            return (state.threads, state.hasTimer)
        }
        for _ in 0..<threads { work.signal() }
        if hasTimer { timer.signal() }
    }

    // MARK: Threads

    /// What has to be done outside the lock after a change.
    private struct WakeUps {
        var wakesWorker = false
        var newThread: Int?
        var wakesTimer = false
        var startsTimer = false
    }

    private func neededWakeUps(for deadline: MonotonicInstant, _ state: inout State) -> WakeUps {
        var wakeUps = WakeUps()
        if state.waiting > 0 {
            if state.idle > 0 {
                state.idle -= 1
                wakeUps.wakesWorker = true
            } else if state.waiting > state.starting, state.threads < size + min(state.stuck, spare) {
                state.threads += 1
                state.starting += 1
                state.number += 1
                wakeUps.newThread = state.number
            }
        }
        if deadline < state.timerWakes {
            state.timerWakes = deadline
            wakeUps.startsTimer = !state.hasTimer
            wakeUps.wakesTimer = state.hasTimer
            state.hasTimer = true
        }
        return wakeUps
    }

    private func send(_ wakeUps: WakeUps) {
        if wakeUps.wakesWorker { work.signal() }
        if wakeUps.wakesTimer { timer.signal() }
        if wakeUps.startsTimer, !startThread(named: "libvirt-timer", { self.runTimer() }) {
            // Without it the calls are made, but late answers are not cut off; the next call tries again.
            state.withLock { state in
                state.hasTimer = false
                state.timerWakes = .never
            }
        }
        if let number = wakeUps.newThread, !startThread(named: "\(name)-\(number)", { self.runWorker() }) {
            failIfThreadless()
        }
    }

    private func failIfThreadless() {
        let orphans = state.withLock { state -> [Entry] in
            state.threads -= 1
            state.starting -= 1
            guard state.threads == 0 else { return [] }
            defer {
                state.queue = []
                state.head = 0
                state.entries = [:]
            }
            return Array(state.entries.values)
        }
        for entry in orphans { entry.work.fail(LibvirtError.queueFull(operation: entry.operation, limit: queueLimit)) }
    }

    private func runWorker() {
        state.withLock { $0.starting -= 1 }
        while true {
            switch state.withLock({ next(&$0) }) {
            case .call(let call):
                call.perform()
                if !finish(call) { return }
            case .wait:
                work.wait()
            case .end:
                return
            }
        }
    }

    private enum Step {
        case call(any PendingWork)
        case wait
        case end
    }

    private func next(_ state: inout State) -> Step {
        while state.head < state.queue.count {
            let call = state.queue[state.head]
            state.head += 1
            if state.head == state.queue.count || state.head == 1024 {
                state.queue.removeFirst(state.head)
                state.head = 0
            }
            guard state.entries[ObjectIdentifier(call)] != nil else { continue }
            state.entries[ObjectIdentifier(call)]?.isRunning = true
            return .call(call)
        }
        if state.isClosed {
            state.threads -= 1
            return .end
        }
        state.idle += 1
        return .wait
    }

    /// Takes note that a call has returned; false if this thread is now one too many.
    private func finish(_ call: any PendingWork) -> Bool {
        state.withLock { state in
            let entry = state.entries.removeValue(forKey: ObjectIdentifier(call))
            if entry?.isStuck == true { state.stuck -= 1 }
            guard state.threads > size + min(state.stuck, spare) else { return true }
            state.threads -= 1
            return false
        }
    }

    // MARK: Deadlines

    private func runTimer() {
        while true {
            let now = MonotonicInstant.now
            let (late, wakeUps, wake) = state.withLock { state in expire(at: now, &state) }
            for entry in late {
                entry.work.fail(LibvirtError.deadlineExceeded(operation: entry.operation, after: entry.allowed))
            }
            send(wakeUps)
            guard let wake else { return }
            timer.wait(until: wake)
        }
    }

    /// The calls that are late, and when to look again; nil when the pool has closed and nothing is left to watch.
    private func expire(at now: MonotonicInstant, _ state: inout State) -> ([Entry], WakeUps, MonotonicInstant?) {
        let late = state.entries.values.filter { $0.deadline <= now }
        for entry in late { giveUp(ObjectIdentifier(entry.work), &state) }
        let wake = state.entries.values.lazy.map(\.deadline).min() ?? .never
        state.timerWakes = wake
        let ends = state.isClosed && wake == .never
        if ends { state.hasTimer = false }
        return (late, neededWakeUps(for: .never, &state), ends ? nil : wake)
    }

    private func giveUp(_ id: ObjectIdentifier, _ state: inout State) {
        guard var entry = state.entries[id] else { return }
        guard entry.isRunning else {
            state.entries[id] = nil
            return
        }
        guard !entry.isStuck else { return }
        entry.isStuck = true
        entry.deadline = .never
        state.stuck += 1
        state.entries[id] = entry
    }

    private func dropAbandoned(_ state: inout State) {
        state.queue = state.queue[state.head...].filter { state.entries[ObjectIdentifier($0)] != nil }
        state.head = 0
    }
}
