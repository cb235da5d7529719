import CDBus
import Glibc
import Testing

@testable import DBus

/// Bytes that were a message: what libdbus still takes for one, the decoder reads without a trap, and what it reads is what is sent again.
@Suite struct MutationTests {
    /// More than in an ordinary run, with `MUTATIONS` in the environment.
    private static let count = getenv("MUTATIONS").flatMap { Int(String(cString: $0)) } ?? 150_000
    private static let mutationsPerMessage = 100

    @Test func mutatedMessagesAreReadOrRefused() throws {
        let seed = getenv("SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        var values = RandomValues(seed: random.next())
        var (parsed, decoded) = (0, 0)
        for _ in 0..<(Self.count / Self.mutationsPerMessage) {
            let original = try Self.bytes(of: Self.message(with: [values.value(depth: 4), values.value(depth: 2)]))
            for _ in 0..<Self.mutationsPerMessage {
                let bytes = Self.mutated(original, &random)
                guard let message = Self.parse(bytes) else { continue }
                parsed += 1
                guard let body = try Self.body(of: message) else { continue }
                decoded += 1
                try #require(try Self.isSentAgain(body, bytes), "seed \(seed): \(bytes)")
            }
        }
        print("\(Self.count) mutations: \(parsed) were messages, \(decoded) of them were read")
        // Else the mutations would be too coarse to come past libdbus.
        #expect(parsed > Self.count / 20 && decoded > parsed / 2, "seed \(seed)")
    }

    private static func message(with body: [DBusValue]) throws -> DBusMessage {
        var message = DBusMessage.methodCall(
            destination: "org.example.A", path: "/org/example/a", interface: "org.example.A", member: "M", body: body)
        message.flags = [.noAutoStart]
        return message
    }

    private static func bytes(of message: DBusMessage) throws -> [UInt8] {
        let owned = try OwnedMessage.encoding(message)
        dbus_message_set_serial(owned.pointer, 1)
        var bytes: UnsafeMutablePointer<CChar>?
        var count: Int32 = 0
        try #require(dbus_message_marshal(owned.pointer, &bytes, &count) != 0)
        defer { dbus_free(bytes) }
        return UnsafeBufferPointer(start: bytes, count: Int(count)).map(UInt8.init(bitPattern:))
    }

    /// One to three small changes: of a bit, of a byte, of a number's size, of a byte that moves; and sometimes of the length.
    private static func mutated(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = original
        for _ in 0...Int.random(in: 0..<3, using: &random) {
            guard !bytes.isEmpty else { return bytes }
            let position = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<32, using: &random) {
            case 0..<12: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 12..<18: bytes[position] = .random(in: 0...255, using: &random)
            case 18..<22: bytes[position] &+= Bool.random(using: &random) ? 1 : 255
            case 22..<26: bytes[position] = bytes[Int.random(in: 0..<bytes.count, using: &random)]
            case 26..<29: bytes[position] = Array("ybnqiuxtdsogahv(){}".utf8).randomElement(using: &random) ?? 0
            case 29: bytes[position] = [0, 0x7f, 0x80, 0xff][Int.random(in: 0..<4, using: &random)]
            case 30: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            default: bytes.insert(0, at: position)
            }
        }
        return bytes
    }

    private static func parse(_ bytes: [UInt8]) -> Parsed? {
        bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return nil }
            return dbus_message_demarshal(start.assumingMemoryBound(to: CChar.self), Int32(buffer.count), nil)
                .map(Parsed.init)
        }
    }

    /// A C message, for as long as it is looked at.
    private final class Parsed {
        let pointer: OpaquePointer
        init(_ pointer: OpaquePointer) { self.pointer = pointer }
        deinit { dbus_message_unref(pointer) }
    }

    /// The values, or nil where the decoder refuses them: descriptors that did not come along, and kinds of message to come.
    private static func body(of message: Parsed) throws -> [DBusValue]? {
        do {
            return try DBusMessage(message.pointer)?.body
        } catch {
            #expect(error.name == DBus.DBusError.Name.invalidArgs, "\(error)")
            return nil
        }
    }

    /// Whether the values, sent, are the bytes that they were read from; in the other byte order they are read again instead.
    private static func isSentAgain(_ body: [DBusValue], _ bytes: [UInt8]) throws -> Bool {
        let again = try Self.bytes(of: message(with: body))
        guard let read = parse(again).flatMap({ try? Self.body(of: $0) }) else { return false }
        guard read.map(\.canonical) == body.map(\.canonical) else { return false }
        return bytes.first != UInt8(ascii: "l") || content(of: again).elementsEqual(content(of: bytes))
    }

    /// A message's body, by the sizes in its header; libdbus leaves alone what comes behind it.
    private static func content(of bytes: [UInt8]) -> ArraySlice<UInt8> {
        func number(at position: Int) -> Int {
            bytes[position..<position + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        let start = 16 + (number(at: 12) + 7) / 8 * 8
        return bytes[start..<start + number(at: 4)]
    }
}
