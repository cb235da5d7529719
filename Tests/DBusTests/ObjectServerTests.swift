import Foundation
import Synchronization
import Testing

@testable import DBus

@Suite(.timeLimit(.minutes(1)))
struct ObjectServerTests {
    private let properties = "org.freedesktop.DBus.Properties"

    @Test func unknownThingsHaveTheirErrors() async throws {
        typealias Name = DBusError.Name
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            let cases: [(String, [DBusValue], String, ObjectPath, String)] = [
                ("Nope", [], testInterface, objectPath, Name.unknownMethod),
                ("Add", [], "org.example.Nope", objectPath, Name.unknownInterface),
                ("Add", [], testInterface, "/nope", Name.unknownObject),
                ("Add", [], testInterface, "/org/example", Name.unknownObject),
                ("Add", [.int32(1)], testInterface, objectPath, Name.invalidArgs),
                ("Add", [.int32(1), .uint32(1)], testInterface, objectPath, Name.invalidArgs),
                ("Old", [.int32(1)], testInterface, objectPath, Name.invalidArgs),
                ("FailOrdinary", [], testInterface, objectPath, Name.failed),
                ("WrongReply", [], testInterface, objectPath, Name.failed),
                ("NulReply", [], testInterface, objectPath, Name.failed),
                ("Fail", [.string("not a name")], testInterface, objectPath, Name.failed),
                ("Get", [.string(testInterface), .string("Nope")], properties, objectPath, Name.unknownProperty),
                ("Get", [.string("org.example.Nope"), .string("Name")], properties, objectPath, Name.unknownInterface),
                ("Get", [.string(properties), .string("Name")], properties, objectPath, Name.unknownProperty),
                ("Get", [.string(testInterface)], properties, objectPath, Name.invalidArgs),
                ("GetAll", [.string("org.example.Nope")], properties, objectPath, Name.unknownInterface),
                ("GetAll", [.string(testInterface)], properties, "/org", Name.unknownObject),
                (
                    "Set", [.string(testInterface), .string("Name"), .variant(.string("x"))], properties, objectPath,
                    Name.propertyReadOnly
                ),
                (
                    "Set", [.string(testInterface), .string("Nope"), .variant(.string("x"))], properties, objectPath,
                    Name.unknownProperty
                ),
                (
                    "Set", [.string("org.example.Nope"), .string("Name"), .variant(.string("x"))], properties,
                    objectPath, Name.unknownInterface
                ),
                ("Nope", [], properties, objectPath, Name.unknownMethod),
                ("Nope", [], "org.freedesktop.DBus.Peer", objectPath, Name.unknownMethod),
                ("Nope", [], "org.freedesktop.DBus.Introspectable", objectPath, Name.unknownMethod),
                ("Introspect", [.string("x")], "org.freedesktop.DBus.Introspectable", objectPath, Name.invalidArgs),
                ("Introspect", [], "org.freedesktop.DBus.Introspectable", "/nope", Name.unknownObject),
                ("GetManagedObjects", [], "org.freedesktop.DBus.ObjectManager", objectPath, Name.unknownInterface),
            ]
            for (member, body, interface, path, expected) in cases {
                let error = try await client.errorOfTest(member, body, interface: interface, path: path)
                #expect(error == expected, "\(interface).\(member) at \(path)")
            }
        }
    }

    @Test func aCallWithoutInterfaceFindsTheMember() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            func call(_ member: String, _ body: [DBusValue] = [], _ path: ObjectPath = objectPath) async throws
                -> [DBusValue]
            {
                try await client.call(
                    DBusMessage(kind: .methodCall, path: path, member: member, destination: serviceName, body: body)
                ).body
            }
            #expect(try await call("Add", [.int32(1), .int32(2)]) == [.int32(3)])
            #expect(try await call("Get", [.string(""), .string("Name")]) == [.variant(.string("one"))])
            #expect(try await call("Ping") == [])
            #expect(try await call("Ping", [], "/nowhere") == [])
            #expect(try await call("Introspect").count == 1)
            await #expect { try await call("Nope") } throws: {
                ($0 as? DBusError)?.name == DBusError.Name.unknownMethod
            }
            await #expect { try await call("Nope", [], "/nowhere") } throws: {
                ($0 as? DBusError)?.name == DBusError.Name.unknownObject
            }
        }
    }

    @Test func unexpectedErrorsAreReportedAndNotShown() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let reported = Mutex<[String]>([])
            let objects = service.objects
            await service.loop.run {
                objects.onUnexpectedError = { call, error in
                    reported.withLock { $0.append("\(call.member): \(type(of: error))") }
                }
            }
            for member in ["FailOrdinary", "WrongReply", "NulReply"] {
                await #expect { try await client.callTest(member) } throws: {
                    $0 as? DBusError == .failed("the operation failed inside the service; its log says more")
                }
            }
            #expect(
                reported.withLock { $0 } == [
                    "FailOrdinary: OrdinaryError", "WrongReply: DBusError", "NulReply: DBusError",
                ])
        }
    }

    @Test func propertiesAreReadFromMemory() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let all = try await client.callTest("GetAll", [.string(testInterface)], interface: properties)
            #expect(all.first?.optionsValue == testProperties)
            #expect(all.first?.type.signature == "a{sv}")
            let everything = try await client.callTest("GetAll", [.string("")], interface: properties)
            #expect(everything == all)
            for (name, value) in testProperties {
                let got = try await client.callTest(
                    "Get", [.string(testInterface), .string(name)], interface: properties)
                #expect(got == [.variant(value)])
            }
            let standard = try await client.callTest("GetAll", [.string(properties)], interface: properties)
            #expect(standard == [.options([])])
            let objects = service.objects
            let stored = await service.loop.run {
                objects.property(objectPath, interface: testInterface, name: "Count")
            }
            #expect(stored == .uint64(1))
        }
    }

    @Test func changesLeaveInOneSignal() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let stream = try await client.signals(MatchRule(sender: serviceName, member: "PropertiesChanged"))
            var iterator = stream.makeAsyncIterator()
            func set(_ changes: [(String, DBusValue)]) async throws {
                let objects = service.objects
                try await service.loop.run { () throws(DBusError) in
                    try objects.setProperties(objectPath, interface: testInterface, changes)
                }
            }
            // Nothing changes, or nothing that is announced.
            try await set([("Name", .string("one")), ("Count", .uint64(1))])
            try await set([("Quiet", .uint32(5)), ("Fixed", .uint32(9))])
            try await set([
                ("Name", .string("two")), ("Count", .uint64(1)), ("Tags", .strings([])), ("Secret", .string("t")),
            ])
            let signal = try #require(try await iterator.next())
            #expect(signal.bodySignature.description == "sa{sv}as")
            #expect(signal.interface == properties && signal.path == objectPath)
            #expect(
                signal.body == [
                    .string(testInterface), .options([("Name", .string("two")), ("Tags", .strings([]))]),
                    .strings(["Secret"]),
                ])
            // All or nothing.
            await #expect(throws: DBusError.self) { try await set([("Name", .string("3")), ("Count", .string("x"))]) }
            await #expect(throws: DBusError.self) { try await set([("Name", .string("3")), ("Nope", .byte(1))]) }
            await #expect(throws: DBusError.self) { try await set([("Name", .string("\0"))]) }
            try await set([("Count", .uint64(2))])
            #expect(try await iterator.next()?.body[1].optionsValue == ["Count": .uint64(2)])
        }
    }

    @Test func aReplyComesAfterTheChangesItSpeaksOf() async throws {
        try await TestBus.with { bus in
            let service = try await bus.connect()
            let objects = service.objects
            let loop = service.loop
            let description = InterfaceDescription(
                name: "org.example.Counter", methods: [MethodDescription(name: "Next")],
                properties: [PropertyDescription(name: "Value", type: .uint32)])
            let interface = try Interface(
                description,
                methods: [
                    "Next": .task { call in
                        try await loop.run { () throws(DBusError) in
                            let old = objects.property(call.path, interface: call.interface, name: "Value")?.uint32Value
                            try objects.setProperties(
                                call.path, interface: call.interface, [("Value", .uint32((old ?? 0) + 1))])
                        }
                        return []
                    }
                ])
            try await loop.run { () throws(DBusError) in
                try objects.export("/c", interface, properties: ["Value": .uint32(0)])
            }
            let client = try await bus.connect()
            func call(_ interface: String, _ member: String, _ body: [DBusValue] = []) async throws -> [DBusValue] {
                try await client.call(
                    .methodCall(
                        destination: service.uniqueName, path: "/c", interface: interface, member: member, body: body)
                ).body
            }
            for expected in UInt32(1)...50 {
                _ = try await call("org.example.Counter", "Next")
                let value = try await call(properties, "Get", [.string("org.example.Counter"), .string("Value")])
                #expect(value == [.variant(.uint32(expected))])
            }
        }
    }

    @Test func exportChecksTheDeclaration() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let interface = try makeTestInterface()
            let objects = service.objects
            func export(_ path: ObjectPath, _ change: (inout [String: DBusValue]) -> Void) async throws {
                var values = testProperties
                change(&values)
                let final = values
                try await service.loop.run { () throws(DBusError) in
                    try objects.export(path, interface, properties: final)
                }
            }
            await #expect(throws: DBusError.self) { try await export("/a") { $0["Name"] = nil } }
            await #expect(throws: DBusError.self) { try await export("/a") { $0["More"] = .byte(1) } }
            await #expect(throws: DBusError.self) { try await export("/a") { $0["Name"] = .byte(1) } }
            await #expect(throws: DBusError.self) { try await export("/a") { $0["Name"] = .string("\0") } }
            await #expect { try await export(objectPath) { _ in } } throws: {
                ($0 as? DBusError)?.name == DBusError.Name.objectPathInUse
            }
            let client = try await bus.connect()
            #expect(try await client.errorOfTest("Old", path: "/a") == DBusError.Name.unknownObject)
        }
    }

    @Test func signalsFollowTheDeclaration() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let objects = service.objects
            func emit(_ signal: String, _ body: [DBusValue], path: ObjectPath = objectPath) async throws {
                try await service.loop.run { () throws(DBusError) in
                    try objects.emit(path, interface: testInterface, signal: signal, body)
                }
            }
            await #expect(throws: DBusError.self) { try await emit("Happened", []) }
            await #expect(throws: DBusError.self) { try await emit("Happened", [.string("x"), .int32(1)]) }
            await #expect(throws: DBusError.self) { try await emit("Happened", [.string("\0"), .uint32(1)]) }
            await #expect(throws: DBusError.self) { try await emit("Nope", []) }
            await #expect(throws: DBusError.self) { try await emit("Happened", [.string(""), .uint32(1)], path: "/x") }
            try await emit("Happened", [.string("x"), .uint32(1)])
        }
    }

    @Test func peerAnswersEverywhere() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            for path: ObjectPath in ["/", objectPath, "/nowhere/at/all"] {
                #expect(try await client.callTest("Ping", interface: "org.freedesktop.DBus.Peer", path: path) == [])
            }
            // A machine may have no ID; then the call fails, and is answered all the same.
            let id = try? await client.callTest("GetMachineId", interface: "org.freedesktop.DBus.Peer", path: "/x")
            if let id { #expect(id.first?.stringValue?.utf8.count == 32) }
        }
    }
}
