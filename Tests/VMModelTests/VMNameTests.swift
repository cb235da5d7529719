import Testing
import VMModel

@Suite struct VMNameTests {
    static let uuid = "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f"

    @Test(arguments: [
        "a", "Z", "0a", "win11", "win-11.pro_x", "a.", "a-", "a..b", "1.0", "0x10", "1e5", "a_", "CON", "null",
        String(repeating: "a", count: 63), "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5g", "3f2a4e6c-9d10-4b7e-8c55",
    ])
    func accepts(_ name: String) throws {
        let accepted = try VMName(name)
        #expect(accepted.rawValue.utf8.elementsEqual(name.utf8))
        #expect(accepted.description == name)
    }

    static let hostile: [String] =
        [
            "", ".", "..", "...", "../x", "a/b", "/etc/passwd", "a/", "a\\b", "-x", "--help", "_x", ".hidden", " a",
            "a ", "a b",
            "abc\n", "\nabc", "a\nb", "abc\r", "a\tb", "\u{1b}[1m", "a\u{1b}b", "a\u{7f}", "a\u{0}", "a\u{0}b", "\u{1}",
            "a\u{85}",
            "a\u{9b}b", "a\u{a0}b", "\u{202e}gpj", "a\u{2066}b", "a\u{200b}b", "a\u{feff}", "\u{feff}a", "😀", "a😀", "é",
            "cafe\u{301}", "caf\u{e9}", "a" + String(repeating: "\u{301}", count: 30_000), "Ａ", "а", "٣", "१२३", "ⅷ",
            "ß", "ı",
            "%s%n", "a%00", "a,b=c", "a:b", "a;reboot", "a&b", "$(id)", "`id`", "a|b", "a*", "a?", "~root", "a'b",
            "a\"b", "]]>",
            "&lt;", "<name>", "x</name><devices>", "{{ uuid }}", "{% x %}", "a#b", "a@b", "a+b", "a=b", "a!", "(a)",
            "[a]",
            String(repeating: "a", count: 64), String(repeating: "a", count: 65_536),
            "a" + String(repeating: ".", count: 63),
            "0", "1", "007", "4294967295", String(repeating: "9", count: 63),
            uuid, uuid.uppercased(), "00000000-0000-0000-0000-000000000000",
            // libvirt's tools read these as UUIDs, too: it skips hyphens wherever they stand.
            "3f2a4e6c9d104b7e8c550a1b2c3d4e5f", "3f2a-4e6c9d10-4b7e-8c55-0a1b2c3d4e5f",
            "3-f2a4e6c9d104b7e8c550a1b2c3d4e5f",
        ]

    @Test func thereAreEnoughHostileNames() {
        #expect(Set(Self.hostile.map(NameBytes.init)).count >= 60)
    }

    @Test(arguments: hostile)
    func refuses(_ name: String) throws {
        let error = try #require(throws: VMError.self) { try VMName(name) }
        #expect(error.code == .invalidArgument)
        #expect(error.cause == nil)
        #expect(error.message.utf8.count < 200)
        // The caller's bytes never come back in the message.
        #expect(error.message.utf8.allSatisfy { (0x20..<0x7f).contains($0) })
        if name.utf8.count > 8 { #expect(!error.message.contains(name)) }
    }

    @Test func refusesEveryOtherByteAnywhere() {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        for byte in UInt8.min...0x7f {
            let scalar = String(Unicode.Scalar(byte))
            #expect(((try? VMName(scalar + "x")) != nil) == plain.contains(byte), "first byte \(byte)")
            #expect(
                ((try? VMName("x" + scalar)) != nil) == plain.union("._-".utf8).contains(byte), "second byte \(byte)")
        }
    }

    @Test func namesAreComparedByTheirBytes() throws {
        #expect("caf\u{e9}" == "cafe\u{301}")
        #expect(NameBytes("caf\u{e9}") != NameBytes("cafe\u{301}"))
        #expect(NameBytes("caf\u{e9}") == NameBytes("caf\u{e9}"))
        #expect(Set([NameBytes("caf\u{e9}"), NameBytes("cafe\u{301}"), NameBytes("caf\u{e9}")]).count == 2)
        #expect(NameBytes("a") != NameBytes("A"))
        #expect(NameBytes("a\u{0}").bytes == [0x61, 0])
    }
}
