/// Objects on the bus: path, interface, member. Every call must be on the loop.
public final class ObjectServer: Sendable {
    /// Adds an interface to an object; announces `InterfacesAdded` below an ObjectManager.
    public func export(_ path: ObjectPath, _ interface: Interface, properties: [String: DBusValue] = [:]) throws(DBusError) {}
    /// Removes an object with all interfaces; announces `InterfacesRemoved`.
    public func unexport(_ path: ObjectPath) {}
    /// Stores changes and announces what really changed in one `PropertiesChanged`.
    public func setProperties(_ path: ObjectPath, interface: String, _ changes: [(String, DBusValue)]) throws(DBusError) {}
    /// Sends a declared signal.
    public func emit(_ path: ObjectPath, interface: String, signal: String, _ body: [DBusValue]) throws(DBusError) {}
    /// Makes the object an ObjectManager of all below it.
    public func addObjectManager(at path: ObjectPath) {}
    /// The stored value of a property.
    public func property(_ path: ObjectPath, interface: String, name: String) -> DBusValue? { nil }
    /// Runs `body` without announcing what it exports or changes: for the first filling, before anyone listens.
    public func withoutAnnouncements<R>(_ body: () throws -> R) rethrows -> R { try body() }
    /// Called for errors of handlers that are no `DBusError`, and for replies that break the declaration.
    public var onUnexpectedError: (@Sendable (MethodCall, any Error) -> Void)? { get { nil } set {} }
}
