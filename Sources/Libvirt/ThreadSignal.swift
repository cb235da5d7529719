import Glibc

/// A counting semaphore for our own threads, which may wait until an instant of the monotonic clock.
///
/// It is not for tasks: `wait` blocks the thread.
final class ThreadSignal: @unchecked Sendable {
    // Proof: the pointers never change, `count` is only touched under `mutex`, and POSIX lets any thread use the two
    // objects.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var count = 0

    init() {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        condition.deallocate()
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Lets one waiter go on.
    func signal() {
        pthread_mutex_lock(mutex)
        count += 1
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Waits for a signal, or until that instant if it is not `.never`.
    func wait(until instant: MonotonicInstant = .never) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while count == 0 {
            if instant == .never {
                pthread_cond_wait(condition, mutex)
            } else {
                var time = instant.timespec
                if pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { return }
            }
        }
        count -= 1
    }
}

/// An instant of `CLOCK_MONOTONIC`, in nanoseconds.
struct MonotonicInstant: Sendable, Comparable {
    private let nanoseconds: UInt64

    /// Later than every other instant.
    static let never = MonotonicInstant(nanoseconds: .max)

    static var now: MonotonicInstant {
        var time = Glibc.timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicInstant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    /// The instant a duration later; a duration that is too long for the clock gives `.never`.
    func advanced(by duration: Duration) -> MonotonicInstant {
        let (seconds, attoseconds) = duration.components
        guard seconds >= 0, attoseconds >= 0 else { return self }
        let (whole, tooLong) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow) = nanoseconds.addingReportingOverflow(whole)
        let (total, carry) = sum.addingReportingOverflow(UInt64(attoseconds / 1_000_000_000))
        return tooLong || overflow || carry ? .never : MonotonicInstant(nanoseconds: total)
    }

    var timespec: Glibc.timespec {
        Glibc.timespec(
            tv_sec: Int(clamping: nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }

    static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool { left.nanoseconds < right.nanoseconds }
}
