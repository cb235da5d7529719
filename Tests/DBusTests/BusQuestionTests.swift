import Foundation
import Testing

@testable import DBus

@Suite(.timeLimit(.minutes(1)))
struct BusQuestionTests {
    /// Others can fill what the bus holds for a connection, and then the bus drops its own answers without a word.
    @Test func anAnswerThatTheBusDropsIsAskedForAgain() async throws {
        try await TestBus.with { bus in
            let service = try await bus.connect()
            let witness = try await bus.connect()
            let (isFull, isSent, goesOn) = (DispatchSemaphore(value: 0), Door(), DispatchSemaphore(value: 0))
            let link = await service.link
            let answer = Task {
                await withCheckedContinuation { continuation in
                    link.loop.execute {
                        // Nothing is read from here to the end of this job.
                        isFull.wait()
                        link.askBus("GetConnectionUnixUser", [.string(witness.uniqueName)]) {
                            continuation.resume(returning: $0)
                        }
                        isSent.open()
                        goesOn.wait()
                    }
                }
            }
            for _ in 0..<2 { try await Self.fill(service.uniqueName, by: try await bus.connect()) }
            isFull.signal()
            await isSent.wait()
            // The bus takes messages in the order of their arrival, so that it has dropped the answer by then.
            for _ in 0..<2 { _ = try await witness.nameOwner(service.uniqueName) }
            goesOn.signal()
            #expect(try await answer.value.get().body == [.uint32(getuid())])
            #expect(await service.isolatedUnclaimed == 0, "the first answer came")
        }
    }

    /// More bytes than the socket takes, and behind them 45 descriptors; the bus takes no 64 from one client, and holds no more for one.
    private static func fill(_ name: String, by flood: DBusConnection) async throws {
        let bytes = DBusValue.array(of: .byte, Array(repeating: .byte(0), count: 1 << 20))
        try await flood.send(message(to: name, [bytes]))
        for _ in 0..<3 {
            let files = (0..<15).map { _ in DBusValue.unixFD(UnixFD(owning: open("/dev/null", O_RDONLY))) }
            try await flood.send(message(to: name, files))
        }
        // Answered when the bus has taken what was sent before.
        _ = try await flood.nameOwner(name)
    }

    private static func message(to name: String, _ body: [DBusValue]) -> DBusMessage {
        .methodCall(destination: name, path: "/", interface: "org.example.Test", member: "Fill", body: body)
    }
}

extension DBusConnection {
    fileprivate var isolatedUnclaimed: Int { link.calls.unclaimedReplies }
}

/// Opened once, from any thread; waited for by a task.
private final class Door: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func open() { continuation.finish() }

    func wait() async { for await _ in stream {} }
}
