import DBus
import Glibc

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

/// Makes types and values of every shape.
struct RandomValues {
    private var generator: SeededGenerator
    /// How many descriptors may still be made; a message carries few.
    var descriptorsLeft = 0

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    private mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }

    mutating func basicType() -> DBusType {
        let types: [DBusType] = [
            .byte, .boolean, .int16, .uint16, .int32, .uint32, .int64, .uint64, .double, .string, .objectPath,
            .signature,
        ]
        return types[below(types.count)]
    }

    mutating func type(depth: Int) -> DBusType {
        switch below(depth > 0 ? 10 : 5) {
        case 0...3: return basicType()
        case 4: return descriptorsLeft > 0 ? .unixFD : .string
        case 5, 6: return .array(type(depth: depth - 1))
        case 7: return .dictionary(key: basicType(), value: type(depth: depth - 1))
        case 8: return .structure((0..<(1 + below(4))).map { _ in type(depth: depth - 1) })
        default: return .variant
        }
    }

    mutating func value(depth: Int) throws -> DBusValue {
        try value(of: type(depth: depth), depth: depth)
    }

    mutating func value(of type: DBusType, depth: Int) throws -> DBusValue {
        switch type {
        case .byte: return .byte(.random(in: 0...(.max), using: &generator))
        case .boolean: return .boolean(.random(using: &generator))
        case .int16: return .int16(.random(in: (.min)...(.max), using: &generator))
        case .uint16: return .uint16(.random(in: 0...(.max), using: &generator))
        case .int32: return .int32(.random(in: (.min)...(.max), using: &generator))
        case .uint32: return .uint32(.random(in: 0...(.max), using: &generator))
        case .int64: return .int64(.random(in: (.min)...(.max), using: &generator))
        case .uint64: return .uint64(.random(in: 0...(.max), using: &generator))
        case .double: return .double(Double(bitPattern: generator.next()))
        case .string: return .string(string())
        case .objectPath: return .objectPath(try path())
        case .signature: return .signature(Signature((0..<below(4)).map { _ in self.type(depth: 2) }))
        case .unixFD:
            guard descriptorsLeft > 0 else { throw DBusError.failed("no descriptor left for the generator") }
            descriptorsLeft -= 1
            return .unixFD(try openPipe())
        case .variant:
            return .variant(try value(depth: max(0, depth - 1)))
        case .array(let element):
            return .array(
                of: element, try (0..<count(for: element)).map { _ in try value(of: element, depth: depth - 1) })
        case .dictionary(let key, let content):
            let entries = try (0..<count(for: content)).map { _ in
                DBusValue.Entry(
                    key: try value(of: key, depth: 0), value: try value(of: content, depth: depth - 1))
            }
            return .dictionary(key: key, value: content, entries)
        case .structure(let fields):
            return .structure(try fields.map { try value(of: $0, depth: depth - 1) })
        }
    }

    /// Empty often enough, and empty if descriptors would run out.
    private mutating func count(for element: DBusType) -> Int {
        let needed = element.signature.utf8.filter { $0 == UInt8(ascii: "h") }.count
        if needed > 0, descriptorsLeft < needed * 4 { return 0 }
        return below(needed > 0 ? 3 : 5)
    }

    private mutating func string() -> String {
        let samples = [
            "", "a", "Grüße", "日本語", "e\u{301}", "\u{1F5A5}\u{FE0F}", "\u{1}\u{7F}", "'\"\\<&>", "\u{10FFFF}",
        ]
        return (0..<below(4)).map { _ in samples[below(samples.count)] }.joined()
    }

    private mutating func path() throws -> ObjectPath {
        var path = ObjectPath.root
        for _ in 0..<below(4) { path = try path.appending("e_\(below(1000))") }
        return path
    }

    private func openPipe() throws -> UnixFD {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw DBusError.failed("pipe") }
        close(ends[1])
        return UnixFD(owning: ends[0])
    }
}

extension DBusValue {
    /// The value in a form in which equal means the same on the wire: descriptors by the open file, doubles by bits.
    var canonical: DBusValue {
        switch self {
        case .double(let value): return .structure([.string("d"), .uint64(value.bitPattern)])
        case .unixFD(let descriptor):
            var status = stat()
            guard fstat(descriptor.rawValue, &status) == 0 else { return .string("bad descriptor") }
            return .structure([.string("h"), .uint64(UInt64(status.st_ino))])
        case .variant(let content): return .variant(content.canonical)
        case .array(let element, let values): return .array(of: element, values.map(\.canonical))
        case .dictionary(let key, let value, let entries):
            return .dictionary(
                key: key, value: value, entries.map { Entry(key: $0.key.canonical, value: $0.value.canonical) })
        case .structure(let fields): return .structure(fields.map(\.canonical))
        default: return self
        }
    }
}
