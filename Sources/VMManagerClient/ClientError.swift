public import DBus
import VMManagerAPI

/// Why a call did not get as far as the service's own rules.
public struct ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// There is no connection to the bus, or it broke.
        case busUnreachable
        /// Nobody owns the service's name, and the bus cannot start it.
        case serviceNotRunning
        /// The caller may not do this; the message names the authorization.
        case accessDenied
        /// The caller would have to authenticate, but the call did not allow a prompt.
        case authorizationRequired
        /// The service did not answer in time, or ended before it answered.
        case noReply
        /// Service and client do not speak of the same thing.
        case protocolMismatch
        /// Any other error reply; `cause` has its name.
        case other
    }

    public let kind: Kind
    /// For people: what happened and what to do.
    public let message: String
    /// The D-Bus error as it came, if there was one.
    public let cause: DBusError?

    public init(_ kind: Kind, _ message: String, cause: DBusError? = nil) {
        self.kind = kind
        self.message = message
        self.cause = cause
    }

    public var description: String { message }
}

extension ClientError {
    /// An error that is neither the service's own nor about the caller's rights.
    init(calling member: String, _ error: DBusError) {
        let text = error.message.orName(of: error)
        let (kind, message): (Kind, String) =
            switch error.name {
            case DBusError.Name.disconnected, DBusError.Name.noServer:
                (.busUnreachable, "the connection to the message bus broke: \(text)")
            case DBusError.Name.noReply, DBusError.Name.timeout:
                (.noReply, "no answer from the service: \(text)")
            case let name where Self.isAboutStarting(name):
                (
                    .serviceNotRunning,
                    "the service \(BusNames.service) is not running (\(text)); see 'systemctl status neuron-vmd'"
                )
            case DBusError.Name.failed:
                (.other, "\(member) failed: \(text)")
            default:
                (.other, error.message.isEmpty ? "\(member): \(error.name)" : "\(member): \(text) (\(error.name))")
            }
        self.init(kind, message, cause: error)
    }

    /// The bus's errors for a name without an owner: none can be started, or the start failed (D-Bus specification, `dbus-protocol.h`).
    private static func isAboutStarting(_ name: String) -> Bool {
        name == DBusError.Name.serviceUnknown || name == DBusError.Name.nameHasNoOwner
            || name == "org.freedesktop.DBus.Error.TimedOut" || name.hasPrefix("org.freedesktop.DBus.Error.Spawn.")
            || name.hasPrefix("org.freedesktop.systemd1.")
    }
}
