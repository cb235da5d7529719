import Dispatch
public import VMCore

/// A serial executor for actors under test: a queue of its own, as the bus's loop is in the service.
public final class QueueExecutor: InventoryExecutor {
    private let queue: DispatchQueue

    public init(_ name: String = "inventory") {
        queue = DispatchQueue(label: name)
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    public func execute(_ body: @escaping @Sendable () -> Void) {
        queue.async(execute: body)
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    public func checkIsolated() {
        dispatchPrecondition(condition: .onQueue(queue))
    }
}
