import CDBus

/// What a reply needs to know of its call, after the C message is gone.
struct ReplyAddress: Sendable {
    let serial: UInt32
    let sender: String?
    let noReplyExpected: Bool
}

// From a call on the wire to its one reply: path, interface, member, signature, and only then the arguments.
extension ObjectServer {
    /// Answers a call, or has it answered by a task.
    func dispatch(_ message: OpaquePointer) {
        let call = IncomingCall(message)
        do throws(DBusError) {
            try route(call)
        } catch {
            reply(to: call.address, with: error)
        }
    }

    private func route(_ call: IncomingCall) throws(DBusError) {
        let interface = call.interface
        if interface == StandardInterface.peer { return try answerPeer(call) }
        guard let node = tree[call.path] else {
            if interface == nil, StandardInterface.isPeerMember(call.member) { return try answerPeer(call) }
            throw .unknownObject("there is no object \(call.path)")
        }
        guard let interface else { return try routeByMember(call, node) }
        if try answerStandard(call, interface, node) { return }
        guard node.isObject else { throw .unknownObject("there is no object \(call.path)") }
        guard let index = node.index(of: interface) else {
            throw .unknownInterface("\(call.path) has no interface \(interface)")
        }
        let found = node.exports[index].interface
        guard let method = found.methods[call.member] else {
            throw .unknownMethod("\(interface) has no method \(call.member)")
        }
        try invoke(method, of: found, call)
    }

    /// A call that names no interface goes to the first one that has the member.
    private func routeByMember(_ call: IncomingCall, _ node: ObjectTree.Node) throws(DBusError) {
        for export in node.exports {
            if let method = export.interface.methods[call.member] {
                return try invoke(method, of: export.interface, call)
            }
        }
        for interface in StandardInterface.all(isObject: node.isObject, isManager: node.isManager)
        where interface.hasMethod(call.member) {
            if interface.name == StandardInterface.peer { return try answerPeer(call) }
            if try answerStandard(call, interface.name, node) { return }
        }
        guard node.isObject else { throw .unknownObject("there is no object \(call.path)") }
        throw .unknownMethod("\(call.path) has no method \(call.member)")
    }

    private func invoke(_ method: Interface.Method, of interface: Interface, _ call: IncomingCall) throws(DBusError) {
        guard call.hasSignature(method.input) else {
            throw call.wrongSignature(
                expected: String(decoding: method.input.dropLast().map(UInt8.init), as: UTF8.self))
        }
        let address = call.address
        let (arguments, size) = try MessageDecoder.arguments(of: call.message, as: method.inputs)
        let methodCall = MethodCall(
            sender: address.sender ?? "", path: ObjectPath(unchecked: call.path), interface: interface.name,
            member: method.name, arguments: arguments,
            allowsInteractiveAuthorization: dbus_message_get_allow_interactive_authorization(call.message) != 0,
            noReplyExpected: address.noReplyExpected)
        switch method.handler {
        case .immediate(let handler):
            finish(methodCall, address, method.outputs, Result { try handler(methodCall) })
        case .task(let handler):
            let outputs = method.outputs
            let sender = methodCall.sender
            try callsInProgress.enter(sender, size)
            Task { [self] in
                let result: Result<[DBusValue], any Error>
                do { result = .success(try await handler(methodCall)) } catch { result = .failure(error) }
                loop.execute {
                    self.finish(methodCall, address, outputs, result)
                    self.callsInProgress.leave(sender, size)
                    if self.callsInProgress.calls == 0 { self.resumeIdleWaiters() }
                }
            }
        }
    }

    /// Waits until every call that a task answers has its reply, but not longer than `limit`.
    public func waitForReplies(atMost limit: Duration) async {
        await withCheckedContinuation { continuation in
            loop.execute {
                guard self.callsInProgress.calls > 0 else { return continuation.resume() }
                self.lastIdleWaiter &+= 1
                let id = self.lastIdleWaiter
                self.idleWaiters[id] = continuation
                _ = self.loop.agenda.schedule(after: limit) { self.idleWaiters.removeValue(forKey: id)?.resume() }
            }
        }
    }

