import DBus
import Synchronization
import VMTestSupport

/// The signals that a client got from the service, in order.
final class SignalRecorder: Sendable {
    private let messages = Mutex<[DBusMessage]>([])

    /// Subscribes to everything that the owner of `sender` sends.
    init(_ client: DBusConnection, from sender: String) async throws {
        let signals = try await client.signals(MatchRule(sender: sender))
        Task { [weak self] in
            for try await message in signals { self?.messages.withLock { $0.append(message) } }
        }
    }

    var all: [DBusMessage] { messages.withLock { $0 } }
    var members: [String] { all.compactMap(\.member) }

    /// Waits for a signal; gives everything that came until then.
    func wait(for member: String, within limit: Duration = .seconds(20)) async throws -> [DBusMessage] {
        try await eventually("the signal \(member)", within: limit) { self.members.contains(member) }
        return all
    }

    func forget() {
        messages.withLock { $0 = [] }
    }
}
