import Glibc

/// Something with a descriptor that the loop serves.
protocol LoopSource: AnyObject {
    /// What to poll for now; nil for nothing.
    var pollRequest: pollfd? { get }
    /// Called when poll(2) reported these events.
    func pollReady(_ events: Int16)
    /// Does a bounded amount of queued work; true if some is left.
    func process() -> Bool
}

/// The timers and descriptors of one event loop.
///
/// Unchecked: only the thread of its loop touches it; `EventLoop.main` and its callers on the loop are the only users.
final class LoopAgenda: @unchecked Sendable {
    struct TimerID: Hashable {
        fileprivate let number: UInt64
    }

    private struct Timer {
        let id: TimerID
        let deadline: UInt64
        let action: () -> Void
    }

    /// Sorted, the next one last. There are a few hundred at the most.
    private var timers: [Timer] = []
    private var lastTimer: UInt64 = 0
    private var sources: [any LoopSource] = []
    private var requests: [pollfd] = []

    // MARK: Timers

    /// Calls `action` once, not before `delay` has passed.
    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> TimerID {
        lastTimer += 1
        let (deadline, overflow) = Self.now().addingReportingOverflow(delay.clampedNanoseconds)
        let timer = Timer(id: TimerID(number: lastTimer), deadline: overflow ? .max : deadline, action: action)
        // Few are later than a new one: most have the same length.
        let index = timers.firstIndex { $0.deadline <= timer.deadline } ?? timers.endIndex
        timers.insert(timer, at: index)
        return timer.id
    }

    func cancel(_ id: TimerID) {
        if let index = timers.lastIndex(where: { $0.id == id }) { timers.remove(at: index) }
    }

    func fireTimers() {
        guard !timers.isEmpty else { return }
        let now = Self.now()
        while let next = timers.last, next.deadline <= now {
            timers.removeLast()
            next.action()
        }
    }

    /// The timeout for poll(2): -1 without timers, rounded up so that a timer is due when poll returns.
    func millisecondsUntilTimer() -> Int32 {
        guard let next = timers.last else { return -1 }
        let now = Self.now()
        guard next.deadline > now else { return 0 }
        return Int32(clamping: (next.deadline - now - 1) / 1_000_000 + 1)
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    // MARK: Descriptors

    func add(_ source: any LoopSource) {
        sources.append(source)
    }

    func remove(_ source: any LoopSource) {
        sources.removeAll { $0 === source }
    }

    func processSources() -> Bool {
        var hasMore = false
        for source in sources where source.process() { hasMore = true }
        return hasMore
    }

    /// Waits up to `timeout` milliseconds and serves the sources that are ready; true if `wakeup` is readable.
    func poll(wakeup: Int32, timeout: Int32) -> Bool {
        requests.removeAll(keepingCapacity: true)
        requests.append(pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0))
        let polled = sources
        for source in polled {
            // A negative descriptor is skipped by poll(2) and keeps the positions aligned.
            requests.append(source.pollRequest ?? pollfd(fd: -1, events: 0, revents: 0))
        }
        guard Glibc.poll(&requests, nfds_t(requests.count), timeout) > 0 else { return false }
        for (source, request) in zip(polled, requests.dropFirst()) where request.revents != 0 {
            source.pollReady(request.revents)
        }
        return requests[0].revents != 0
    }
}

extension Duration {
    /// Not less than zero, and not more than fits.
    var clampedNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow2) = whole.addingReportingOverflow(UInt64(attoseconds) / 1_000_000_000)
        return overflow || overflow2 ? .max : sum
    }
}
