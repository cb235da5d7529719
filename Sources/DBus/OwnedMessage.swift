import CDBus

/// The owner of one reference to a C message. It stays on the thread of the loop.
struct OwnedMessage: ~Copyable {
    let pointer: OpaquePointer

    /// Takes over a reference; nil is libdbus being out of memory.
    init(owning pointer: OpaquePointer?) throws(DBusError) {
        guard let pointer else { throw .outOfMemory }
        self.pointer = pointer
    }

    deinit {
        dbus_message_unref(pointer)
    }

    /// The C form of a message; header and body are checked first.
    static func encoding(_ message: DBusMessage) throws(DBusError) -> OwnedMessage {
        try message.validateHeader()
        try WireCheck.check(message.body, as: message.bodySignature)
        let owned = try OwnedMessage(owning: dbus_message_new(message.kind.code))
        let pointer = owned.pointer
        let done =
            dbus_message_set_path(pointer, message.path?.rawValue) != 0
            && dbus_message_set_interface(pointer, message.interface) != 0
            && dbus_message_set_member(pointer, message.member) != 0
            && dbus_message_set_error_name(pointer, message.errorName) != 0
            && dbus_message_set_destination(pointer, message.destination) != 0
            && (message.replySerial == 0 || dbus_message_set_reply_serial(pointer, message.replySerial) != 0)
        guard done else { throw .outOfMemory }
        dbus_message_set_no_reply(pointer, message.flags.contains(.noReplyExpected) ? 1 : 0)
        dbus_message_set_auto_start(pointer, message.flags.contains(.noAutoStart) ? 0 : 1)
        dbus_message_set_allow_interactive_authorization(
            pointer, message.flags.contains(.allowInteractiveAuthorization) ? 1 : 0)
        try MessageEncoder.append(message.body, to: owned)
        return owned
    }
}

extension DBusMessage.Kind {
    /// `DBUS_MESSAGE_TYPE_*`.
    var code: Int32 {
        switch self {
        case .methodCall: 1
        case .methodReturn: 2
        case .error: 3
        case .signal: 4
        }
    }

    init?(code: Int32) {
        switch code {
        case 1: self = .methodCall
        case 2: self = .methodReturn
        case 3: self = .error
        case 4: self = .signal
        default: return nil
        }
    }
}

extension DBusMessage {
    /// Copies the header of a C message; nil for a kind that the specification does not know.
    init?(header message: OpaquePointer) {
        self.init(message, body: [], bodySignature: .empty)
    }

    /// Copies a whole C message.
    init?(_ message: OpaquePointer) throws(DBusError) {
        let (signature, body) = try MessageDecoder.body(of: message)
        self.init(message, body: body, bodySignature: signature)
    }

    private init?(_ message: OpaquePointer, body: [DBusValue], bodySignature: Signature) {
        func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }
        guard let kind = Kind(code: dbus_message_get_type(message)) else { return nil }
        var flags: Flags = []
        if dbus_message_get_no_reply(message) != 0 { flags.insert(.noReplyExpected) }
        if dbus_message_get_auto_start(message) == 0 { flags.insert(.noAutoStart) }
        if dbus_message_get_allow_interactive_authorization(message) != 0 {
            flags.insert(.allowInteractiveAuthorization)
        }
        self.init(
            kind: kind, flags: flags, path: text(dbus_message_get_path(message)).map(ObjectPath.init(unchecked:)),
            interface: text(dbus_message_get_interface(message)), member: text(dbus_message_get_member(message)),
            errorName: text(dbus_message_get_error_name(message)),
            destination: text(dbus_message_get_destination(message)), sender: text(dbus_message_get_sender(message)),
            serial: dbus_message_get_serial(message), replySerial: dbus_message_get_reply_serial(message), body: body,
            bodySignature: bodySignature)
    }

    /// Refuses what libdbus would abort on, and what would make the bus drop the connection.
    func validateHeader() throws(DBusError) {
        func check(_ value: String?, _ what: String, _ isValid: (String) -> Bool) throws(DBusError) {
            guard let value, !isValid(value) else { return }
            throw .invalidArgs("not a valid \(what): \(value.debugDescription)")
        }
        try check(destination, "destination", NameSyntax.isBus)
        try check(interface, "interface name") {
            NameSyntax.isInterface($0) && $0 != "org.freedesktop.DBus.Local"
        }
        try check(member, "member name", NameSyntax.isMember)
        try check(errorName, "error name", NameSyntax.isError)
        try check(path?.rawValue, "path") { $0 != "/org/freedesktop/DBus/Local" }
        let isComplete =
            switch kind {
            case .methodCall: path != nil && member != nil
            case .signal: path != nil && interface != nil && member != nil
            case .methodReturn: replySerial != 0
            case .error: replySerial != 0 && errorName != nil
            }
        guard isComplete else { throw .invalidArgs("the message lacks a header field that its kind requires") }
    }
}
