import Testing
import VMModel

@Suite struct VMUUIDTests {
    static let text = "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f"

    @Test func readsAndWritesTheCanonicalForm() throws {
        let uuid = try #require(VMUUID(Self.text))
        #expect(uuid.high == 0x3f2a_4e6c_9d10_4b7e)
        #expect(uuid.low == 0x8c55_0a1b_2c3d_4e5f)
        #expect(uuid.description == Self.text)
        #expect(uuid.pathElement == "3f2a4e6c_9d10_4b7e_8c55_0a1b2c3d4e5f")
        #expect(VMUUID(Self.text.uppercased()) == uuid)
    }

    @Test func everyFormLeadsBack() throws {
        var generator = SystemRandomNumberGenerator()
        let edges: [UInt64] = [0, 1, .max, .max - 1, 1 << 63, 0x0123_4567_89ab_cdef]
        var values = edges.flatMap { high in edges.map { VMUUID(high: high, low: $0) } }
        for _ in 0..<2000 { values.append(VMUUID(high: generator.next(), low: generator.next())) }
        for uuid in values {
            let bytes = (0..<16).map {
                UInt8(truncatingIfNeeded: ($0 < 8 ? uuid.high : uuid.low) >> (56 - 8 * ($0 % 8)))
            }
            #expect(VMUUID(uuid.description) == uuid)
            #expect(VMUUID(uuid.description.uppercased()) == uuid)
            #expect(VMUUID(pathElement: uuid.pathElement.utf8) == uuid)
            #expect(VMUUID(bytes: bytes) == uuid)
            #expect(uuid.description.utf8.count == 36)
            #expect(uuid.pathElement.replacing("_", with: "-") == uuid.description)
        }
    }

    @Test(arguments: [
        "", "-", "3f2a4e6c9d104b7e8c550a1b2c3d4e5f", "{3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f}",
        "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5", "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f0",
        " 3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f",
        "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f\n", "3f2a4e6c_9d10_4b7e_8c55_0a1b2c3d4e5f",
        "3f2a4e6-c9d10-4b7e-8c55-0a1b2c3d4e5f",
        "3f2a4e6g-9d10-4b7e-8c55-0a1b2c3d4e5f", "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e-f",
        "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4eé",
        "------------------------------------", "3f2a4e6c-9d10-4b7e-8c55-+a1b2c3d4e5f",
        "3f2a4e6c-9d10-4b7e-8c55-0x1b2c3d4e5f",
        "３f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f", String(repeating: "0", count: 36),
        String(repeating: "f", count: 100_000),
    ])
    func refuses(_ text: String) {
        #expect(VMUUID(text) == nil)
        if text != "3f2a4e6c_9d10_4b7e_8c55_0a1b2c3d4e5f" { #expect(VMUUID(pathElement: text.utf8) == nil) }
    }

    @Test func aPathElementHasNoHyphens() {
        #expect(VMUUID(pathElement: Self.text.utf8) == nil)
        #expect(VMUUID(pathElement: "3f2a4e6c_9d10_4b7e_8c55-0a1b2c3d4e5f".utf8) == nil)
    }

    @Test(arguments: [0, 1, 8, 15, 17, 32])
    func otherNumbersOfBytesAreNoUUID(_ count: Int) {
        #expect(VMUUID(bytes: [UInt8](repeating: 1, count: count)) == nil)
    }

    @Test func randomOnesAreOfVersion4AndDiffer() {
        var seen: Set<VMUUID> = []
        var ones = (high: UInt64(0), low: UInt64(0))
        var zeros = (high: UInt64(0), low: UInt64(0))
        for _ in 0..<1000 {
            let uuid = VMUUID.random()
            #expect(uuid.high >> 12 & 0xf == 4)
            #expect(uuid.low >> 62 == 0b10)
            seen.insert(uuid)
            ones = (ones.high | uuid.high, ones.low | uuid.low)
            zeros = (zeros.high | ~uuid.high, zeros.low | ~uuid.low)
        }
        #expect(seen.count == 1000)
        // Every bit but the six fixed ones is seen in both values.
        #expect(ones.high & zeros.high == ~UInt64(0xf000))
        #expect(ones.low & zeros.low == ~(UInt64(0b11) << 62))
    }

    @Test func theOrderIsThatOfTheText() {
        let values = (0..<200).map { _ in VMUUID.random() }
        #expect(values.sorted().map(\.description) == values.map(\.description).sorted())
    }
}
