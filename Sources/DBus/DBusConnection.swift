import Synchronization

/// A connection to a bus. It lives on an event loop, and so do the objects that it serves.
///
/// No thread ever waits inside libdbus for an answer. Calls, signals and replies share one connection.
public actor DBusConnection {
    public nonisolated let loop: EventLoop
    /// The name that the bus gave, such as `:1.42`.
    public nonisolated let uniqueName: String
    /// The objects that this connection offers.
    public nonisolated let objects: ObjectServer
    let link: BusLink

    public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private init(link: BusLink, uniqueName: String) {
        self.link = link
        self.uniqueName = uniqueName
        loop = link.loop
        objects = link.objects
    }

    deinit {
        let link = link
        loop.execute { link.close() }
    }

    /// Connects and says Hello.
    /// - Throws: `NoServer`, `FileNotFound` and other names of libdbus if there is no bus, `NoReply` if it is silent.
    public static func connect(to bus: Bus, loop: EventLoop) async throws(DBusError) -> DBusConnection {
        let address = try bus.address
        let link = BusLink(loop: loop)
        let result = await withCheckedContinuation { continuation in
            loop.execute { link.open(address) { continuation.resume(returning: $0) } }
        }
        return DBusConnection(link: link, uniqueName: try result.get())
    }

    // MARK: Messages

    /// Calls a method and waits for the reply.
    ///
    /// The bus allows 128 unanswered calls; further ones wait for their turn, within the same deadline.
    /// - Parameter timeout: the deadline; also ends a call whose service has hung.
    /// - Throws: the error of an error reply, `NoReply` at the deadline, `Disconnected`, `InvalidArgs` for a message
    ///   that cannot be sent, and `CancellationError`.
    public func call(_ message: DBusMessage, timeout: Duration = .seconds(25)) async throws -> DBusMessage {
        guard message.kind == .methodCall, !message.flags.contains(.noReplyExpected) else {
            throw DBusError.invalidArgs("only a method call that expects a reply can be waited for")
        }
        try Task.checkCancellation()
        let link = link
        let id = link.nextCallID()
        return try await withTaskCancellationHandler {
            // `self`, because a closure that does not capture the actor does not run on it.
            try await withCheckedThrowingContinuation { continuation in
                self.link.startCall(message, id: id, timeout: timeout) { continuation.resume(with: $0) }
            }
        } onCancel: {
            // Queued, so it comes after the start of the call even if the task is cancelled already.
            link.loop.execute { link.cancelCall(id) }
        }
    }

    /// Sends a message and waits for nothing. A method call goes out as one that expects no reply.
    /// - Throws: `InvalidArgs` for a message that cannot be sent, `LimitsExceeded`, `Disconnected`.
    public func send(_ message: DBusMessage) throws(DBusError) {
        guard link.state == .open else { throw .disconnected() }
        var message = message
        if message.kind == .methodCall { message.flags.insert(.noReplyExpected) }
        try link.outlet.send(.encoding(message))
    }

    /// The signals that match a rule. They are on their way to the stream when this returns.
    ///
    /// With a `sender`, only signals of the current owner of that name are delivered: neither a broadcast nor a
    /// message sent straight to this connection can pretend to be from it. A change of owner is followed.
    /// - Parameter bufferLimit: how many signals wait for the consumer before the stream ends with an error.
    /// - Throws: `InvalidArgs` for a rule that is malformed or not for signals, `Disconnected`, `CancellationError`.
    public func signals(_ rule: MatchRule, bufferLimit: Int = 65_536) async throws -> SignalStream {
        var rule = rule
        rule.type = rule.type ?? .signal
        guard rule.type == .signal else { throw DBusError.invalidArgs("only signals can be matched") }
        try rule.validate()
        let router = link.router
        let (id, stream) = router.subscribe(rule, bufferLimit: bufferLimit)
        do {
            if let name = rule.trackedSender {
                try await result { router.acquireOwner(of: name, completion: $0) }
                router.hold(id, name: name)
            }
            let text = rule.rule
            try await result { router.acquireMatch(text, completion: $0) }
            router.hold(id, rule: text)
            try Task.checkCancellation()
        } catch {
            router.unsubscribe(id)
            throw error
        }
        return stream
    }

    private func result(_ body: (@escaping SignalRouter.Completion) -> Void) async throws(DBusError) {
        let result = await withCheckedContinuation { continuation in
            body { continuation.resume(returning: $0) }
        }
        try result.get()
    }

    // MARK: Closing

    /// Sends what is queued and closes. Pending calls and streams end with `Disconnected`.
    public func close() async {
        link.close()
        await waitUntilClosed()
    }

    /// Returns when the connection is closed, by `close()` or because the bus went away, and when the task is cancelled.
    public func waitUntilClosed() async {
        let link = link
        let id = link.nextCallID()
        await withTaskCancellationHandler {
            // `self`, because a closure that does not capture the actor does not run on it.
            await withCheckedContinuation { continuation in
                self.link.whenClosed(id) { continuation.resume() }
            }
        } onCancel: {
            link.loop.execute { link.stopWaiting(id) }
        }
    }

    /// Whether the connection is closed for good.
    public nonisolated var isClosed: Bool { link.isClosed.load(ordering: .acquiring) }
}
