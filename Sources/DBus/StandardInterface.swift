/// The interfaces that the specification defines and every object has (D-Bus specification, "Standard Interfaces").
enum StandardInterface {
    static let peer = "org.freedesktop.DBus.Peer"
    static let introspectable = "org.freedesktop.DBus.Introspectable"
    static let properties = "org.freedesktop.DBus.Properties"
    static let objectManager = "org.freedesktop.DBus.ObjectManager"

    struct Entry: Sendable {
        let description: InterfaceDescription
        let xml: String

        init(_ description: InterfaceDescription) {
            self.description = description
            xml = description.xml()
        }

        var name: String { description.name }

        func hasMethod(_ member: String) -> Bool { description.methods.contains { $0.name == member } }
    }

    static func isPeerMember(_ member: String) -> Bool { peerEntry.hasMethod(member) }

    /// Those that a node has, in the order in which a member without interface is looked up.
    static func all(isObject: Bool, isManager: Bool) -> [Entry] {
        [introspectableEntry, peerEntry] + (isObject ? [propertiesEntry] : []) + (isManager ? [objectManagerEntry] : [])
    }

    private static let peerEntry = Entry(
        InterfaceDescription(
            name: peer,
            methods: [
                MethodDescription(name: "Ping"),
                MethodDescription(name: "GetMachineId", outputs: [.init("machine_uuid", .string)]),
            ]))

    private static let introspectableEntry = Entry(
        InterfaceDescription(
            name: introspectable,
            methods: [MethodDescription(name: "Introspect", outputs: [.init("xml_data", .string)])]))

    private static let propertiesEntry = Entry(
        InterfaceDescription(
            name: properties,
            methods: [
                MethodDescription(
                    name: "Get", inputs: [.init("interface_name", .string), .init("property_name", .string)],
                    outputs: [.init("value", .variant)]),
                MethodDescription(
                    name: "Set",
                    inputs: [
                        .init("interface_name", .string), .init("property_name", .string), .init("value", .variant),
                    ]),
                MethodDescription(
                    name: "GetAll", inputs: [.init("interface_name", .string)], outputs: [.init("props", .options)]),
            ],
            signals: [
                SignalDescription(
                    name: "PropertiesChanged",
                    arguments: [
                        .init("interface_name", .string), .init("changed_properties", .options),
                        .init("invalidated_properties", .strings),
                    ])
            ]))

    private static let interfacesType = DBusType.dictionary(key: .string, value: .options)

    private static let objectManagerEntry = Entry(
        InterfaceDescription(
            name: objectManager,
            methods: [
                MethodDescription(
                    name: "GetManagedObjects",
                    outputs: [.init("objects", .dictionary(key: .objectPath, value: interfacesType))])
            ],
            signals: [
                SignalDescription(
                    name: "InterfacesAdded",
                    arguments: [.init("object", .objectPath), .init("interfaces", interfacesType)]),
                SignalDescription(
                    name: "InterfacesRemoved",
                    arguments: [.init("object", .objectPath), .init("interfaces", .strings)]),
            ]))
}
