import Testing

@testable import DBus

/// libdbus aborts the process on each of these if it gets to see them.
@Suite(.timeLimit(.minutes(1)))
struct InvalidInputTests {
    private let badNames = [
        "", ".", "a", "a.", ".a", "a..b", "a.b c", "a.ä", "a.b\0", "a.1b", "1a.b", "a.b-c", "/a", "a.b\n",
        String(repeating: "a.", count: 130) + "a", "💥.💥",
    ]

    @Test func headersAreChecked() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            func refused(_ message: DBusMessage, _ what: String) async {
                await #expect("\(what)") { try await client.send(message) } throws: {
                    ($0 as? DBusError)?.name == DBusError.Name.invalidArgs
                }
            }
            for name in badNames {
                await refused(.signal(path: "/", interface: name, member: "M"), "interface \(name)")
                await refused(
                    .methodCall(destination: serviceName, path: "/", interface: name, member: "M"), "interface \(name)")
                await refused(
                    DBusMessage(
                        kind: .error, errorName: name, destination: client.uniqueName, replySerial: 1, body: []),
                    "error \(name)")
            }
            for name in ["", "a.b", "1a", "a b", "ä", "a\0", "a-b", String(repeating: "m", count: 256)] {
                await refused(.signal(path: "/", interface: "a.b", member: name), "member \(name)")
            }
            for name in ["", "a", "a b.c", "a.b\0", ":", ":1", ":1.", "a.1", String(repeating: "a.b", count: 100)] {
                await refused(
                    .methodCall(destination: name, path: "/", interface: "a.b", member: "M"), "destination \(name)")
            }
            await refused(.signal(path: "/", interface: "org.freedesktop.DBus.Local", member: "M"), "local interface")
            await refused(.signal(path: "/org/freedesktop/DBus/Local", interface: "a.b", member: "M"), "local path")
            await refused(DBusMessage(kind: .methodReturn, body: []), "reply to nothing")
            await refused(DBusMessage(kind: .methodCall, member: "M", body: []), "no path")
            await refused(DBusMessage(kind: .signal, path: "/", body: []), "no interface")
            #expect(try await client.callTest("Add", [.int32(1), .int32(1)]) == [.int32(2)])
        }
    }

    @Test func bodiesAreChecked() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            let bodies: [[DBusValue]] = [
                [.string("\0")], [.structure([])], [.array(of: .string, [.byte(1)])], [.variant(.structure([]))],
                [.dictionary(key: .variant, value: .byte, [])], [.unixFD(UnixFD(owning: -1))],
                Array(repeating: .byte(0), count: 256),
            ]
            for body in bodies {
                #expect(try await client.errorOfTest("Echo", body) != "")
                await #expect(throws: DBusError.self) {
                    try await client.send(.signal(path: "/", interface: "a.b", member: "M", body: body))
                }
            }
            #expect(try await client.callTest("Add", [.int32(1), .int32(1)]) == [.int32(2)])
        }
    }

    /// Whoever shows an error shows what a caller sent.
    @Test func errorsRepeatNoControlCharactersAndNoLongWords() async throws {
        let properties = "org.freedesktop.DBus.Properties"
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            for word in ["a\nb", "a\u{1b}[2J", "\u{85}", "\u{202e}x", String(repeating: "e\u{301}", count: 30_000)] {
                for names in [[word, "Name"], [testInterface, word]] {
                    let calls: [(String, [DBusValue])] = [
                        ("Get", names.map(DBusValue.string)),
                        ("Set", names.map(DBusValue.string) + [.variant(.byte(1))]), ("GetAll", [.string(word)]),
                    ]
                    for (member, body) in calls {
                        await #expect("\(member) \(word.prefix(9).debugDescription)") {
                            try await client.callTest(member, body, interface: properties)
                        } throws: { error in
                            guard let message = (error as? DBusError)?.message else { return false }
                            return message.utf8.count < 400 && message.utf8.allSatisfy { (0x20..<0x7f).contains($0) }
                        }
                    }
                }
            }
        }
    }

    @Test func namesForTheBusAreChecked() async throws {
        try await TestBus.with { bus in
            let client = try await bus.connect()
            // A hyphen is allowed in these.
            for name in badNames where name != "a.b-c" {
                await #expect(throws: DBusError.self) { try await client.requestName(name) }
                await #expect(throws: DBusError.self) { try await client.releaseName(name) }
                await #expect(throws: DBusError.self) { try await client.credentials(of: name) }
            }
            #expect(!client.isClosed)
        }
    }

    @Test func onlyCallsCanBeWaitedFor() async throws {
        try await TestBus.with { bus in
            let client = try await bus.connect()
            await #expect(throws: DBusError.self) {
                try await client.call(.signal(path: "/", interface: "a.b", member: "M"))
            }
        }
    }
}
