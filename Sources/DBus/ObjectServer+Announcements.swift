import CDBus

// The signals of the standard interfaces.
//
// Announcing cannot fail for what is announced, since it was checked when it was stored; what is left is a closed
// connection, on which nobody listens, and libdbus being out of memory, after which listeners have to read again.
extension ObjectServer {
    static func newSignal(_ path: ObjectPath, _ interface: String, _ member: String) throws(DBusError) -> OwnedMessage {
        try OwnedMessage(owning: dbus_message_new_signal(path.rawValue, interface, member))
    }

    /// `InterfacesAdded(o, a{sa{sv}})`, from each object manager above.
    func announceAdded(_ path: ObjectPath, _ export: ObjectTree.Export) {
        for manager in tree.managers(above: path) {
            try? sendSignal(manager.path, StandardInterface.objectManager, "InterfacesAdded") {
                (out) throws(DBusError) in
                try MessageEncoder.string(path.rawValue, .objectPath, &out)
                try MessageEncoder.container(.array(.byte), "{sa{sv}}", &out) { (out) throws(DBusError) in
                    try export.append(to: &out)
                }
            }
        }
    }

    /// `InterfacesRemoved(o, as)`, from each object manager above.
    func announceRemoved(_ path: ObjectPath, _ names: [String]) {
        for manager in tree.managers(above: path) {
            try? sendSignal(manager.path, StandardInterface.objectManager, "InterfacesRemoved") {
                (out) throws(DBusError) in
                try MessageEncoder.string(path.rawValue, .objectPath, &out)
                try MessageEncoder.append(.strings(names), to: &out)
            }
        }
    }

    /// `PropertiesChanged(s, a{sv}, as)`, with what is declared to be announced.
    func announceChanged(_ path: ObjectPath, _ export: ObjectTree.Export, _ positions: [Int]) {
        let properties = export.interface.description.properties
        let changed = positions.filter { properties[$0].emitsChangedSignal == .changes }
        let invalidated = positions.filter { properties[$0].emitsChangedSignal == .invalidates }
        guard !changed.isEmpty || !invalidated.isEmpty else { return }
        try? sendSignal(path, StandardInterface.properties, "PropertiesChanged") { (out) throws(DBusError) in
            try MessageEncoder.string(export.interface.name, .string, &out)
            try MessageEncoder.container(.array(.byte), "{sv}", &out) { (out) throws(DBusError) in
                for position in changed { try export.appendProperty(position, to: &out) }
            }
            try MessageEncoder.append(.strings(invalidated.map { properties[$0].name }), to: &out)
        }
    }

    private func sendSignal(
        _ path: ObjectPath, _ interface: String, _ member: String,
        _ body: (inout DBusMessageIter) throws(DBusError) -> Void
    ) throws(DBusError) {
        guard outlet.connection != nil else { return }
        let message = try Self.newSignal(path, interface, member)
        var iterator = DBusMessageIter()
        dbus_message_iter_init_append(message.pointer, &iterator)
        try body(&iterator)
        try outlet.send(message)
    }
}

extension ObjectTree.Export {
    /// One entry of `a{sa{sv}}`: the interface with all its properties.
    func append(to out: inout DBusMessageIter) throws(DBusError) {
        try MessageEncoder.entry(&out) { (out) throws(DBusError) in
            try MessageEncoder.string(interface.name, .string, &out)
            try appendProperties(to: &out)
        }
    }

    /// `a{sv}` with all properties.
    func appendProperties(to out: inout DBusMessageIter) throws(DBusError) {
        try MessageEncoder.container(.array(.byte), "{sv}", &out) { (out) throws(DBusError) in
            for position in values.indices { try appendProperty(position, to: &out) }
        }
    }

    /// One entry of `a{sv}`.
    func appendProperty(_ position: Int, to out: inout DBusMessageIter) throws(DBusError) {
        try MessageEncoder.entry(&out) { (out) throws(DBusError) in
            try MessageEncoder.string(interface.description.properties[position].name, .string, &out)
            try MessageEncoder.variant(values[position], to: &out)
        }
    }
}
