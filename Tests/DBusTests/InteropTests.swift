import DBus
import Foundation
import Testing

/// Other implementations look at what goes over the wire.
@Suite(.timeLimit(.minutes(1)))
struct InteropTests {
    private static let python = """
        import os, sys
        import dbus, dbus.lowlevel
        from dbus.bus import BusConnection

        connection = BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"])
        NAME, PATH, IFACE = "org.example.Test", "/org/example/Test", "org.example.Test1"
        PROPS = "org.freedesktop.DBus.Properties"

        def call(interface, member, signature="", *args, path=PATH):
            message = dbus.lowlevel.MethodCallMessage(NAME, path, interface, member)
            message.append(*args, signature=signature)
            return connection.send_message_with_reply_and_block(message, 10)

        def one(interface, member, expected, signature="", *args, path=PATH):
            reply = call(interface, member, signature, *args, path=path)
            assert reply.get_signature() == expected, (member, reply.get_signature())
            return reply.get_args_list()[0] if expected else None

        def same(actual, expected):
            assert actual == expected, (actual, expected)

        def level(value, expected):
            same(getattr(value, "variant_level", 0), expected)

        name = one(PROPS, "Get", "v", "ss", IFACE, "Name")
        same(name, "one"); level(name, 1); assert isinstance(name, dbus.String)
        options = one(PROPS, "Get", "v", "ss", IFACE, "Options")
        level(options, 1); same(options.signature, "sv"); level(options["k"], 1)
        everything = one(PROPS, "GetAll", "a{sv}", "s", IFACE)
        for value in everything.values(): level(value, 1)
        same(type(everything["Count"]), dbus.UInt64); same(everything["Count"], 1)
        same(everything["Tags"].signature, "s")

        managed = one("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "a{oa{sa{sv}}}", path="/")
        same(list(managed.keys()), [PATH])
        same(list(managed[PATH].keys()), [IFACE])
        for value in managed[PATH][IFACE].values(): level(value, 1)
        same(managed[PATH][IFACE], everything)

        rows = one(IFACE, "Table", "a(ossstub)", "u", 3)
        same(len(rows), 3); same(rows[2][1], "vm-2"); same(type(rows[0][4]), dbus.UInt64)
        values = [dbus.Byte(255), True, dbus.Int16(-1), dbus.UInt16(65535), dbus.Int32(-2**31), dbus.UInt32(2**32-1),
            dbus.Int64(-2**63), dbus.UInt64(2**64-1), 0.1, "Grüße 💻", dbus.ObjectPath("/a"), dbus.Signature("a{sv}"),
            dbus.ByteArray(b"\\x00\\xff"), dbus.Array([], signature="(ii)"), dbus.Struct((1, "x")),
            dbus.Dictionary({"k": dbus.Int32(1, variant_level=1)}, signature="sv"), dbus.String("v", variant_level=2)]
        reply = one(IFACE, "Echo", "av", "av", values)
        same(len(reply), len(values))
        for sent, back in zip(values, reply):
            if isinstance(sent, bytes): back = bytes(back)
            same(back, sent)
        level(reply[-1], 2); level(reply[0], 1); same(reply[13].signature, "(ii)"); same(type(reply[0]), dbus.Byte)

        def error(interface, member, signature="", *args, path=PATH):
            try:
                call(interface, member, signature, *args, path=path)
            except dbus.DBusException as e:
                return e.get_dbus_name().replace("org.freedesktop.DBus.Error.", "")
        same(error(IFACE, "Nope"), "UnknownMethod")
        same(error("org.example.Nope", "Nope"), "UnknownInterface")
        same(error(IFACE, "Add", path="/nope"), "UnknownObject")
        same(error(IFACE, "Add", "s", "x"), "InvalidArgs")
        same(error(PROPS, "Get", "ss", IFACE, "Nope"), "UnknownProperty")
        same(error(PROPS, "Set", "ssv", IFACE, "Name", dbus.String("x")), "PropertyReadOnly")
        print("all good")
        """

    @Test func pythonSeesPlainSignatures() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let objects = service.objects
            await service.loop.run { objects.addObjectManager(at: "/") }
            let result = try await run(bus, "/usr/bin/python3", ["-"], input: Self.python)
            #expect(result.output == "all good\n", "\(result.errors)")
        }
    }

    @Test func busctlReadsAndCalls() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            func busctl(_ arguments: String...) async throws -> String {
                let result = try await run(bus, "/usr/bin/busctl", ["--system", "--json=short"] + arguments)
                #expect(result.status == 0, "\(result.errors)")
                return result.output.trimmingCharacters(in: .newlines)
            }
            let target = [serviceName, objectPath.rawValue, testInterface]
            #expect(
                try await busctl("get-property", target[0], target[1], target[2], "Name", "Tags", "Options")
                    == #"{"type":"s","data":"one"}"# + "\n" + #"{"type":"as","data":["a","b"]}"# + "\n"
                    + #"{"type":"a{sv}","data":{"k":{"type":"s","data":"v"}}}"#)
            #expect(
                try await busctl("call", target[0], target[1], target[2], "Echo", "av", "2", "s", "x", "t", "7")
                    == #"{"type":"av","data":[[{"type":"s","data":"x"},{"type":"t","data":7}]]}"#)
            #expect(try await busctl("tree", "--list", serviceName).split(separator: "\n").last == "/org/example/Test")
            let introspection = try await run(bus, "/usr/bin/busctl", ["--system", "introspect"] + target)
            #expect(introspection.status == 0, "\(introspection.errors)")
            let lines = introspection.output.split(separator: "\n").map {
                $0.split(separator: " ").joined(separator: " ")
            }
            #expect(lines.contains(".Add method ii i -"))
            #expect(lines.contains(".Name property s \"one\" emits-change"))
            #expect(lines.contains(".Secret property s \"s\" emits-invalidation"))
            #expect(lines.contains(".Fixed property u 7 const"))
            #expect(lines.contains(".Happened signal su - -"))
            #expect(lines.contains(".Old method - - deprecated"))
        }
    }

    @Test func gdbusIntrospectsRecursively() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let result = try await run(
                bus, "/usr/bin/gdbus",
                ["introspect", "--system", "--dest", serviceName, "--object-path", "/", "--recurse"])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output.contains("interface org.example.Test1 {"))
            #expect(result.output.contains("readonly t Count = 1;"))
            let call = try await run(
                bus, "/usr/bin/gdbus",
                [
                    "call", "--system", "--dest", serviceName, "--object-path", objectPath.rawValue, "--method",
                    "org.example.Test1.Add", "20", "22",
                ])
            #expect(call.output == "(42,)\n", "\(call.errors)")
        }
    }
}
