/// A whole message as a Swift value. C messages never leave the thread of the event loop.
///
/// Names and contents are checked when the message is sent, before libdbus sees them.
public struct DBusMessage: Sendable {
    /// What a message is for.
    public enum Kind: Sendable, Hashable {
        case methodCall, methodReturn, error, signal
    }

    /// The header flags of the specification.
    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The caller wants no reply.
        public static let noReplyExpected = Flags(rawValue: 0x1)
        /// The bus shall not start the destination's service.
        public static let noAutoStart = Flags(rawValue: 0x2)
        /// The caller is prepared to wait for an authentication prompt.
        public static let allowInteractiveAuthorization = Flags(rawValue: 0x4)
    }

    public let kind: Kind
    public var flags: Flags
    public let path: ObjectPath?
    public let interface: String?
    public let member: String?
    public let errorName: String?
    public var destination: String?
    /// The unique name of the sender, set by the bus.
    public let sender: String?
    /// The sender's number of this message; 0 before it is sent.
    public let serial: UInt32
    /// The serial of the call that this message answers; 0 for calls and signals.
    public let replySerial: UInt32
    public let body: [DBusValue]
    public let bodySignature: Signature

    init(
        kind: Kind, flags: Flags = [], path: ObjectPath? = nil, interface: String? = nil, member: String? = nil,
        errorName: String? = nil, destination: String? = nil, sender: String? = nil, serial: UInt32 = 0,
        replySerial: UInt32 = 0, body: [DBusValue], bodySignature: Signature? = nil
    ) {
        self.kind = kind
        self.flags = flags
        self.path = path
        self.interface = interface
        self.member = member
        self.errorName = errorName
        self.destination = destination
        self.sender = sender
        self.serial = serial
        self.replySerial = replySerial
        self.body = body
        self.bodySignature = bodySignature ?? Signature(body.map(\.type))
    }

    /// A call of `interface.member` on the object at `path` of `destination`.
    public static func methodCall(
        destination: String, path: ObjectPath, interface: String, member: String, body: [DBusValue] = [],
        allowInteractiveAuthorization: Bool = false
    ) -> DBusMessage {
        DBusMessage(
            kind: .methodCall, flags: allowInteractiveAuthorization ? .allowInteractiveAuthorization : [], path: path,
            interface: interface, member: member, destination: destination, body: body)
    }

    /// A signal of `interface.member` from the object at `path`, to everyone who has a match rule for it.
    public static func signal(
        path: ObjectPath, interface: String, member: String, body: [DBusValue] = []
    ) -> DBusMessage {
        DBusMessage(kind: .signal, path: path, interface: interface, member: member, body: body)
    }
}
