import Testing

@testable import DBus

@Suite(.timeLimit(.minutes(1)))
struct ObjectManagerTests {
    private let manager = "org.freedesktop.DBus.ObjectManager"
    private let item = InterfaceDescription(
        name: "org.example.Item", properties: [PropertyDescription(name: "Number", type: .uint32)])
    private let extra = InterfaceDescription(name: "org.example.Extra")

    @Test func objectsComeAndGo() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let objects = service.objects
            let item = try Interface(item)
            let extra = try Interface(extra)
            await service.loop.run { objects.addObjectManager(at: "/org/example") }
            let stream = try await client.signals(MatchRule(sender: serviceName, interface: manager))
            var iterator = stream.makeAsyncIterator()
            try await service.loop.run { () throws(DBusError) in
                try objects.export("/org/example/items/a", item, properties: ["Number": .uint32(1)])
                try objects.export("/org/example/items/a", extra)
                try objects.export("/elsewhere", extra)
                objects.unexport("/elsewhere")
                objects.unexport("/org/example/items/a")
                objects.unexport("/org/example/items/a")
                try objects.export("/org/example/items/b", item, properties: ["Number": .uint32(2)])
            }
            let added = try #require(try await iterator.next())
            #expect(added.bodySignature.description == "oa{sa{sv}}" && added.path == "/org/example")
            #expect(added.body[0] == .objectPath("/org/example/items/a"))
            #expect(added.body[1].entriesValue?.first?.value == .options([("Number", .uint32(1))]))
            #expect(try await iterator.next()?.body[1].entriesValue?.first?.key == .string("org.example.Extra"))
            let removed = try #require(try await iterator.next())
            #expect(removed.member == "InterfacesRemoved" && removed.bodySignature.description == "oas")
            #expect(
                removed.body == [
                    .objectPath("/org/example/items/a"), .strings(["org.example.Item", "org.example.Extra"]),
                ])
            #expect(try await iterator.next()?.body[0] == .objectPath("/org/example/items/b"))
            let reply = try await client.callTest("GetManagedObjects", interface: manager, path: "/org/example")
            #expect(reply.first?.type.signature == "a{oa{sa{sv}}}")
            let paths = Set(try #require(reply.first?.entriesValue).compactMap(\.key.objectPathValue))
            #expect(paths == [objectPath, "/org/example/items/b"])
        }
    }

    @Test func theFirstFillingIsSilent() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let objects = service.objects
            let item = try Interface(item)
            let stream = try await client.signals(MatchRule(sender: serviceName, interface: manager))
            try await service.loop.run { () throws(DBusError) in
                objects.addObjectManager(at: "/")
                try objects.withoutAnnouncements { () throws(DBusError) in
                    for number in UInt32(0)..<1000 {
                        try objects.export(
                            ObjectPath("/i/n\(number)"), item, properties: ["Number": .uint32(number)])
                    }
                }
                try objects.export("/i/last", item, properties: ["Number": .uint32(0)])
            }
            var iterator = stream.makeAsyncIterator()
            #expect(try await iterator.next()?.body[0] == .objectPath("/i/last"))
            let reply = try await client.callTest("GetManagedObjects", interface: manager, path: "/")
            #expect(reply.first?.entriesValue?.count == 1002)
        }
    }

    @Test func pathsBetweenCanBeIntrospected() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            func introspect(_ path: ObjectPath) async throws -> String {
                let body = try await client.callTest(
                    "Introspect", interface: "org.freedesktop.DBus.Introspectable", path: path)
                return try #require(body.first?.stringValue)
            }
            #expect(try await introspect("/").contains("<node name=\"org\"/>"))
            let between = try await introspect("/org/example")
            #expect(between.contains("<node name=\"Test\"/>"))
            #expect(!between.contains("org.freedesktop.DBus.Properties"))
            let xml = try await introspect(objectPath)
            #expect(xml.contains(testDescription.xml(indent: 2)))
            #expect(xml.contains("value=\"An interface with one of each; &quot;quotes&quot; &amp; &lt;angles&gt;.\""))
            #expect(xml.contains("org.freedesktop.DBus.Property.EmitsChangedSignal\" value=\"invalidates\""))
            #expect(xml.contains("org.freedesktop.DBus.Deprecated"))
            let objects = service.objects
            await service.loop.run { objects.unexport(objectPath) }
            #expect(try await !introspect("/").contains("<node name=\"org\"/>"))
            #expect(
                try await client.errorOfTest(
                    "Introspect", interface: "org.freedesktop.DBus.Introspectable", path: "/org")
                    == DBusError.Name.unknownObject)
        }
    }
}
