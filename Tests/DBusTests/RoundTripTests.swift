import DBus
import Glibc
import Testing

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

    @Test func aLargeTableArrivesWhole() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            let rows = try #require(try await client.callTest("Table", [.uint32(5000)]).first?.arrayValue)
            #expect(rows.count == 5000)
            #expect(rows[4999].structureValue?[1] == .string("vm-4999"))
        }
    }

    @Test func aMessageOfManyMegabytesArrives() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            let text = String(repeating: "0123456789abcdef", count: 1 << 20)
            let body: [DBusValue] = [.array(of: .variant, [.variant(.string(text))])]
            #expect(try await client.callTest("Echo", body) == body)
        }
    }
}
