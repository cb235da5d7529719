import Libvirt
import Testing

@Suite struct DomainUUIDTests {
    static let text = "4d9a2f1e-0b3c-4f5a-8e7d-00ff10203040"
    static let bytes: [UInt8] = [
        0x4d, 0x9a, 0x2f, 0x1e, 0x0b, 0x3c, 0x4f, 0x5a, 0x8e, 0x7d, 0x00, 0xff, 0x10, 0x20, 0x30, 0x40,
    ]

    @Test func readsAndWritesTheCanonicalForm() throws {
        let uuid = try #require(DomainUUID(Self.text))
        #expect(uuid.bytes == Self.bytes)
        #expect(uuid.description == Self.text)
        #expect(DomainUUID(bytes: Self.bytes) == uuid)
        #expect(DomainUUID(Self.text.uppercased()) == uuid)
    }

    @Test(arguments: [
        "", "4d9a2f1e0b3c4f5a8e7d00ff10203040", "4d9a2f1e-0b3c-4f5a-8e7d-00ff1020304",
        "4d9a2f1e-0b3c-4f5a-8e7d-00ff102030400", "4d9a2f1e_0b3c_4f5a_8e7d_00ff10203040",
        "4d9a2f1e-0b3c-4f5a-8e7d-00ff1020304g", "4d9a2f1e-0b3c-4f5a-8e7d-00ff102030é",
        "4d9a2f1-e0b3c-4f5a-8e7d-00ff10203040",
    ])
    func refusesOtherForms(text: String) {
        #expect(DomainUUID(text) == nil)
    }

    @Test func refusesOtherLengths() {
        #expect(DomainUUID(bytes: [UInt8](repeating: 0, count: 15)) == nil)
        #expect(DomainUUID(bytes: [UInt8](repeating: 0, count: 17)) == nil)
    }

    @Test func sortsAsItsText() throws {
        let texts = ["00000000-0000-0000-0000-000000000001", "00000000-0000-0001-0000-000000000000", Self.text]
        #expect(texts.compactMap { DomainUUID($0) }.shuffled().sorted().map(\.description) == texts)
    }
}
