import CDBus

/// The way out to the bus, shared by what sends. It leads nowhere once the connection is closed.
///
/// Unchecked: used on the thread of the loop only, by the link, the object server and the connection actor, which check
/// that or live there.
final class BusOutlet: @unchecked Sendable {
    /// The C connection while it is open; `BusLink` owns it.
    var connection: OpaquePointer?

    /// Sends a message, at once if the socket takes it; the rest goes out when the socket is writable again.
    /// - Returns: the serial of the message.
    /// - Throws: `Disconnected`, `NotSupported` for descriptors on a transport without them, `NoMemory`.
    @discardableResult
    func send(_ message: borrowing OwnedMessage) throws(DBusError) -> UInt32 {
        guard let connection else { throw .disconnected() }
        if dbus_message_contains_unix_fds(message.pointer) != 0, dbus_connection_can_send_type(connection, fdCode) == 0
        {
            throw .notSupported("the connection does not carry file descriptors")
        }
        var serial: dbus_uint32_t = 0
        guard dbus_connection_send(connection, message.pointer, &serial) != 0 else { throw .outOfMemory }
        return serial
    }

    private let fdCode = Int32(DBusType.unixFD.code)
}
