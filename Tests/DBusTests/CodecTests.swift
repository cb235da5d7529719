import CDBus
import Glibc
import Testing

@testable import DBus

@Suite struct CodecTests {
    private func encode(_ body: [DBusValue]) throws -> OwnedMessage {
        try .encoding(.signal(path: "/a", interface: "org.example.A", member: "M", body: body))
    }

    @Test func randomValuesSurvive() throws {
        var random = RandomValues(seed: 42)
        for _ in 0..<3000 {
            random.descriptorsLeft = 12
            let body = try [random.value(depth: 4), random.value(depth: 2)]
            let message = try encode(body)
            let (signature, decoded) = try MessageDecoder.body(of: message.pointer)
            #expect(decoded.map(\.canonical) == body.map(\.canonical))
            #expect(signature.description == body.map(\.type.signature).joined())
        }
    }

    /// `dbus_message_demarshal` validates every byte as the bus does.
    @Test func libdbusAcceptsTheBytes() throws {
        var random = RandomValues(seed: 7)
        for _ in 0..<1000 {
            let body = [try random.value(depth: 5)]
            let message = try encode(body)
            dbus_message_set_serial(message.pointer, 1)
            var bytes: UnsafeMutablePointer<CChar>?
            var count: Int32 = 0
            try #require(dbus_message_marshal(message.pointer, &bytes, &count) != 0)
            defer { dbus_free(bytes) }
            let copy = try OwnedMessage(owning: dbus_message_demarshal(bytes, count, nil))
            #expect(try MessageDecoder.body(of: copy.pointer).1.map(\.canonical) == body.map(\.canonical))
            let bound = try WireCheck.check(body, as: body.map(\.type))
            #expect(bound + 256 >= Int(count), "the size bound is too small")
        }
    }

    @Test func emptyContainersKeepTheirTypes() throws {
        let body: [DBusValue] = [
            .array(of: .dictionary(key: .string, value: .structure([.byte, .variant])), []), .options([]),
            .array(of: .array(.byte), [.bytes([])]),
        ]
        let message = try encode(body)
        let (signature, decoded) = try MessageDecoder.body(of: message.pointer)
        #expect(decoded == body)
        #expect(signature.description == "aa{s(yv)}a{sv}aay")
    }

    @Test func receivedDescriptorsAreCloseOnExec() throws {
        let message = try encode([.unixFD(UnixFD(owning: open("/dev/null", O_RDONLY)))])
        let descriptor = try #require(try MessageDecoder.body(of: message.pointer).1.first?.unixFDValue)
        #expect(fcntl(descriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0)
        #expect(fcntl(try descriptor.duplicated().rawValue, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test func whatTheSpecificationForbidsIsRefused() {
        var deep = DBusValue.byte(1)
        for _ in 0..<65 { deep = .variant(deep) }
        let long = Signature(Array(repeating: .byte, count: 256))
        let bad: [(DBusValue, String)] = [
            (.string("a\0b"), DBus.DBusError.Name.invalidArgs),
            (.variant(.array(of: .variant, [.variant(.string("\0"))])), DBus.DBusError.Name.invalidArgs),
            (.structure([]), DBus.DBusError.Name.invalidArgs),
            (.array(of: .structure([]), []), DBus.DBusError.Name.invalidArgs),
            (.array(of: .string, [.uint32(1)]), DBus.DBusError.Name.invalidArgs),
            (.structure([.array(of: .byte, [.byte(1), .string("x")])]), DBus.DBusError.Name.invalidArgs),
            (.dictionary(key: .variant, value: .byte, []), DBus.DBusError.Name.invalidArgs),
            (.variant(.dictionary(key: .array(.byte), value: .byte, [])), DBus.DBusError.Name.invalidArgs),
            (
                .dictionary(key: .string, value: .byte, [.init(key: .byte(1), value: .byte(1))]),
                DBus.DBusError.Name.invalidArgs
            ),
            (.signature(long), DBus.DBusError.Name.invalidArgs),
            (.structure(Array(repeating: .byte(1), count: 300)), DBus.DBusError.Name.invalidArgs),
            (deep, DBus.DBusError.Name.limitsExceeded),
            (.unixFD(UnixFD(owning: -1)), DBus.DBusError.Name.failed),
        ]
        for (value, name) in bad {
            do {
                _ = try encode([value])
                Issue.record("accepted: \(value)")
            } catch {
                #expect((error as? DBus.DBusError)?.name == name, "\(value)")
            }
        }
    }

    @Test func sixtyFourLevelsAreTheLimit() throws {
        var deep = DBusValue.byte(1)
        for _ in 0..<64 { deep = .variant(deep) }
        let message = try encode([deep])
        #expect(try MessageDecoder.body(of: message.pointer).1 == [deep])
    }

    @Test func manyBytesAreOneArray() throws {
        let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0) }
        let message = try encode([.bytes(bytes)])
        #expect(try MessageDecoder.body(of: message.pointer).1.first?.bytesValue == bytes)
    }

    @Test func moreThanTheLongestArrayIsRefused() throws {
        let megabyte = String(repeating: "x", count: 1 << 20)
        #expect(throws: DBus.DBusError.self) {
            _ = try encode([.strings(Array(repeating: megabyte, count: 65))])
        }
    }
}
