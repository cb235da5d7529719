import Synchronization
import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite(.timeLimit(.minutes(1))) struct VMTurnsTests {
    private let turns = VMTurns()
    private let uuid = VMUUID.random()

    /// Takes a turn and keeps it until the gate is opened; returns once it has it.
    private func occupy(_ uuid: VMUUID) async throws -> (gate: Gate, task: Task<Void, any Error>) {
        let gate = Gate()
        let task = Task { [turns] in
            try await turns.withTurn(for: uuid, "test") { () async throws(VMError) in await gate.pass() }
        }
        try await gate.reached()
        return (gate, task)
    }

    @Test func oneAfterTheOtherInTheOrderOfComing() async throws {
        let (gate, first) = try await occupy(uuid)
        let record = Record()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<VMTurns.maximumWaiting {
                group.addTask { [turns, uuid] in
                    try await turns.withTurn(for: uuid, "test") { () async throws(VMError) in
                        #expect(record.enter() == 1)
                        await Task.yield()
                        record.leave(number)
                    }
                }
                try await eventually("number \(number) to wait") { [turns, uuid] in
                    await turns.numberWaiting(for: uuid) == number + 1
                }
            }
            gate.open()
            try await group.waitForAll()
        }
        try await first.value
        #expect(record.order == Array(0..<VMTurns.maximumWaiting))
        #expect(await turns.isEmpty)
    }

    @Test func theOneTooManyIsToldAtOnce() async throws {
        let (gate, first) = try await occupy(uuid)
        let waiting = (0..<VMTurns.maximumWaiting).map { _ in
            Task { [turns, uuid] in try await turns.withTurn(for: uuid, "test") { () async throws(VMError) in } }
        }
        try await eventually("the queue to be full") { [turns, uuid] in
            await turns.numberWaiting(for: uuid) == VMTurns.maximumWaiting
        }
        let error = await failure { try await turns.withTurn(for: uuid, "pause") { () async throws(VMError) in } }
        #expect(error?.code == .busy)
        #expect(error?.message == "cannot pause the VM: too many operations wait for it already; try again later")
        gate.open()
        try await first.value
        for task in waiting { try await task.value }
        // There is room again.
        try await turns.withTurn(for: uuid, "test") { () async throws(VMError) in }
        #expect(await turns.isEmpty)
    }

    @Test func anotherVMDoesNotWait() async throws {
        let (gate, first) = try await occupy(uuid)
        let done = try await within("another VM's turn") { [turns] in
            try await turns.withTurn(for: .random(), "test") { () async throws(VMError) in true }
        }
        #expect(done)
        gate.open()
        try await first.value
    }

    @Test func aFailureGivesTheTurnBack() async throws {
        for _ in 0..<3 {
            let error = await failure {
                try await turns.withTurn(for: uuid, "test") { () async throws(VMError) in
                    throw VMError(.noSpace, "full")
                }
            }
            #expect(error == VMError(.noSpace, "full"))
        }
        #expect(await turns.isEmpty)
    }
}

/// Who was inside, and how many at once.
private final class Record: Sendable {
    private let state = Mutex((order: [Int](), inside: 0))

    var order: [Int] { state.withLock { $0.order } }

    func enter() -> Int {
        state.withLock { state in
            state.inside += 1
            return state.inside
        }
    }

    func leave(_ number: Int) {
        state.withLock { state in
            state.order.append(number)
            state.inside -= 1
        }
    }
}
