import CDBus

// The methods of the standard interfaces. They read from memory and are answered where they arrive.
extension ObjectServer {
    /// Answers a call of a standard interface; false if `interface` is none that the node has.
    func answerStandard(_ call: IncomingCall, _ interface: String, _ node: ObjectTree.Node) throws(DBusError) -> Bool {
        switch interface {
        case StandardInterface.properties where node.isObject: try answerProperties(call, node)
        case StandardInterface.introspectable: try answerIntrospect(call, node)
        case StandardInterface.objectManager where node.isManager: try answerManagedObjects(call, node)
        default: return false
        }
        return true
    }

    /// `Ping()`, `GetMachineId() → s`; on every path, whether there is an object or not.
    func answerPeer(_ call: IncomingCall) throws(DBusError) {
        switch call.member {
        case "Ping":
            try call.expectSignature("")
            try reply(to: call.address) { _ throws(DBusError) in }
        case "GetMachineId":
            try call.expectSignature("")
            guard let text = dbus_try_get_local_machine_id(nil) else { throw .failed("this machine has no machine ID") }
            defer { dbus_free(text) }
            let machineID = String(cString: text)
            try reply(to: call.address) { (message) throws(DBusError) in
                try MessageEncoder.append([.string(machineID)], to: message)
            }
        default:
            throw call.unknownMethod(of: StandardInterface.peer)
        }
    }

    private func answerIntrospect(_ call: IncomingCall, _ node: ObjectTree.Node) throws(DBusError) {
        guard call.member == "Introspect" else { throw call.unknownMethod(of: StandardInterface.introspectable) }
        try call.expectSignature("")
        let xml = node.introspectionXML
        try reply(to: call.address) { (message) throws(DBusError) in
            try MessageEncoder.append([.string(xml)], to: message)
        }
    }

    /// `GetManagedObjects() → a{oa{sa{sv}}}`
    private func answerManagedObjects(_ call: IncomingCall, _ node: ObjectTree.Node) throws(DBusError) {
        guard call.member == "GetManagedObjects" else { throw call.unknownMethod(of: StandardInterface.objectManager) }
        try call.expectSignature("")
        var size = 0
        try ObjectTree.objects(below: node) { (object) throws(DBusError) in
            size += object.path.rawValue.utf8.count + 32
            for export in object.exports { size += export.interface.name.utf8.count + 32 + export.wireSize }
            guard size <= WireCheck.maximumBodySize else {
                throw .limitsExceeded("the objects do not fit into one message")
            }
        }
        try reply(to: call.address) { (message) throws(DBusError) in
            var out = DBusMessageIter()
            dbus_message_iter_init_append(message.pointer, &out)
            try MessageEncoder.container(.array(.byte), "{oa{sa{sv}}}", &out) { (out) throws(DBusError) in
                try ObjectTree.objects(below: node) { (object) throws(DBusError) in
                    try object.append(to: &out)
                }
            }
        }
    }
}

// MARK: Properties

extension ObjectServer {
    private func answerProperties(_ call: IncomingCall, _ node: ObjectTree.Node) throws(DBusError) {
        switch call.member {
        case "Get":
            try call.expectSignature("ss")
            try answerGet(call, node)
        case "GetAll":
            try call.expectSignature("s")
            try answerGetAll(call, node)
        case "Set":
            try call.expectSignature("ssv")
            let names = call.strings()
            _ = try findProperty(node, interface: names.first, name: names.second)
            throw .propertyReadOnly("the property \(names.second) cannot be set")
        default:
            throw call.unknownMethod(of: StandardInterface.properties)
        }
    }

    /// `Get(s interface, s name) → v`
    private func answerGet(_ call: IncomingCall, _ node: ObjectTree.Node) throws(DBusError) {
        let names = call.strings()
        let value = try findProperty(node, interface: names.first, name: names.second)
        try reply(to: call.address) { (message) throws(DBusError) in
            var out = DBusMessageIter()
            dbus_message_iter_init_append(message.pointer, &out)
            try MessageEncoder.variant(value, to: &out)
        }
    }

