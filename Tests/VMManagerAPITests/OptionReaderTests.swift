import DBus
import Testing
import VMManagerAPI
import VMModel

@Suite struct OptionReaderTests {
    private func reader(_ entries: (String, DBusValue)...) throws -> OptionReader {
        try OptionReader(.options(entries))
    }

    private func refusal(_ body: () throws -> Void) -> VMError? {
        do {
            try body()
            return nil
        } catch {
            return error as? VMError
        }
    }

    @Test func takesWhatIsThereOnce() throws {
        var options = try reader(("force", .boolean(true)), ("name", .string("a")), ("timeout", .uint32(5)))
        #expect(try options.bool("force") == true)
        #expect(try options.bool("force") == nil)
        #expect(try options.string("name") == "a")
        #expect(try options.unsigned("timeout") == 5)
        #expect(try options.string("nothing") == nil)
        try options.finish()
        #expect(options.takeRest().isEmpty)
    }

    @Test func noOptionsAreNone() throws {
        try OptionReader(nil).finish()
        try OptionReader(.options([])).finish()
    }

    @Test func whatNobodyTookIsUnknown() throws {
        var options = try reader(("zeta", .byte(1)), ("force", .boolean(true)), ("alpha", .byte(1)))
        _ = try options.bool("force")
        let error = refusal { try options.finish() }
        #expect(error == VMError(.invalidArgument, "unknown option 'alpha'"))
        #expect(options.takeRest().keys.sorted() == ["alpha", "zeta"])
        try options.finish()
    }

    @Test func theSameKeyTwiceIsRefused() {
        let error = refusal { _ = try reader(("force", .boolean(true)), ("x", .byte(1)), ("force", .boolean(true))) }
        #expect(error == VMError(.invalidArgument, "an option is given twice: 'force'"))
    }

    static let values: [DBusValue] = [
        .byte(1), .boolean(true), .int16(1), .uint16(1), .int32(1), .uint32(1), .int64(1), .uint64(1), .double(1),
        .string("1"), .objectPath("/a"), .signature("s"), .variant(.variant(.string("1"))), .strings(["1"]),
        .options([]),
        .structure([.string("1")]),
    ]

    @Test(arguments: values)
    func onlyTheRightTypeIsTaken(_ value: DBusValue) throws {
        let isNumber = value.unsignedValue != nil
        var options = try reader(("key", value))
        let asBool = refusal { _ = try options.bool("key") }
        #expect((asBool == nil) == (value == .boolean(true)))
        options = try reader(("key", value))
        let asString = refusal { _ = try options.string("key") }
        #expect((asString == nil) == (value == .string("1")))
        options = try reader(("key", value))
        let asNumber = refusal { _ = try options.unsigned("key") }
        #expect((asNumber == nil) == isNumber)
        for error in [asBool, asString, asNumber] {
            #expect(
                error == nil
                    || error?.code == .invalidArgument && error?.message.hasPrefix("option 'key' must be ") == true)
        }
    }

    @Test func numbersOfEveryWidthAreTakenAndNegativeOnesAreNot() {
        #expect(
            [
                DBusValue.byte(.max), .uint16(.max), .uint32(.max), .uint64(.max), .int16(.max), .int32(.max),
                .int64(.max),
            ].map(\.unsignedValue) == [
                255, 65535, 4_294_967_295, .max, 32767, 2_147_483_647, 9_223_372_036_854_775_807,
            ])
        #expect(
            [DBusValue.int16(-1), .int32(.min), .int64(-1), .double(1), .boolean(true), .string("1")].allSatisfy {
                $0.unsignedValue == nil
            })
        #expect([DBusValue.int16(0), .int32(0), .int64(0)].allSatisfy { $0.unsignedValue == 0 })
    }

    /// Whatever the key holds: the message stays short and plain.
    @Test(arguments: [
        "", "a\nb", "\u{1b}[31m", "\u{202e}x", "caf\u{e9}", String(repeating: "x", count: 100_000),
        "x" + String(repeating: "\u{301}", count: 10_000), "'; DROP",
    ])
    func aKeyOfTheCallersIsMadePlain(_ key: String) throws {
        let messages = [
            refusal { try reader((key, .byte(1))).finish() }?.message,
            refusal { _ = try reader((key, .byte(1)), (key, .byte(1))) }?.message,
            OptionReader.wrongType(key, "x").message,
        ]
        for message in messages {
            let message = try #require(message)
            #expect(message.utf8.count < 120)
            #expect(message.utf8.allSatisfy { (0x20..<0x7f).contains($0) })
        }
    }
}
