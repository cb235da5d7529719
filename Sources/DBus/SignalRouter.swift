import CDBus

/// Brings signals to the streams that want them, and keeps the match rules that the bus needs for it.
///
/// Unchecked: used on the thread of the loop only. Entry points check that; the rest is called by `BusLink`.
final class SignalRouter: @unchecked Sendable {
    typealias Completion = @Sendable (Result<Void, DBusError>) -> Void

    private struct Subscription {
        let id: UInt64
        let rule: MatchRule
        let continuation: SignalStream.Source.Continuation
        /// What was acquired for it, and is to be given back.
        var heldName: String?
        var heldRule: String?
    }

    /// A rule that was added to the bus, for one or more users.
    private struct Match {
        var users = 1
        /// Those who wait for the bus to confirm it; nil once it has.
        var waiting: [Completion]?
    }

    let loop: EventLoop
    private weak var link: BusLink?
    private var subscriptions: [Subscription] = []
    private var lastID: UInt64 = 0
    private var matches: [String: Match] = [:]
    var owners: [String: Owner] = [:]
    private var isFinished = false

    init(loop: EventLoop) {
        self.loop = loop
    }

    func attach(to link: BusLink) {
        self.link = link
    }

    // MARK: Streams

    /// Makes a stream; it gets what arrives from now on.
    func subscribe(_ rule: MatchRule, bufferLimit: Int) -> (id: UInt64, stream: SignalStream) {
        loop.checkIsolated()
        loop.checkIsolated()
        lastID += 1
        let id = lastID
        let (stream, continuation) = SignalStream.Source.makeStream(
            bufferingPolicy: .bufferingOldest(max(1, bufferLimit)))
        if isFinished {
            continuation.finish(throwing: DBusError.disconnected())
        } else {
            subscriptions.append(Subscription(id: id, rule: rule, continuation: continuation))
            let router = Weak(self)
            continuation.onTermination = { [loop] _ in loop.execute { router.value?.unsubscribe(id) } }
        }
        return (id, SignalStream(source: stream))
    }

    /// Ends a stream and gives back what it held; nothing happens the second time.
    func unsubscribe(_ id: UInt64, throwing error: DBusError? = nil) {
        loop.checkIsolated()
        guard let index = subscriptions.firstIndex(where: { $0.id == id }) else { return }
        let subscription = subscriptions.remove(at: index)
        subscription.continuation.finish(throwing: error)
        if let rule = subscription.heldRule { releaseMatch(rule) }
        if let name = subscription.heldName { releaseOwner(of: name) }
    }

    /// Notes what was acquired for a stream. If the stream has ended meanwhile, it is given back at once.
    func hold(_ id: UInt64, name: String? = nil, rule: String? = nil) {
        loop.checkIsolated()
        guard let index = subscriptions.firstIndex(where: { $0.id == id }) else {
            if let rule { releaseMatch(rule) }
            if let name { releaseOwner(of: name) }
            return
        }
        if let name { subscriptions[index].heldName = name }
        if let rule { subscriptions[index].heldRule = rule }
    }

    /// Ends all streams: the connection is closed.
    func finish() {
        isFinished = true
        let ended = subscriptions
        subscriptions = []
        owners = [:]
        matches = [:]
        for subscription in ended { subscription.continuation.finish(throwing: DBusError.disconnected()) }
    }

    func deliver(_ message: OpaquePointer) {
        guard !subscriptions.isEmpty || !owners.isEmpty, let header = DBusMessage(header: message) else { return }
        let candidates = subscriptions.filter {
            $0.rule.matchesHeader(header) && isFromOwner(header.sender, of: $0.rule.sender)
        }
        let isOwnerChange = header.sender == BusLink.busName && header.member == "NameOwnerChanged"
        guard !candidates.isEmpty || isOwnerChange else { return }
        // A signal that cannot be decoded is no signal that anyone asked for.
        guard let whole = try? DBusMessage(message) else { return }
        if isOwnerChange { ownerChanged(whole.body) }
        for subscription in candidates where subscription.rule.matchesArguments(whole.body) {
            if case .dropped = subscription.continuation.yield(whole) {
                let error = DBusError.limitsExceeded("more signals arrived than the stream's buffer holds")
                unsubscribe(subscription.id, throwing: error)
            }
        }
    }

    // MARK: Match rules

    /// The rules on the bus, with the number of their users.
    var matchUsers: [String: Int] { matches.mapValues(\.users) }

    /// Adds a rule to the bus unless it is there; `completion` runs when the bus has confirmed it.
    func acquireMatch(_ rule: String, completion: @escaping Completion) {
        loop.checkIsolated()
        if var match = matches[rule] {
            match.users += 1
            match.waiting?.append(completion)
            matches[rule] = match
            if match.waiting == nil { completion(.success(())) }
            return
        }
        guard let link, !isFinished else { return completion(.failure(.disconnected())) }
        matches[rule] = Match(waiting: [completion])
        link.callBus("AddMatch", [.string(rule)]) { [weak self] in self?.matchAdded(rule, $0.map { _ in }) }
    }

    private func matchAdded(_ rule: String, _ result: Result<Void, DBusError>) {
        guard let match = matches[rule], let waiting = match.waiting else { return }
        switch result {
        case .success:
            matches[rule]?.waiting = nil
            if match.users <= 0 { removeMatch(rule) }
        case .failure:
            matches[rule] = nil
        }
        for completion in waiting { completion(result) }
    }

    func releaseMatch(_ rule: String) {
        guard var match = matches[rule] else { return }
        match.users -= 1
        matches[rule] = match
        // While it is being added, the reply decides what is to be done.
        if match.users <= 0, match.waiting == nil { removeMatch(rule) }
    }

    private func removeMatch(_ rule: String) {
        matches[rule] = nil
        link?.callBus("RemoveMatch", [.string(rule)]) { _ in }
    }

    // MARK: Owners of names

    func askBus(
        _ member: String, _ body: [DBusValue],
        _ completion: @escaping @Sendable (Result<DBusMessage, DBusError>) -> Void
    ) {
        guard let link else { return completion(.failure(.disconnected())) }
        link.callBus(member, body, completion: completion)
    }
}

/// A weak reference that can be handed on.
private struct Weak<Value: AnyObject & Sendable>: Sendable {
    weak let value: Value?

    init(_ value: Value) { self.value = value }
}
