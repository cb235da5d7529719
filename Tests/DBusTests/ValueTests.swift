import CDBus
import DBus
import Testing

@Suite struct ValueTests {
    @Test(arguments: [
        "/", "/a", "/a/b_1/C2", "/_", "", "a", "//", "/a/", "/a//b", "/a-b", "/ä", "/a\0b", "/a b", "/a.b",
    ])
    func objectPathsFollowLibdbus(_ text: String) {
        let expected = !text.utf8.contains(0) && dbus_validate_path(text, nil) != 0
        #expect(((try? ObjectPath(text)) != nil) == expected)
    }

    @Test func objectPathElements() throws {
        let path: ObjectPath = "/org/example"
        #expect(try path.appending("x").rawValue == "/org/example/x")
        #expect(try ObjectPath.root.appending("x").rawValue == "/x")
        #expect(throws: DBus.DBusError.self) { try path.appending("") }
        #expect(throws: DBus.DBusError.self) { try path.appending("a/b") }
        #expect(path.parent == "/org" && path.parent?.parent == .root && ObjectPath.root.parent == nil)
        #expect(path.elements == ["org", "example"])
        #expect(path.isWithin("/org") && path.isWithin("/") && path.isWithin(path) && !path.isWithin("/or"))
    }

    @Test func signaturesFollowLibdbus() {
        var generator = SeededGenerator(seed: 1)
        let alphabet = Array("ybnqiuxtdsoghva(){}a{s(".utf8)
        var valid = 0
        for _ in 0..<50_000 {
            let length = Int.random(in: 0...10, using: &generator)
            let bytes = (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }
            let text = String(decoding: bytes, as: UTF8.self)
            let expected = dbus_signature_validate(text, nil) != 0
            let parsed = try? Signature(parsing: text)
            #expect((parsed != nil) == expected, "\(text)")
            if let parsed {
                valid += 1
                #expect(parsed.description == text)
            }
        }
        #expect(valid > 1000)
    }

    @Test(arguments: [31, 32, 33, 34])
    func signatureDepthFollowsLibdbus(_ depth: Int) {
        let nested = [
            String(repeating: "a", count: depth) + "y",
            String(repeating: "(", count: depth) + "y" + String(repeating: ")", count: depth),
            String(repeating: "a(", count: depth) + "y" + String(repeating: ")", count: depth),
            String(repeating: "a{s", count: depth) + "y" + String(repeating: "}", count: depth),
        ]
        for text in nested {
            #expect(((try? Signature(parsing: text)) != nil) == (dbus_signature_validate(text, nil) != 0), "\(text)")
        }
    }

    @Test func signatureLength() {
        #expect((try? Signature(parsing: String(repeating: "y", count: 255))) != nil)
        #expect((try? Signature(parsing: String(repeating: "y", count: 256))) == nil)
        #expect((try? Signature(parsing: "s\0")) == nil)
    }

    @Test func optionsHaveOneVariant() {
        let options = DBusValue.options([("a", .string("x")), ("b", .variant(.uint32(1)))])
        #expect(options.type.signature == "a{sv}")
        #expect(options.entriesValue?.map(\.value) == [.variant(.string("x")), .variant(.uint32(1))])
        #expect(options.optionsValue == ["a": .string("x"), "b": .uint32(1)])
        #expect(DBusValue.options([("a", .byte(1)), ("a", .byte(2))]).optionsValue == nil)
    }

    @Test func accessorsGiveNilForOtherTypes() {
        #expect(DBusValue.string("x").uint32Value == nil)
        #expect(DBusValue.uint32(1).uint32Value == 1)
        #expect(DBusValue.variant(.string("x")).stringValue == nil)
        #expect(DBusValue.variant(.string("x")).unwrapped.stringValue == "x")
        #expect(DBusValue.bytes([1, 2]).bytesValue == [1, 2])
        #expect(DBusValue.strings(["a"]).stringsValue == ["a"])
        #expect(DBusValue.strings(["a"]).objectPathsValue == nil)
    }

    @Test func matchRulesAreQuoted() {
        let rule = MatchRule(
            sender: "org.example.A", pathNamespace: "/org", interface: "org.example.A", member: "M", arg0: "it's, a='b'"
        )
        #expect(
            rule.rule == "type='signal',sender='org.example.A',interface='org.example.A',member='M',"
                + "path_namespace='/org',arg0='it'\\''s, a='\\''b'\\'''")
    }

    @Test func matchRulesMatchByNamespace() {
        let rule = MatchRule(pathNamespace: "/a", arg0Namespace: "org.x")
        func signal(_ path: ObjectPath, _ text: String) -> DBusMessage {
            .signal(path: path, interface: "a.b", member: "M", body: [.string(text)])
        }
        #expect(rule.matches(signal("/a/b", "org.x.y")))
        #expect(rule.matches(signal("/a", "org.x")))
        #expect(!rule.matches(signal("/ab", "org.x")))
        #expect(!rule.matches(signal("/a", "org.xy")))
        #expect(!MatchRule(arg0: "x").matches(.signal(path: "/", interface: "a.b", member: "M", body: [.uint32(1)])))
    }

    @Test func interfacesNeedExactlyTheirHandlers() {
        let description = InterfaceDescription(name: "org.example.A", methods: [MethodDescription(name: "M")])
        let handler = MethodHandler.immediate { _ in [] }
        #expect(throws: DBus.DBusError.self) { try Interface(description, methods: [:]) }
        #expect(throws: DBus.DBusError.self) { try Interface(description, methods: ["M": handler, "N": handler]) }
        #expect(throws: Never.self) { try Interface(description, methods: ["M": handler]) }
        #expect(throws: DBus.DBusError.self) { try Interface(InterfaceDescription(name: "bad name")) }
        let twice = InterfaceDescription(
            name: "org.example.A",
            properties: [PropertyDescription(name: "P", type: .byte), PropertyDescription(name: "P", type: .byte)])
        #expect(throws: DBus.DBusError.self) { try Interface(twice) }
    }
}
