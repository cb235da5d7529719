/// The objects that a connection offers: path, interface, member.
///
/// Everything that is read through it comes from memory. Every use must be on the loop, from an actor that has the loop
/// as its executor or through `EventLoop.run`; anything else stops the process.
///
/// Unchecked: all state is reached through members that check that they run on the loop, and through `dispatch`, which
/// the loop calls.
public final class ObjectServer: @unchecked Sendable {
    let loop: EventLoop
    let outlet: BusOutlet
    var tree = ObjectTree()
    /// The calls that have a task that answers them, and who waits until there is none.
    var callsInProgress = CallAdmission()
    var idleWaiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var lastIdleWaiter: UInt64 = 0
    private var isQuiet = false
    private var unexpectedErrorHook: (@Sendable (MethodCall, any Error) -> Void)?

    init(loop: EventLoop, outlet: BusOutlet) {
        self.loop = loop
        self.outlet = outlet
    }

    /// Called for errors of handlers that are no `DBusError`, and for replies that break the declaration. The caller
    /// gets `Failed` with a fixed text in both cases.
    public var onUnexpectedError: (@Sendable (MethodCall, any Error) -> Void)? {
        get {
            loop.checkIsolated()
            return unexpectedErrorHook
        }
        set {
            loop.checkIsolated()
            unexpectedErrorHook = newValue
        }
    }

    // MARK: Objects

    /// Adds an interface to an object. Below an ObjectManager this is announced with `InterfacesAdded`.
    /// - Parameter properties: a value for each declared property, and no other.
    /// - Throws: `InvalidArgs` if the properties are not those of the declaration, `ObjectPathInUse` if the object has
    ///   the interface already.
    public func export(
        _ path: ObjectPath, _ interface: Interface, properties: [String: DBusValue] = [:]
    ) throws(DBusError) {
        loop.checkIsolated()
        let export = try Self.makeExport(interface, properties)
        if let node = tree[path.rawValue], node.index(of: interface.name) != nil {
            throw DBusError(
                name: DBusError.Name.objectPathInUse, message: "\(path) has the interface \(interface.name) already")
        }
        tree.makeNode(path).exports.append(export)
        if !isQuiet { announceAdded(path, export) }
    }

    private static func makeExport(
        _ interface: Interface, _ properties: [String: DBusValue]
    ) throws(DBusError) -> ObjectTree.Export {
        var values: [DBusValue] = []
        values.reserveCapacity(interface.description.properties.count)
        var size = 0
        for property in interface.description.properties {
            guard let value = properties[property.name] else {
                throw .invalidArgs("no value for \(interface.name).\(property.name)")
            }
            size += try interface.check(value, for: property)
            values.append(value)
        }
        if let extra = properties.keys.sorted().first(where: { interface.propertyIndices[$0] == nil }) {
            throw .invalidArgs("\(interface.name) declares no property \(extra)")
        }
        return ObjectTree.Export(interface: interface, values: values, wireSize: size)
    }

    /// Removes an object with all its interfaces; objects below it stay. Announced with `InterfacesRemoved`.
    /// Nothing happens if there is none.
    public func unexport(_ path: ObjectPath) {
        loop.checkIsolated()
        guard let node = tree[path.rawValue], !node.exports.isEmpty else { return }
        let names = node.exports.map(\.interface.name)
        node.exports = []
        tree.prune(node)
        if !isQuiet { announceRemoved(path, names) }
    }

    /// Makes an object the ObjectManager of all objects below it.
    public func addObjectManager(at path: ObjectPath) {
        loop.checkIsolated()
        tree.makeNode(path).isManager = true
    }

    /// Runs `body` without announcing what it exports, removes or changes: for the first filling, when nobody listens.
    public func withoutAnnouncements<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        loop.checkIsolated()
        let before = isQuiet
        isQuiet = true
        defer { isQuiet = before }
        return try body()
    }

    // MARK: Properties and signals

    /// The stored value of a property; nil if there is no such object, interface or property.
    public func property(_ path: ObjectPath, interface: String, name: String) -> DBusValue? {
        loop.checkIsolated()
        guard let node = tree[path.rawValue], let index = node.index(of: interface),
            let position = node.exports[index].interface.propertyIndices[name]
        else { return nil }
        return node.exports[index].values[position]
    }

    /// Stores changes. What really changed is announced in one `PropertiesChanged`; nothing is if nothing did.
    /// - Throws: `UnknownObject`, `UnknownInterface`, `UnknownProperty`, `InvalidArgs`; then nothing is stored.
    public func setProperties(
        _ path: ObjectPath, interface name: String, _ changes: [(String, DBusValue)]
    ) throws(DBusError) {
        loop.checkIsolated()
        let (node, index) = try find(path, name)
        let interface = node.exports[index].interface
        var positions: [Int] = []
        for (property, value) in changes {
            guard let position = interface.propertyIndices[property] else {
                throw .unknownProperty("\(name) has no property \(property)")
            }
            _ = try interface.check(value, for: interface.description.properties[position])
            positions.append(position)
        }
        var changed: [Int] = []
        for (position, change) in zip(positions, changes)
        where !node.exports[index].values[position].isSame(as: change.1) {
            node.exports[index].values[position] = change.1
            if !changed.contains(position) { changed.append(position) }
        }
        guard !changed.isEmpty else { return }
        node.exports[index].wireSize = try interface.wireSize(of: node.exports[index].values)
        if !isQuiet { announceChanged(path, node.exports[index], changed) }
    }

    /// Sends a declared signal from an object.
    /// - Throws: `UnknownObject`, `UnknownInterface`, `InvalidArgs` if the signal is not declared or its arguments
    ///   have other types, `LimitsExceeded`, `Disconnected`.
    public func emit(
        _ path: ObjectPath, interface name: String, signal: String, _ body: [DBusValue]
    ) throws(DBusError) {
        loop.checkIsolated()
        let (node, index) = try find(path, name)
        guard let types = node.exports[index].interface.signals[signal] else {
            throw .invalidArgs("\(name) declares no signal \(signal)")
        }
        try WireCheck.check(body, as: types)
        let message = try Self.newSignal(path, name, signal)
        try MessageEncoder.append(body, to: message)
        try outlet.send(message)
    }

    private func find(_ path: ObjectPath, _ interface: String) throws(DBusError) -> (ObjectTree.Node, Int) {
        guard let node = tree[path.rawValue], node.isObject else { throw .unknownObject("there is no object \(path)") }
        guard let index = node.index(of: interface) else {
            throw .unknownInterface("\(path) has no interface \(interface)")
        }
        return (node, index)
    }

    func reportUnexpected(_ call: MethodCall, _ error: any Error) {
        unexpectedErrorHook?(call, error)
    }
}

extension Interface {
    /// The size bound of a value that is to be stored for a property.
    fileprivate func check(_ value: DBusValue, for property: PropertyDescription) throws(DBusError) -> Int {
        do throws(DBusError) {
            return try WireCheck.checkProperty(value, as: property.type) + property.name.utf8.count
        } catch {
            throw DBusError(name: error.name, message: "\(name).\(property.name): \(error.message)")
        }
    }

    fileprivate func wireSize(of values: [DBusValue]) throws(DBusError) -> Int {
        var size = 0
        for (value, property) in zip(values, description.properties) { size += try check(value, for: property) }
        return size
    }
}
