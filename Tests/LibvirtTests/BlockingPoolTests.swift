import Dispatch
import Foundation
import Testing

@testable import Libvirt

@Suite struct BlockingPoolTests {
    @Test func passesResultAndErrorOn() async throws {
        let pool = BlockingPool(size: 1)
        #expect(try await pool.run(operation: "answer") { 42 } == 42)
        await #expect(throws: Unlucky.self) { try await pool.run(operation: "fail") { throw Unlucky() } }
    }

    @Test func runsOnNamedThreadsOfItsOwn() async throws {
        let pool = BlockingPool(size: 1, name: "pool-name")
        let name = try await pool.run(operation: "name") { threadName() }
        #expect(name == "pool-name-1")
    }

    @Test func boundsAThousandConcurrentCalls() async throws {
        let pool = BlockingPool(size: 4, spare: 4)
        let load = Locked((now: 0, most: 0))
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<1000 {
                group.addTask {
                    try await pool.run(operation: "count") {
                        load.withLock { load in
                            load.now += 1
                            load.most = max(load.most, load.now)
                        }
                        usleepOfABlockingCall()
                        load.withLock { $0.now -= 1 }
                        return number
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 499_500)
        #expect(load.withLock { $0.most } == 4)
        #expect(pool.threadCounts == (4, 0))
    }

    @Test func leavesACallThatHangsAtTheDeadline() async throws {
        let pool = BlockingPool(size: 1, spare: 0)
        let gate = DispatchSemaphore(value: 0)
        let begin = ContinuousClock.now
        let error = await failure {
            try await pool.run(deadline: .milliseconds(500), operation: "virHang") { gate.wait() }
        }
        let waited = ContinuousClock.now - begin
        #expect(error?.kind == .deadlineExceeded)
        #expect(error?.operation == "virHang")
        #expect(waited >= .milliseconds(500) && waited < .seconds(10))
        #expect(pool.threadCounts == (1, 1))
        gate.signal()
        // The thread is back in service.
        #expect(try await pool.run(operation: "answer") { 1 } == 1)
        #expect(pool.threadCounts == (1, 0))
    }

    @Test func keepsWhatALateCallUsesUntilItReturns() async throws {
        let pool = BlockingPool(size: 1, spare: 0)
        let gate = DispatchSemaphore(value: 0)
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        let wasHeld = Locked(false)
        let call = await HungCall(pool, gate) { [token = Token(wasHeld, onEnd: { end.finish() })] in token.hold() }
        #expect(await call.giveUp())
        #expect(!wasHeld.withLock { $0 })
        gate.signal()
        // The stream ends when the token does: after the call had used it.
        for await _ in ends {}
        #expect(wasHeld.withLock { $0 })
    }

    @Test func replacesHungThreadsUpToItsLimit() async throws {
        let pool = BlockingPool(size: 1, spare: 2)
        let gate = DispatchSemaphore(value: 0)
        for stuck in 1...2 {
            #expect(await HungCall(pool, gate).giveUp())
            #expect(try await pool.run(operation: "answer") { 1 } == 1)
            #expect(pool.threadCounts == (stuck + 1, stuck))
        }
        #expect(await HungCall(pool, gate).giveUp())
        let error = await failure { _ = try await pool.run(deadline: .milliseconds(50), operation: "wait") { 1 } }
        #expect(error?.kind == .deadlineExceeded)
        #expect(pool.threadCounts == (3, 3))
        for _ in 0..<3 { gate.signal() }
        #expect(try await pool.run(operation: "answer") { 1 } == 1)
        #expect(await holds { pool.threadCounts == (1, 0) })
    }

    @Test func refusesACallWhenTheQueueIsFull() async throws {
        let pool = BlockingPool(size: 1, spare: 0, queueLimit: 2)
        let gate = DispatchSemaphore(value: 0)
        let running = Task { try await pool.run(operation: "hold") { gate.wait() } }
        #expect(await holds { pool.threadCounts.all == 1 && pool.waitingCount == 0 })
        let queued = (0..<2).map { _ in Task { try await pool.run(operation: "queued") {} } }
        #expect(await holds { pool.waitingCount == 2 })
        let error = await failure { try await pool.run(operation: "refused") {} }
        #expect(error?.kind == .queueFull)
        // A call that was given up makes room.
        queued[0].cancel()
        await #expect(throws: CancellationError.self) { try await queued[0].value }
        let next = Task { try await pool.run(operation: "next") { 7 } }
        #expect(await holds { pool.waitingCount == 2 })
        gate.signal()
        try await running.value
        try await queued[1].value
        #expect(try await next.value == 7)
    }

    @Test func resumesACancelledCallAtOnce() async throws {
        let pool = BlockingPool(size: 1, spare: 0)
        let gate = DispatchSemaphore(value: 0)
        #expect(await HungCall(pool, gate).giveUp())
        #expect(pool.threadCounts == (1, 1))
        gate.signal()
        #expect(await holds { pool.threadCounts == (1, 0) })
    }

    @Test func endsAllCallsOfAnOwnerAndNoOther() async throws {
        let pool = BlockingPool(size: 1, spare: 0)
        let gate = DispatchSemaphore(value: 0)
        let (owner, other) = (Locked(0), Locked(0))
        let running = Task { await failure { try await pool.run(operation: "run", owner: owner) { gate.wait() } } }
        while pool.threadCounts.all == 0 || pool.waitingCount > 0 { await Task.yield() }
        let waiting = Task { await failure { try await pool.run(operation: "wait", owner: owner) {} } }
        let stranger = Task { try await pool.run(operation: "other", owner: other) { 7 } }
        while pool.waitingCount < 2 { await Task.yield() }
        pool.abandonAll(of: owner)
        #expect(await running.value?.kind == .connectionClosed)
        #expect(await waiting.value?.kind == .connectionClosed)
        #expect(pool.threadCounts == (1, 1))
        gate.signal()
        #expect(try await stranger.value == 7)
        #expect(pool.threadCounts == (1, 0))
    }

    @Test func neverMakesACallThatIsCancelledBefore() async throws {
        let pool = BlockingPool(size: 1, spare: 0)
        let gate = DispatchSemaphore(value: 0)
        let hold = Task { try await pool.run(operation: "hold") { gate.wait() } }
        #expect(await holds { pool.threadCounts.all == 1 })
        let wasMade = Locked(false)
        let task = Task {
            try await pool.run(operation: "cancelled") { wasMade.withLock { $0 = true } }
        }
        #expect(await holds { pool.waitingCount == 1 })
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        gate.signal()
        try await hold.value
        _ = try await pool.run(operation: "after") {}
        #expect(!wasMade.withLock { $0 })
    }

    @Test func ofManyAnswersTheFirstCounts() async throws {
        // Result, deadline and cancellation arrive together; a continuation resumed twice would trap.
        let pool = BlockingPool(size: 8, spare: 8)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<2000 {
                group.addTask {
                    let task = Task {
                        try await pool.run(deadline: .microseconds(number % 200), operation: "race") { number }
                    }
                    if number % 3 == 0 { task.cancel() }
                    if let value = try? await task.value { #expect(value == number) }
                }
            }
        }
        #expect(try await pool.run(operation: "after") { 1 } == 1)
    }

    @Test func endsItsThreadsWithIt() async throws {
        var pool: BlockingPool? = BlockingPool(size: 3, name: "pool-end")
        let name = try await pool?.run(deadline: .milliseconds(500), operation: "one") { threadName() }
        #expect(name == "pool-end-1")
        #expect(await holds { threadNames().contains("pool-end-1") })
        pool = nil
        #expect(await holds { !threadNames().contains { $0.hasPrefix("pool-end") } })
    }

    @Test(arguments: [
        (Duration.seconds(Int64.max), true), (.zero, false), (.seconds(-5), false), (.nanoseconds(1), false),
    ])
    func addsDurationsWithoutOverflow(duration: Duration, isNever: Bool) {
        #expect((MonotonicInstant.now.advanced(by: duration) == .never) == isNever)
    }
}

private struct Unlucky: Error {}

/// A call that runs and does not return until the gate opens.
private struct HungCall {
    private let task: Task<Void, any Error>

    /// Returns when the call has begun.
    init(_ pool: BlockingPool, _ gate: DispatchSemaphore, _ after: @escaping @Sendable () -> Void = {}) async {
        let (begins, begin) = AsyncStream.makeStream(of: Void.self)
        task = Task {
            try await pool.run(operation: "hang") {
                begin.finish()
                gate.wait()
                after()
            }
        }
        for await _ in begins {}
    }

    /// Cancels the caller.
    /// - Returns: whether it went on with a `CancellationError`.
    func giveUp() async -> Bool {
        task.cancel()
        do {
            try await task.value
            return false
        } catch {
            return error is CancellationError
        }
    }
}

private final class Token: Sendable {
    private let wasHeld: Locked<Bool>
    private let onEnd: @Sendable () -> Void

    init(_ wasHeld: Locked<Bool>, onEnd: @escaping @Sendable () -> Void) {
        self.wasHeld = wasHeld
        self.onEnd = onEnd
    }

    deinit {
        onEnd()
    }

    func hold() {
        wasHeld.withLock { $0 = true }
    }
}

/// Holds the thread for a moment, as a C call would.
private func usleepOfABlockingCall() {
    let gate = DispatchSemaphore(value: 0)
    _ = gate.wait(timeout: .now() + .microseconds(200))
}

func threadName() -> String {
    (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8))?
        .trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
}

func threadNames() -> [String] {
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return threads.compactMap {
        (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
