import DBus
import Foundation
import Testing
import VMCore
import VMTestSupport

@testable import VMManagerService

@Suite(.timeLimit(.minutes(1))) struct WatchdogTests {
    @Test(arguments: [
        ("30000000", nil, Duration.seconds(30)), ("1", nil, .microseconds(1)),
        ("30000000", "\(getpid())", .seconds(30)),
        // Meant for another process, for nobody, or for whoever understands it.
        ("30000000", "1", nil), ("30000000", "", nil), ("0", nil, nil), ("-5", nil, nil), ("", nil, nil),
        ("soon", nil, nil), ("99999999999999999999", nil, nil), (nil, "\(getpid())", nil), (nil, nil, nil),
    ])
    func readsWhatTheServiceManagerSays(_ microseconds: String?, _ process: String?, _ limit: Duration?) {
        #expect(Watchdog(microseconds: microseconds, process: process)?.limit == limit)
    }

    @Test func itIsTheLoopThatSaysSo() async throws {
        let watched = try Watched()
        let witness = try Watched()
        for _ in 0..<3 { try await watched.word() }
        // A loop that hangs is silent, however long that takes.
        let hang = DispatchSemaphore(value: 0)
        await withCheckedContinuation { continuation in
            watched.loop.execute {
                continuation.resume()
                hang.wait()
            }
        }
        while watched.receiver.next() != nil {}
        while witness.receiver.next() != nil {}
        for _ in 0..<5 { try await witness.word() }
        #expect(watched.receiver.next() == nil)
        hang.signal()
        try await watched.word()
    }

    /// A loop with a watchdog of 60 ms, and the socket that it tells.
    private final class Watched: Sendable {
        let loop = EventLoop(name: "watched")
        let receiver: Receiver
        let inventory: Inventory

        init() throws {
            let name = "watchdog-\(UUID().uuidString)"
            receiver = try Receiver([0] + Array(name.utf8))
            inventory = Inventory(hypervisor: FakeHypervisor(), executor: loop)
            let watchdog = try #require(Watchdog(microseconds: "60000", process: nil))
            watchdog.start(on: loop, inventory, ServiceNotification(socket: "@" + name))
        }

        deinit { loop.shutdown() }

        func word() async throws {
            try await eventually("a word") { self.receiver.next() == "WATCHDOG=1" }
        }
    }
}
