import Foundation
import Synchronization
import Testing

@testable import DBus

@Suite(.timeLimit(.minutes(1)))
struct EventLoopTests {
    /// State that only closures on one loop touch.
    final class LoopBox<Value>: @unchecked Sendable {
        var value: Value
        init(_ value: Value) { self.value = value }
    }

    @Test func jobsRunInOrder() async {
        let loop = EventLoop(name: "order")
        defer { loop.shutdown() }
        let seen = LoopBox<[Int]>([])
        for number in 0..<1000 { loop.execute { seen.value.append(number) } }
        let result = await loop.run { seen.value }
        #expect(result == Array(0..<1000))
    }

    @Test func isCurrentOnTheLoopOnly() async {
        let loop = EventLoop(name: "current")
        defer { loop.shutdown() }
        #expect(!loop.isCurrent)
        #expect(await loop.run { loop.isCurrent })
    }

    /// A lost wake-up would leave a round trip waiting for ever.
    @Test func noWakeUpIsLost() async {
        let loop = EventLoop(name: "load")
        defer { loop.shutdown() }
        let count = LoopBox(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for turn in 0..<25_000 {
                        loop.execute { count.value += 1 }
                        if turn % 5 == 0 { await loop.run { count.value += 0 } }
                    }
                }
            }
        }
        let total = await loop.run { count.value }
        #expect(total == 100_000)
    }

    @Test func noWakeUpIsLostFromThreads() async {
        let loop = EventLoop(name: "threads")
        defer { loop.shutdown() }
        let count = LoopBox(0)
        for _ in 0..<3 {
            Thread.detachNewThread {
                for _ in 0..<40_000 { loop.execute { count.value += 1 } }
            }
        }
        // The last one to arrive resumes; the loop looks after each of its own jobs.
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            @Sendable func look() {
                if count.value == 120_000 { continuation.resume() } else { loop.execute(look) }
            }
            loop.execute(look)
        }
        #expect(await loop.run { count.value } == 120_000)
    }

    @Test func timersFireInOrderAndNotEarly() async {
        let loop = EventLoop(name: "timers")
        defer { loop.shutdown() }
        let fired = LoopBox<[Int]>([])
        let start = ContinuousClock.now
        await withCheckedContinuation { continuation in
            loop.execute {
                let agenda = loop.agenda
                _ = agenda.schedule(after: .milliseconds(40)) {
                    fired.value.append(40)
                    continuation.resume()
                }
                _ = agenda.schedule(after: .milliseconds(20)) { fired.value.append(20) }
                _ = agenda.schedule(after: .milliseconds(10)) { fired.value.append(10) }
                _ = agenda.schedule(after: .milliseconds(10)) { fired.value.append(11) }
                let cancelled = agenda.schedule(after: .milliseconds(15)) { fired.value.append(15) }
                agenda.cancel(cancelled)
                _ = agenda.schedule(after: .seconds(Int64.max)) { fired.value.append(-1) }
            }
        }
        #expect(ContinuousClock.now - start >= .milliseconds(40))
        #expect(await loop.run { fired.value } == [10, 11, 20, 40])
    }

    @Test func whatIsRepeatedComesAgainAndEndsWithTheLoop() async {
        let (ticks, isTicking) = AsyncStream.makeStream(of: ContinuousClock.Instant.self)
        var loop: EventLoop? = EventLoop(name: "repeat")
        let start = ContinuousClock.now
        loop?.repeatEvery(.milliseconds(20)) { isTicking.yield(.now) }
        var times: [ContinuousClock.Instant] = []
        for await time in ticks {
            times.append(time)
            if times.count == 3 { break }
        }
        for (number, time) in times.enumerated() { #expect(time - start >= .milliseconds(20 * (number + 1))) }
        loop?.shutdown()
        loop = nil
    }

    @Test func anIdleLoopSleeps() async {
        let idle = EventLoop(name: "idle")
        let clock = EventLoop(name: "clock")
        defer {
            idle.shutdown()
            clock.shutdown()
        }
        await idle.run {}
        await Self.pause(on: clock, .milliseconds(20))
        let before = idle.turns.load(ordering: .relaxed)
        await Self.pause(on: clock, .milliseconds(300))
        #expect(idle.turns.load(ordering: .relaxed) == before)
    }

    @Test func anIdleConnectionSleeps() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            _ = try await client.callTest("Add", [.int32(1), .int32(1)])
            let clock = EventLoop(name: "clock")
            defer { clock.shutdown() }
            await Self.pause(on: clock, .milliseconds(50))
            let before = (service.loop.turns.load(ordering: .relaxed), client.loop.turns.load(ordering: .relaxed))
            await Self.pause(on: clock, .milliseconds(300))
            let after = (service.loop.turns.load(ordering: .relaxed), client.loop.turns.load(ordering: .relaxed))
            #expect(before == after)
        }
    }

    private static func pause(on loop: EventLoop, _ duration: Duration) async {
        await withCheckedContinuation { continuation in
            loop.execute { _ = loop.agenda.schedule(after: duration) { continuation.resume() } }
        }
    }

    actor Counter {
        nonisolated let loop: EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
        private(set) var count = 0

        init(loop: EventLoop) { self.loop = loop }

        func increment() { count += 1 }

        /// Reaches another actor on the same loop without a hop.
        func drive(_ other: Counter) -> Int {
            other.assumeIsolated { other in
                other.increment()
                return other.count
            }
        }
    }

    @Test func actorsOnOneLoopReachEachOther() async {
        let loop = EventLoop(name: "actors")
        defer { loop.shutdown() }
        let first = Counter(loop: loop)
        let second = Counter(loop: loop)
        for expected in 1...100 { #expect(await first.drive(second) == expected) }
        // Also from a plain closure on the loop, as a message handler is.
        let count = await loop.run { second.assumeIsolated { $0.count } }
        #expect(count == 100)
        #expect(await first.count == 0)
    }

    @Test func jobsAfterShutdownStillRun() async {
        let loop = EventLoop(name: "late")
        await loop.run {}
        loop.shutdown()
        for _ in 0..<100 { #expect(await loop.run { loop.isCurrent }) }
        let counter = Counter(loop: loop)
        await counter.increment()
        #expect(await counter.count == 1)
    }
}