    private func resumeIdleWaiters() {
        for waiter in idleWaiters.values { waiter.resume() }
        idleWaiters = [:]
    }

    /// The one place where a handler's result becomes the reply.
    private func finish(
        _ call: MethodCall, _ address: ReplyAddress, _ outputs: [DBusType], _ result: Result<[DBusValue], any Error>
    ) {
        switch result {
        case .success(let body):
            do throws(DBusError) {
                try WireCheck.check(body, as: outputs)
                try reply(to: address) { (message) throws(DBusError) in try MessageEncoder.append(body, to: message) }
            } catch {
                guard error.name != DBusError.Name.disconnected else { return }
                fail(call, address, error)
            }
        case .failure(let error as DBusError) where NameSyntax.isError(error.name):
            reply(to: address, with: error)
        case .failure(let error):
            fail(call, address, error)
        }
    }

    private func fail(_ call: MethodCall, _ address: ReplyAddress, _ error: any Error) {
        // First, so that the log does say more when the caller reads that.
        reportUnexpected(call, error)
        reply(to: address, with: .failed("the operation failed inside the service; its log says more"))
    }

    // MARK: Replies

    /// Sends the reply that `fill` completes, if one is expected.
    func reply(
        to address: ReplyAddress, _ fill: (borrowing OwnedMessage) throws(DBusError) -> Void
    ) throws(DBusError) {
        guard !address.noReplyExpected else { return }
        let message = try Self.newReply(DBusMessage.Kind.methodReturn, address)
        try fill(message)
        try outlet.send(message)
    }

    func reply(to address: ReplyAddress, with error: DBusError) {
        guard !address.noReplyExpected else { return }
        // Fails only without a connection or memory, and then there is no one and nothing to tell.
        try? sendError(address, error)
    }

    private func sendError(_ address: ReplyAddress, _ error: DBusError) throws(DBusError) {
        let message = try Self.newReply(.error, address)
        guard dbus_message_set_error_name(message.pointer, error.name) != 0 else { throw .outOfMemory }
        // A NUL would end the text early, and nothing worse.
        try MessageEncoder.append([.string(error.message)], to: message)
        try outlet.send(message)
    }

    private static func newReply(_ kind: DBusMessage.Kind, _ address: ReplyAddress) throws(DBusError) -> OwnedMessage {
        let message = try OwnedMessage(owning: dbus_message_new(kind.code))
        dbus_message_set_no_reply(message.pointer, 1)
        guard dbus_message_set_reply_serial(message.pointer, address.serial) != 0,
            dbus_message_set_destination(message.pointer, address.sender) != 0
        else { throw .outOfMemory }
        return message
    }
}

/// A method call on the wire; valid while libdbus dispatches it.
struct IncomingCall {
    let message: OpaquePointer
    let path: String
    let interface: String?
    let member: String

    init(_ message: OpaquePointer) {
        func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }
        self.message = message
        path = text(dbus_message_get_path(message)) ?? "/"
        interface = text(dbus_message_get_interface(message))
        member = text(dbus_message_get_member(message)) ?? ""
    }

    var address: ReplyAddress {
        ReplyAddress(
            serial: dbus_message_get_serial(message),
            sender: dbus_message_get_sender(message).map { String(cString: $0) },
            noReplyExpected: dbus_message_get_no_reply(message) != 0)
    }

    /// Compares with a NUL-terminated signature.
    func hasSignature(_ expected: [CChar]) -> Bool {
        expected.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return false }
            return dbus_message_has_signature(message, start) != 0
        }
    }

    func hasSignature(_ expected: StaticString) -> Bool {
        expected.withUTF8Buffer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { text in
                guard let start = text.baseAddress else { return false }
                return dbus_message_has_signature(message, start) != 0
            }
        }
    }

    func wrongSignature(expected: String) -> DBusError {
        let actual = dbus_message_get_signature(message).map { String(cString: $0) } ?? ""
        return .invalidArgs("\(member) takes arguments of signature '\(expected)', not '\(actual)'")
    }
}
