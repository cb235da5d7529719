import DBus
import Synchronization
import VMManagerAPI

extension VMManagerClient {
    /// The changes from now on, in order. It goes on over restarts of the service and does not start it.
    ///
    /// The stream ends with `busUnreachable` when the bus goes away, and with an error when its reader falls too far behind.
    public func changes() async throws -> AsyncThrowingStream<VMChange, any Error> {
        do {
            let owners = try await connection.signals(
                MatchRule(
                    sender: "org.freedesktop.DBus", interface: "org.freedesktop.DBus", member: "NameOwnerChanged",
                    arg0: BusNames.service))
            // One rule for all signals of the service keeps them in their order.
            let signals = try await connection.signals(
                MatchRule(sender: BusNames.service, pathNamespace: BusNames.manager))
            let owner = try await connection.nameOwner(BusNames.service)
            return merge(signals, owners, owner: owner)
        } catch let error as DBusError {
            throw ClientError(calling: "AddMatch", error)
        }
    }

    /// How many changes may wait for a reader.
    private static let bufferLimit = 65_536

    private func merge(
        _ signals: SignalStream, _ owners: SignalStream, owner: String?
    ) -> AsyncThrowingStream<VMChange, any Error> {
        AsyncThrowingStream(bufferingPolicy: .bufferingOldest(Self.bufferLimit)) { continuation in
            let funnel = Funnel(continuation, ServiceWatch(owner: owner), connection)
            let first = funnel.drain(signals) { watch, message in
                guard let sender = message.sender, let change = VMChange(message) else { return [] }
                return watch.signal(change, from: sender)
            }
            let second = funnel.drain(owners) { watch, message in
                let names = message.body.compactMap(\.stringValue)
                guard names.count == 3 else { return [] }
                return watch.ownerChanged(from: names[1], to: names[2])
            }
            continuation.onTermination = { _ in
                first.cancel()
                second.cancel()
            }
        }
    }
}

/// Where two streams of signals become one stream of changes.
private final class Funnel: Sendable {
    private let continuation: AsyncThrowingStream<VMChange, any Error>.Continuation
    private let watch: Mutex<ServiceWatch>
    /// Held so that the stream lives on without the client.
    private let connection: DBusConnection

    init(
        _ continuation: AsyncThrowingStream<VMChange, any Error>.Continuation, _ watch: ServiceWatch,
        _ connection: DBusConnection
    ) {
        self.continuation = continuation
        self.watch = Mutex(watch)
        self.connection = connection
    }

    func drain(
        _ stream: SignalStream, _ changes: @escaping @Sendable (inout ServiceWatch, DBusMessage) -> [VMChange]
    ) -> Task<Void, Never> {
        Task {
            do throws(DBusError) {
                for try await message in stream { pass(message, changes) }
                continuation.finish()
            } catch {
                continuation.finish(throwing: ClientError(calling: "signals", error))
            }
        }
    }

    private func pass(_ message: DBusMessage, _ changes: (inout ServiceWatch, DBusMessage) -> [VMChange]) {
        // Passed on under the lock, so that the order found there is the order of the stream.
        watch.withLock { watch in
            for change in changes(&watch, message) {
                guard case .dropped = continuation.yield(change) else { continue }
                continuation.finish(throwing: ClientError(.other, "more changes than were read; they are lost"))
            }
        }
    }
}