    /// `GetAll(s interface) → a{sv}`; an empty name means all interfaces.
    private func answerGetAll(_ call: IncomingCall, _ node: ObjectTree.Node) throws(DBusError) {
        let name = call.strings().first
        let exports = node.exports.filter { name.isEmpty || $0.interface.name == name }
        if exports.isEmpty, !name.isEmpty, !node.hasStandardInterface(name) {
            throw .unknownInterface("\(call.path) has no interface \(DBusError.repeatable(name))")
        }
        try reply(to: call.address) { (message) throws(DBusError) in
            var out = DBusMessageIter()
            dbus_message_iter_init_append(message.pointer, &out)
            try MessageEncoder.container(.array(.byte), "{sv}", &out) { (out) throws(DBusError) in
                for export in exports {
                    for position in export.values.indices { try export.appendProperty(position, to: &out) }
                }
            }
        }
    }

    /// The value of a property; an empty interface name means the first one that has it.
    private func findProperty(
        _ node: ObjectTree.Node, interface: String, name: String
    ) throws(DBusError) -> DBusValue {
        var hasInterface = interface.isEmpty || node.hasStandardInterface(interface)
        for export in node.exports where interface.isEmpty || export.interface.name == interface {
            hasInterface = true
            if let position = export.interface.propertyIndices[name] { return export.values[position] }
        }
        let names = (interface: DBusError.repeatable(interface), property: DBusError.repeatable(name))
        guard hasInterface else { throw .unknownInterface("\(node.path) has no interface \(names.interface)") }
        throw .unknownProperty("\(names.interface) has no property \(names.property)")
    }
}

extension ObjectTree.Node {
    fileprivate func hasStandardInterface(_ name: String) -> Bool {
        StandardInterface.all(isObject: isObject, isManager: isManager).contains { $0.name == name }
    }

    /// The whole introspection document: standard interfaces, own interfaces, names of the nodes below.
    fileprivate var introspectionXML: String {
        var out = XMLWriter(indent: 0)
        out.raw(
            """
            <!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
             "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">

            """)
        out.element("node", [("name", path.rawValue)]) { out in
            for standard in StandardInterface.all(isObject: isObject, isManager: isManager) { out.raw(standard.xml) }
            for export in exports { out.raw(export.interface.xml) }
            for name in children.keys.sorted() { out.element("node", [("name", name)]) }
        }
        return out.text
    }

    /// One entry of `a{oa{sa{sv}}}`.
    fileprivate func append(to out: inout DBusMessageIter) throws(DBusError) {
        try MessageEncoder.entry(&out) { (out) throws(DBusError) in
            try MessageEncoder.string(path.rawValue, .objectPath, &out)
            try MessageEncoder.container(.array(.byte), "{sa{sv}}", &out) { (out) throws(DBusError) in
                for export in exports { try export.append(to: &out) }
            }
        }
    }
}

extension IncomingCall {
    fileprivate func expectSignature(_ expected: StaticString) throws(DBusError) {
        guard hasSignature(expected) else { throw wrongSignature(expected: expected.description) }
    }

    fileprivate func unknownMethod(of interface: String) -> DBusError {
        .unknownMethod("\(interface) has no method \(member)")
    }

    /// The first two arguments, where they are strings.
    fileprivate func strings() -> (first: String, second: String) {
        var iterator = DBusMessageIter()
        guard dbus_message_iter_init(message, &iterator) != 0 else { return ("", "") }
        func next() -> String {
            guard dbus_message_iter_get_arg_type(&iterator) == Int32(DBusType.string.code) else { return "" }
            var text: UnsafePointer<CChar>?
            dbus_message_iter_get_basic(&iterator, &text)
            dbus_message_iter_next(&iterator)
            return text.map { String(cString: $0) } ?? ""
        }
        return (next(), next())
    }
}
