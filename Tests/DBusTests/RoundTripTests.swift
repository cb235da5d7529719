import Glibc
import Testing

@testable import DBus

@Suite(.timeLimit(.minutes(2)))
struct RoundTripTests {
    @Test func randomValuesSurviveTheBus() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            var random = RandomValues(seed: 99)
            for _ in 0..<200 {
                random.descriptorsLeft = 12
                let values = try (0..<12).map { _ in DBusValue.variant(try random.value(depth: 4)) }
                let sent = [DBusValue.array(of: .variant, values)]
                let received = try await client.callTest("Echo", sent)
                #expect(received.map(\.canonical) == sent.map(\.canonical))
            }
        }
    }

    @Test func sixteenDescriptorsAreTheLimit() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            func body(_ count: Int) -> [DBusValue] {
                [.array(of: .variant, (0..<count).map { _ in .variant(.unixFD(UnixFD(owning: dup(0)))) })]
            }
            #expect(try await client.callTest("Echo", body(16)).first?.arrayValue?.count == 16)
            #expect(try await client.errorOfTest("Echo", body(17)) == DBusError.Name.limitsExceeded)
            #expect(try await client.callTest("Echo", body(1)).first?.arrayValue?.count == 1)
        }
    }

    @Test func theDeepestValueSurvivesTheBus() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            // An array of variants around it makes two levels.
            var deep = DBusValue.byte(1)
            for _ in 0..<62 { deep = .variant(deep) }
            let body = [DBusValue.array(of: .variant, [.variant(deep)])]
            #expect(try await client.callTest("Echo", body) == body)
            let deeper = [DBusValue.array(of: .variant, [.variant(.variant(deep))])]
            #expect(try await client.errorOfTest("Echo", deeper) == DBusError.Name.limitsExceeded)
            #expect(try await client.callTest("Echo", body) == body)
        }
    }

    /// Each part takes far more memory as a value than on the wire; a reply may still have as many as fit.
    @Test func aCallMayNotHaveAnyNumberOfParts() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            let limit = MessageDecoder.maximumArguments
            // The array counts, and each variant and what is in it.
            let most = [DBusValue.array(of: .variant, Array(repeating: .variant(.byte(1)), count: limit / 2 - 1))]
            #expect(try await client.callTest("Echo", most) == most)
            for value in [
                DBusValue.bytes(Array(repeating: 1, count: limit)), .strings(Array(repeating: "", count: limit)),
                .array(of: .variant, Array(repeating: .variant(.byte(1)), count: limit / 2)),
                .options(Array(repeating: ("a", .byte(1)), count: limit / 3)),
            ] {
                let body = [DBusValue.array(of: .variant, [.variant(value)])]
                #expect(try await client.errorOfTest("Echo", body) == DBusError.Name.limitsExceeded)
            }
        }
    }

    @Test func aLargeTableArrivesWhole() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            let rows = try #require(try await client.callTest("Table", [.uint32(5000)]).first?.arrayValue)
            #expect(rows.count == 5000)
            #expect(rows[4999].structureValue?[1] == .string("vm-4999"))
        }
    }

    /// Text counts as well: what a call says is held until it is answered.
    @Test func aCallMayNotHaveAnyLengthOfText() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            for (bytes, isTaken) in [(256 << 10, true), (16 << 20, false)] {
                let text = String(repeating: "0123456789abcdef", count: bytes / 16)
                let body: [DBusValue] = [.array(of: .variant, [.variant(.string(text))])]
                if isTaken {
                    #expect(try await client.callTest("Echo", body) == body)
                } else {
                    #expect(try await client.errorOfTest("Echo", body) == DBusError.Name.limitsExceeded)
                }
            }
        }
    }
}
