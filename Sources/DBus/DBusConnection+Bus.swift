import CDBus
import Glibc

extension DBusConnection {
    /// Which bus to connect to.
    public enum Bus: Sendable, Hashable {
        /// The system bus; `DBUS_SYSTEM_BUS_ADDRESS` is honoured.
        case system
        /// The bus of the login session; `DBUS_SESSION_BUS_ADDRESS` is honoured.
        case session
        /// A server address of the specification, such as `unix:path=/run/dbus/system_bus_socket`.
        case address(String)
    }

    /// Takes a well-known name. It is not queued for and not given to others. D-Bus: `RequestName`.
    /// - Throws: `AddressInUse` if another connection owns it, `AccessDenied` if the bus's policy forbids it.
    public func requestName(_ name: String) async throws(DBusError) {
        // DBUS_NAME_FLAG_DO_NOT_QUEUE
        let code = try await busCall("RequestName", [.string(name), .uint32(4)]).body.first?.uint32Value
        // DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER, DBUS_REQUEST_NAME_REPLY_ALREADY_OWNER
        guard code == 1 || code == 4 else {
            throw DBusError(name: DBusError.Name.addressInUse, message: "the bus name \(name) is taken")
        }
    }

    /// Gives a well-known name back; one that is not owned is no error. D-Bus: `ReleaseName`.
    public func releaseName(_ name: String) async throws(DBusError) {
        _ = try await busCall("ReleaseName", [.string(name)])
    }

    /// The unique name of the connection that owns `name`; nil if none does. D-Bus: `GetNameOwner`.
    public func nameOwner(_ name: String) async throws -> String? {
        do throws(DBusError) {
            return try await ask("GetNameOwner", [.string(name)]).singleString.get()
        } catch  where error.name == DBusError.Name.nameHasNoOwner {
            return nil
        }
    }

    /// The user of a connection, by the credentials that the bus holds. D-Bus: `GetConnectionUnixUser`.
    /// - Throws: `NameHasNoOwner` if the connection is gone.
    public func credentials(of uniqueName: String) async throws -> UInt32 {
        let reply = try await ask("GetConnectionUnixUser", [.string(uniqueName)])
        guard let uid = reply.body.first?.uint32Value else {
            throw DBusError.failed("the bus answered with '\(reply.bodySignature)' instead of a user number")
        }
        return uid
    }

    /// Returns when no connection has this unique name any more, at once if none has. D-Bus: `NameOwnerChanged`.
    /// - Throws: `Disconnected`, `LimitsExceeded` if the bus takes no further match rule, `CancellationError`.
    public func waitForDeparture(of uniqueName: String) async throws {
        let departures = try await signals(
            MatchRule(
                sender: BusLink.busName, path: "/org/freedesktop/DBus", interface: BusLink.busName,
                member: "NameOwnerChanged", arg0: uniqueName))
        guard try await nameOwner(uniqueName) != nil else { return }
        for try await change in departures where change.body.last?.stringValue?.isEmpty == true { return }
        throw CancellationError()
    }

    private func ask(_ member: String, _ body: [DBusValue]) async throws(DBusError) -> DBusMessage {
        let link = link
        let result = await withCheckedContinuation { continuation in
            link.askBus(member, body) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    private func busCall(_ member: String, _ body: [DBusValue]) async throws(DBusError) -> DBusMessage {
        let link = link
        let result = await withCheckedContinuation { continuation in
            link.callBus(member, body) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }
}

extension DBusConnection.Bus {
    /// The address, found as libdbus finds it; the environment counts only in a process without raised rights.
    var address: String {
        get throws(DBusError) {
            switch self {
            case .address(let address): return address
            case .system:
                return Self.environment("DBUS_SYSTEM_BUS_ADDRESS") ?? "unix:path=/run/dbus/system_bus_socket"
            case .session:
                if let address = Self.environment("DBUS_SESSION_BUS_ADDRESS") { return address }
                guard let directory = Self.environment("XDG_RUNTIME_DIR"),
                    let escaped = dbus_address_escape_value(directory + "/bus")
                else { throw DBusError(name: DBusError.Name.noServer, message: "there is no session bus") }
                defer { dbus_free(escaped) }
                return "unix:path=" + String(cString: escaped)
            }
        }
    }

    private static func environment(_ name: String) -> String? {
        guard let value = secure_getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
