import Synchronization

/// Hands the events of a connection to those who asked, in libvirt's order, on libvirt's event thread.
final class EventHub: Sendable {
    private struct Receiver {
        let deliver: @Sendable (DomainEvent) -> Void
        let finish: @Sendable () -> Void
    }

    private struct State {
        /// In the order of subscribing.
        var receivers: [(key: UInt64, receiver: Receiver)] = []
        var last: UInt64 = 0
        var isFinished = false
    }

    private let state = Mutex(State())

    init() {}

    deinit {
        finish()
    }

    /// Adds a receiver; `finish` is called once when the connection has ended.
    func add(
        _ deliver: @escaping @Sendable (DomainEvent) -> Void, finish: @escaping @Sendable () -> Void = {}
    ) -> UInt64 {
        let key = state.withLock { state -> UInt64? in
            guard !state.isFinished else { return nil }
            state.last &+= 1
            state.receivers.append((state.last, Receiver(deliver: deliver, finish: finish)))
            return state.last
        }
        if key == nil { finish() }
        return key ?? 0
    }

    func remove(_ key: UInt64) {
        state.withLock { $0.receivers.removeAll { $0.key == key } }
    }

    func deliver(_ event: DomainEvent) {
        for (_, receiver) in state.withLock({ $0.receivers }) { receiver.deliver(event) }
    }

    /// No event comes any more.
    func finish() {
        let receivers = state.withLock { state in
            defer { state.receivers = [] }
            state.isFinished = true
            return state.receivers
        }
        for (_, receiver) in receivers { receiver.finish() }
    }
}

/// A handler that receives events until it is cancelled or the connection ends.
public struct EventSubscription: Sendable {
    private let hub: EventHub
    private let key: UInt64

    init(hub: EventHub, key: UInt64) {
        self.hub = hub
        self.key = key
    }

    /// Ends it. An event that is being delivered at this moment may still arrive.
    public func cancel() {
        hub.remove(key)
    }
}
