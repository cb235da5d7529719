import CDBus

/// The calls that wait for a reply.
struct CallTable {
    typealias Completion = @Sendable (Result<DBusMessage, any Error>) -> Void

    struct Call {
        let id: UInt64
        let timer: LoopAgenda.TimerID
        /// The only sender, besides the bus, whose reply counts; nil if a well-known name was called.
        let expectedSender: String?
        let completion: Completion
    }

    struct Waiting {
        let call: Call
        let message: DBusMessage
    }

    /// The bus refuses more than 128 unanswered calls of one connection (`max_replies_per_connection`), so further
    /// calls wait here. Some room is left for calls that were given up and that the bus still counts.
    static let maximumInFlight = 100

    var bySerial: [UInt32: Call] = [:]
    var waiting: [Waiting] = []
    var lastID: UInt64 = 0
    /// Replies that nobody waits for: late, repeated or never asked for.
    var unclaimedReplies = 0

    mutating func removeFirst(id: UInt64) -> Call? {
        if let index = waiting.firstIndex(where: { $0.call.id == id }) { return waiting.remove(at: index).call }
        guard let serial = bySerial.first(where: { $0.value.id == id })?.key else { return nil }
        return bySerial.removeValue(forKey: serial)
    }
}

extension BusLink {
    /// A number for a call that can be given up under it.
    func nextCallID() -> UInt64 {
        loop.checkIsolated()
        calls.lastID += 1
        return calls.lastID
    }

    /// Sends a call; `completion` runs on the loop, exactly once.
    func startCall(_ message: DBusMessage, id: UInt64, timeout: Duration, completion: @escaping CallTable.Completion) {
        loop.checkIsolated()
        loop.checkIsolated()
        guard state == .open || state == .opening else { return completion(.failure(DBusError.disconnected())) }
        let timer = loop.agenda.schedule(after: timeout) { [weak self] in
            self?.endCall(id, .noReply("no reply to \(message.interface ?? "").\(message.member ?? "") in \(timeout)"))
        }
        let expectedSender = message.destination.flatMap { NameSyntax.isUnique($0) ? $0 : nil }
        let call = CallTable.Call(id: id, timer: timer, expectedSender: expectedSender, completion: completion)
        let isToBus = message.destination == Self.busName
        if !isToBus, calls.bySerial.count >= CallTable.maximumInFlight {
            calls.waiting.append(CallTable.Waiting(call: call, message: message))
        } else {
            transmit(message, call)
        }
    }

    private func transmit(_ message: DBusMessage, _ call: CallTable.Call) {
        do throws(DBusError) {
            let serial = try outlet.send(.encoding(message))
            calls.bySerial[serial] = call
        } catch {
            finish(call, .failure(error))
        }
    }

    /// Ends a call without its reply; nothing happens if it has ended already.
    func cancelCall(_ id: UInt64) {
        loop.checkIsolated()
        guard let call = calls.removeFirst(id: id) else { return }
        finish(call, .failure(CancellationError()))
        startWaiting()
    }

    private func endCall(_ id: UInt64, _ error: DBusError) {
        guard let call = calls.removeFirst(id: id) else { return }
        finish(call, .failure(error))
        startWaiting()
    }

    /// Hands a reply to its call. Replies to nothing, and those of others than the one called, are dropped.
    func completeCall(with message: OpaquePointer) {
        let serial = dbus_message_get_reply_serial(message)
        guard let call = calls.bySerial[serial] else {
            calls.unclaimedReplies += 1
            return
        }
        if let expected = call.expectedSender, let sender = dbus_message_get_sender(message) {
            let sender = String(cString: sender)
            guard sender == expected || sender == Self.busName else { return }
        }
        calls.bySerial[serial] = nil
        do throws(DBusError) {
            guard let reply = try DBusMessage(message) else { return }
            finish(call, reply.kind == .error ? .failure(reply.asError) : .success(reply))
        } catch {
            finish(call, .failure(error))
        }
        startWaiting()
    }

    private func startWaiting() {
        while !calls.waiting.isEmpty, calls.bySerial.count < CallTable.maximumInFlight, outlet.connection != nil {
            let next = calls.waiting.removeFirst()
            transmit(next.message, next.call)
        }
    }

    private func finish(_ call: CallTable.Call, _ result: Result<DBusMessage, any Error>) {
        loop.agenda.cancel(call.timer)
        call.completion(result)
    }

    func failAllCalls() {
        let open = calls.bySerial.values.map(\.self) + calls.waiting.map(\.call)
        calls.bySerial = [:]
        calls.waiting = []
        for call in open { finish(call, .failure(DBusError.disconnected())) }
    }

    /// Calls a method of the bus itself.
    func callBus(
        _ member: String, _ body: [DBusValue] = [], timeout: Duration = .seconds(25),
        completion: @escaping @Sendable (Result<DBusMessage, DBusError>) -> Void
    ) {
        let message = DBusMessage.methodCall(
            destination: Self.busName, path: "/org/freedesktop/DBus", interface: Self.busName, member: member,
            body: body)
        startCall(message, id: nextCallID(), timeout: timeout) { result in
            completion(result.mapError { $0 as? DBusError ?? .failed("\($0)") })
        }
    }

    /// Asks the bus what changes nothing, and asks again while it is silent.
    ///
    /// The bus drops its own answer without a word when more descriptors or bytes wait for this connection than one may have
    /// (`max_outgoing_unix_fds`, `max_outgoing_bytes`), and whoever sends calls with descriptors can bring that about.
    func askBus(
        _ member: String, _ body: [DBusValue], patience: ArraySlice<Duration> = BusLink.patience,
        completion: @escaping @Sendable (Result<DBusMessage, DBusError>) -> Void
    ) {
        let rest = patience.dropFirst()
        callBus(member, body, timeout: patience.first ?? .zero) { [weak self] result in
            guard let self, !rest.isEmpty, case .failure(let error) = result, error.name == DBusError.Name.noReply
            else { return completion(result) }
            self.askBus(member, body, patience: rest, completion: completion)
        }
    }

    /// 25 seconds in all, as any other call has.
    private static let patience: ArraySlice<Duration> = [1, 2, 4, 8, 10].map { .seconds($0) }[...]

    static let busName = "org.freedesktop.DBus"
}

extension DBusMessage {
    /// The error that an error reply carries; its text is the first argument, if that is a string.
    var asError: DBusError {
        DBusError(name: errorName ?? DBusError.Name.failed, message: body.first?.stringValue ?? "")
    }

    /// The one string of a reply.
    var singleString: Result<String, DBusError> {
        guard body.count == 1, let text = body[0].stringValue else {
            return .failure(.failed("the bus answered with '\(bodySignature)' instead of a string"))
        }
        return .success(text)
    }
}
