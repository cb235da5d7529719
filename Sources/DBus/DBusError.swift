/// An error reply, or a local failure under a D-Bus error name.
///
/// Unknown names keep their name and text; nothing is mapped away.
public struct DBusError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The error name, for example `org.freedesktop.DBus.Error.Failed`.
    public let name: String
    /// The text for people; empty if the sender gave none.
    public let message: String

    /// Makes an error from a name, best one of `DBusError.Name`, and a text.
    public init(name: String, message: String) {
        self.name = name
        self.message = message
    }

    public var description: String { message.isEmpty ? name : "\(name): \(message)" }

    /// A caller's word as a message may repeat it: as long as a name can be, and with everything but plain ASCII replaced.
    static func repeatable(_ word: String) -> String {
        String(String.UnicodeScalarView(word.unicodeScalars.prefix(255).map { (" "..."~").contains($0) ? $0 : "?" }))
    }
}

extension DBusError {
    /// The standard error names (`dbus-protocol.h`, D-Bus specification).
    public enum Name {
        public static let failed = "org.freedesktop.DBus.Error.Failed"
        public static let noMemory = "org.freedesktop.DBus.Error.NoMemory"
        public static let noReply = "org.freedesktop.DBus.Error.NoReply"
        public static let timeout = "org.freedesktop.DBus.Error.Timeout"
        public static let disconnected = "org.freedesktop.DBus.Error.Disconnected"
        public static let noServer = "org.freedesktop.DBus.Error.NoServer"
        public static let serviceUnknown = "org.freedesktop.DBus.Error.ServiceUnknown"
        public static let nameHasNoOwner = "org.freedesktop.DBus.Error.NameHasNoOwner"
        public static let addressInUse = "org.freedesktop.DBus.Error.AddressInUse"
        public static let unknownMethod = "org.freedesktop.DBus.Error.UnknownMethod"
        public static let unknownInterface = "org.freedesktop.DBus.Error.UnknownInterface"
        public static let unknownObject = "org.freedesktop.DBus.Error.UnknownObject"
        public static let unknownProperty = "org.freedesktop.DBus.Error.UnknownProperty"
        public static let propertyReadOnly = "org.freedesktop.DBus.Error.PropertyReadOnly"
        public static let objectPathInUse = "org.freedesktop.DBus.Error.ObjectPathInUse"
        public static let invalidArgs = "org.freedesktop.DBus.Error.InvalidArgs"
        public static let invalidSignature = "org.freedesktop.DBus.Error.InvalidSignature"
        public static let inconsistentMessage = "org.freedesktop.DBus.Error.InconsistentMessage"
        public static let accessDenied = "org.freedesktop.DBus.Error.AccessDenied"
        public static let interactiveAuthorizationRequired =
            "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
        public static let limitsExceeded = "org.freedesktop.DBus.Error.LimitsExceeded"
        public static let notSupported = "org.freedesktop.DBus.Error.NotSupported"
    }

    /// `Failed`: nothing more precise is known.
    public static func failed(_ message: String) -> DBusError { DBusError(name: Name.failed, message: message) }
    /// `NoReply`: the deadline of a call passed.
    public static func noReply(_ message: String) -> DBusError { DBusError(name: Name.noReply, message: message) }
    /// `Timeout`: an operation took longer than it was given.
    public static func timeout(_ message: String) -> DBusError { DBusError(name: Name.timeout, message: message) }
    /// `Disconnected`: the connection is closed or the bus went away.
    public static func disconnected(_ message: String = "the connection to the bus is closed") -> DBusError {
        DBusError(name: Name.disconnected, message: message)
    }
    /// `UnknownMethod`: the interface has no such member.
    public static func unknownMethod(_ message: String) -> DBusError {
        DBusError(name: Name.unknownMethod, message: message)
    }
    /// `UnknownInterface`: the object has no such interface.
    public static func unknownInterface(_ message: String) -> DBusError {
        DBusError(name: Name.unknownInterface, message: message)
    }
    /// `UnknownObject`: there is no object at the path.
    public static func unknownObject(_ message: String) -> DBusError {
        DBusError(name: Name.unknownObject, message: message)
    }
    /// `UnknownProperty`: the interface has no such property.
    public static func unknownProperty(_ message: String) -> DBusError {
        DBusError(name: Name.unknownProperty, message: message)
    }
    /// `PropertyReadOnly`: the property cannot be set.
    public static func propertyReadOnly(_ message: String) -> DBusError {
        DBusError(name: Name.propertyReadOnly, message: message)
    }
    /// `InvalidArgs`: an argument has the wrong type or an unusable value.
    public static func invalidArgs(_ message: String) -> DBusError {
        DBusError(name: Name.invalidArgs, message: message)
    }
    /// `AccessDenied`: the caller may not do this.
    public static func accessDenied(_ message: String) -> DBusError {
        DBusError(name: Name.accessDenied, message: message)
    }
    /// `InteractiveAuthorizationRequired`: a prompt could help, but the caller did not allow one.
    public static func interactiveAuthorizationRequired(_ message: String) -> DBusError {
        DBusError(name: Name.interactiveAuthorizationRequired, message: message)
    }
    /// `LimitsExceeded`: a limit of the bus or of this library would be passed.
    public static func limitsExceeded(_ message: String) -> DBusError {
        DBusError(name: Name.limitsExceeded, message: message)
    }
    /// `NotSupported`: the operation does not exist here.
    public static func notSupported(_ message: String) -> DBusError {
        DBusError(name: Name.notSupported, message: message)
    }
}
