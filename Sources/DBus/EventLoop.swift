/// One thread in poll(2): descriptors, timers and jobs.
public final class EventLoop: SerialExecutor, Sendable {
    public init(name: String) {}
    /// Whether the caller runs on the thread of the loop.
    public var isCurrent: Bool { false }
    /// Ends the thread once everything that is queued has run.
    public func shutdown() {}
    /// Runs `body` on the loop.
    public func run<T: Sendable>(_ body: @Sendable @escaping () throws -> T) async throws -> T { try body() }
    public func enqueue(_ job: consuming ExecutorJob) {}
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
