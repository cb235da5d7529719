/// Threads for C calls that block, so that no thread of Swift's cooperative pool ever does.
///
/// A call runs on a thread of the pool; its caller is a suspended task that gets the result, or the deadline's error,
/// or is cancelled, whichever comes first. A C call cannot be interrupted: when its caller has gone, it goes on, its
/// result is dropped and its thread counts as *stuck*. Up to `spare` stuck threads are replaced by new ones, so that a
/// hung guest does not use up the pool. Threads are made when they are needed and end with the pool.
public final class BlockingPool: Sendable {
    /// The pool that connections use if they are given no other.
    public static let shared = BlockingPool()

    private let scheduler: CallScheduler

    /// A pool with its bounds.
    /// - Parameters:
    ///   - size: how many calls run at once; at least 1.
    ///   - spare: how many threads may be added for calls whose caller has given up.
    ///   - queueLimit: how many calls may wait for a thread.
    ///   - name: begins the names of the threads; the kernel shows 15 bytes.
    public init(size: Int = 8, spare: Int = 24, queueLimit: Int = 16_384, name: String = "libvirt-call") {
        scheduler = CallScheduler(
            size: max(1, size), spare: max(0, spare), queueLimit: max(1, queueLimit), name: name)
    }

    deinit {
        scheduler.close()
    }

    /// Runs a blocking body on a thread of the pool.
    ///
    /// - Parameters:
    ///   - deadline: how long the caller waits, the wait for a thread included.
    ///   - operation: the C function, for the error.
    ///   - owner: who may give it up for its caller, with ``abandonAll(of:)``.
    ///   - body: what blocks. It keeps alive what it captures until it returns, also when nobody waits any more.
    /// - Throws: what `body` throws; `LibvirtError` of kind `.deadlineExceeded` or `.queueFull`; `CancellationError` as
    ///   soon as the task is cancelled.
    public func run<Value: Sendable>(
        deadline: Duration = .seconds(30), operation: String, owner: AnyObject? = nil,
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        let owner = owner.map { ObjectIdentifier($0) }
        let call = PendingCall(body)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard call.attach(continuation) else { return }
                scheduler.submit(call, operation: operation, owner: owner, deadline: deadline)
            }
        } onCancel: {
            if call.fail(CancellationError()) { scheduler.abandon(call) }
        }
    }

    /// Ends the waits for all calls of an owner, with the error of a closed connection.
    public func abandonAll(of owner: AnyObject) { scheduler.abandonAll(of: ObjectIdentifier(owner)) }

    /// Runs a body that nobody waits for, such as the release of a dropped connection.
    func detach(_ body: @escaping @Sendable () -> Void) {
        scheduler.submit(PendingCall(body), operation: "release", deadline: nil)
    }

    /// How many threads the pool has now, and how many of them run a call that nobody waits for.
    var threadCounts: (all: Int, stuck: Int) { scheduler.threadCounts }

    /// How many calls wait for a thread.
    var waitingCount: Int { scheduler.waitingCount }
}
