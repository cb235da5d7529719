import Testing
import VMModel

@Suite struct MediaNameTests {
    @Test(arguments: [
        "a", "debian-12.7.0-amd64-netinst.iso", "Win11_24H2.iso", "0", "a..b", "a-", String(repeating: "x", count: 128),
    ])
    func isTaken(_ name: String) throws {
        #expect(try MediaName(name).rawValue == name)
        #expect(MediaName.suggested(for: name)?.rawValue == name)
    }

    @Test(arguments: [
        "", ".", "..", ".hidden", "-a", "_a", "a/b", "/a", "../a", "a b", "a\n", "a\0", "\u{1b}[2J", "caf\u{e9}.iso",
        "a\u{300}", "\u{ff41}", "a'b", "a\"b", "a<b", "a&b", String(repeating: "x", count: 129),
        String(repeating: "x", count: 1_000_000),
    ])
    func isRefused(_ name: String) {
        let error = #expect(throws: VMError.self) { try MediaName(name) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.utf8.count ?? 0 < 200)
    }

    @Test(arguments: [
        ("Win 11 (x64).iso", "Win-11--x64-.iso"), (".hidden", "hidden"), ("caf\u{e9}.iso", "caf--.iso"),
        ("\u{e9}", nil), ("...", nil),
        ("", nil),
    ])
    func aNameIsMadeOfWhatThereIs(_ fileName: String, _ name: String?) {
        #expect(MediaName.suggested(for: fileName)?.rawValue == name)
    }
}
