extension LibvirtConnection {
    /// Calls a handler for each domain event, in order, on libvirt's event thread: the shortest way there is.
    ///
    /// The handler must not block and must not call libvirt; all events of the process wait for it. Ask for events
    /// *before* listing domains, or a change in between is lost. Calls `virConnectDomainEventRegisterAny`.
    @discardableResult
    public func onDomainEvent(
        deadline: Duration = .seconds(30), _ handler: @escaping @Sendable (DomainEvent) -> Void
    ) async throws -> EventSubscription {
        try await subscribe(deadline: deadline, handler, finish: {})
    }

    /// The domain events from now on, in order. The stream ends when the connection does, or the daemon goes.
    ///
    /// Events wait in memory until they are read; none is dropped.
    public func domainEvents(deadline: Duration = .seconds(30)) async throws -> AsyncStream<DomainEvent> {
        let (stream, continuation) = AsyncStream.makeStream(of: DomainEvent.self)
        let subscription = try await subscribe(
            deadline: deadline, { continuation.yield($0) }, finish: { continuation.finish() })
        continuation.onTermination = { _ in subscription.cancel() }
        return stream
    }

    private func subscribe(
        deadline: Duration, _ handler: @escaping @Sendable (DomainEvent) -> Void,
        finish: @escaping @Sendable () -> Void
    ) async throws -> EventSubscription {
        // First the receiver, then libvirt: what comes in between is not lost.
        let hub = core.events
        let subscription = EventSubscription(hub: hub, key: hub.add(handler, finish: finish))
        do {
            try await core.call("virConnectDomainEventRegisterAny", deadline: deadline) { [core] connection, call in
                try core.registerEvents(connection, call)
            }
        } catch {
            subscription.cancel()
            throw error
        }
        return subscription
    }
}
