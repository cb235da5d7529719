import Glibc
import Testing

@testable import DBus

@Suite(.timeLimit(.minutes(1)))
struct ConnectionTests {
    @Test func callsAnswerFromBothKindsOfHandler() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            #expect(try await client.callTest("Add", [.int32(2), .int32(40)]) == [.int32(42)])
            let echoed: [DBusValue] = [.array(of: .variant, [.variant(.string("x")), .variant(.uint64(7))])]
            #expect(try await client.callTest("Echo", echoed) == echoed)
        }
    }

    @Test func theCallerIsKnownByTheBusesWord() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            #expect(try await client.callTest("Who") == [.string(client.uniqueName), .boolean(false)])
            #expect(try await client.callTest("Who", interactive: true)[1] == .boolean(true))
            #expect(try await client.credentials(of: client.uniqueName) == getuid())
        }
    }

    @Test func namesAreTakenOnceAndGivenBack() async throws {
        try await TestBus.with { bus in
            let first = try await startService(bus)
            let second = try await bus.connect()
            #expect(try await second.nameOwner(serviceName) == first.uniqueName)
            #expect(try await second.nameOwner("org.example.Nobody") == nil)
            await #expect(
                throws: DBusError(name: DBusError.Name.addressInUse, message: "the bus name \(serviceName) is taken")
            ) {
                try await second.requestName(serviceName)
            }
            try await first.requestName(serviceName)
            try await first.releaseName(serviceName)
            try await second.requestName(serviceName)
            #expect(try await first.nameOwner(serviceName) == second.uniqueName)
        }
    }

    @Test func errorsKeepTheirNames() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            for name in ["org.example.Error.Own", DBusError.Name.accessDenied] {
                for member in ["Fail", "FailInTask"] {
                    do {
                        _ = try await client.callTest(member, [.string(name)])
                        Issue.record("no error")
                    } catch let error as DBusError {
                        #expect(error == DBusError(name: name, message: "as asked"))
                    }
                }
            }
            let unknown = DBusMessage.methodCall(
                destination: "org.example.Nobody", path: "/", interface: "a.b", member: "M")
            await #expect { try await client.call(unknown) } throws: {
                ($0 as? DBusError)?.name == DBusError.Name.serviceUnknown
            }
        }
    }

    @Test func aDeadlineEndsACall() async throws {
        try await TestBus.with { bus in
            let gate = Gate()
            _ = try await startService(bus, gate: gate)
            let client = try await bus.connect()
            let error = try await client.errorOfTest("Slow", timeout: .milliseconds(30))
            #expect(error == DBusError.Name.noReply)
            #expect(try await client.errorOfTest("Slow", timeout: .zero) == DBusError.Name.noReply)
            #expect(try await client.errorOfTest("Slow", timeout: .seconds(-5)) == DBusError.Name.noReply)
            await gate.open()
            #expect(try await client.callTest("Slow", timeout: .seconds(Int64.max)) == [.boolean(true)])
        }
    }

    @Test func aCancelledTaskEndsItsCall() async throws {
        try await TestBus.with { bus in
            let gate = Gate()
            _ = try await startService(bus, gate: gate)
            let client = try await bus.connect()
            let task = Task { try await client.callTest("Slow") }
            await gate.waitForArrivals(1)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(await client.link.calls.bySerial.isEmpty)
            let early = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await client.callTest("Slow")
            }
            await #expect(throws: CancellationError.self) { try await early.value }
            // The reply that comes after all is nobody's, and harmless.
            await gate.open()
            #expect(try await client.callTest("Add", [.int32(1), .int32(1)]) == [.int32(2)])
        }
    }

    /// More calls than the bus allows to be unanswered, and none of them in the way of a quick one.
    @Test func manySlowCallsDoNotHoldUpOthers() async throws {
        try await TestBus.with { bus in
            let gate = Gate()
            _ = try await startService(bus, gate: gate)
            let client = try await bus.connect()
            let other = try await bus.connect()
            let slow = (0..<200).map { _ in Task { try await client.callTest("Slow") } }
            await gate.waitForArrivals(CallTable.maximumInFlight)
            let name = try await other.callTest(
                "Get", [.string(testInterface), .string("Name")], interface: "org.freedesktop.DBus.Properties",
                timeout: .seconds(5))
            #expect(name == [.variant(.string("one"))])
            await gate.open()
            for task in slow { #expect(try await task.value == [.boolean(true)]) }
            #expect(await gate.arrived == 200)
            #expect(await client.link.calls.unclaimedReplies == 0)
        }
    }

    @Test func everyCallHasOneReplyAndNoneIfNoneIsWanted() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            let members: [(String, [DBusValue])] = [
                ("Echo", [.array(of: .variant, [])]), ("Add", [.int32(1), .int32(2)]), ("Fail", [.string("a.b")]),
                ("Fail", [.string("no error name")]), ("FailInTask", [.string("a.b")]), ("FailOrdinary", []),
                ("WrongReply", []), ("NulReply", []), ("NoSuchMethod", []), ("Add", [.string("x")]),
            ]
            for (member, body) in members {
                _ = try await client.errorOfTest(member, body)
                let silent = DBusMessage.methodCall(
                    destination: serviceName, path: objectPath, interface: testInterface, member: member, body: body)
                try await client.send(silent)
            }
            // Its reply comes after all others would have; the tasks behind the silent calls have no reply to be late.
            for _ in 0..<3 { _ = try await client.callTest("Add", [.int32(1), .int32(2)]) }
            #expect(await client.link.calls.unclaimedReplies == 0)
            #expect(await client.link.calls.bySerial.isEmpty)
        }
    }

    @Test func aForgedReplyIsNotTaken() async throws {
        try await TestBus.with { bus in
            let gate = Gate()
            let service = try await startService(bus, gate: gate)
            let client = try await bus.connect()
            let forger = try await bus.connect()
            let call = DBusMessage.methodCall(
                destination: service.uniqueName, path: objectPath, interface: testInterface, member: "Slow")
            let task = Task { try await client.call(call) }
            await gate.waitForArrivals(1)
            let serials = await client.link.calls.bySerial.keys
            let serial = try #require(serials.first)
            try await forger.send(
                DBusMessage(
                    kind: .methodReturn, destination: client.uniqueName, replySerial: serial, body: [.boolean(false)]))
            _ = try await forger.nameOwner(serviceName)
            await gate.open()
            #expect(try await task.value.body == [.boolean(true)])
        }
    }

    @Test func closingEndsWhatWaits() async throws {
        try await TestBus.with { bus in
            let gate = Gate()
            _ = try await startService(bus, gate: gate)
            let client = try await bus.connect()
            let call = Task { try await client.errorOfTest("Slow") }
            let stream = try await client.signals(MatchRule(interface: testInterface))
            let signal = Task {
                var iterator = stream.makeAsyncIterator()
                return try await iterator.next()
            }
            let closed = Task { await client.waitUntilClosed() }
            await gate.waitForArrivals(1)
            #expect(!client.isClosed)
            await client.close()
            #expect(client.isClosed)
            await closed.value
            #expect(try await call.value == DBusError.Name.disconnected)
            await #expect(throws: DBusError.disconnected()) { try await signal.value }
            #expect(try await client.errorOfTest("Slow") == DBusError.Name.disconnected)
            await #expect(throws: DBusError.self) { try await client.signals(MatchRule()) }
            await #expect(throws: DBusError.self) {
                try await client.send(.signal(path: "/", interface: "a.b", member: "M"))
            }
            await client.close()
            await client.waitUntilClosed()
            await gate.open()
        }
    }

    @Test func closingSendsWhatIsQueued() async throws {
        try await TestBus.with { bus in
            let listener = try await bus.connect()
            let sender = try await bus.connect()
            let stream = try await listener.signals(MatchRule(sender: sender.uniqueName, member: "Last"))
            let text = String(repeating: "x", count: 4 << 20)
            try await sender.send(.signal(path: "/", interface: "a.b", member: "Big", body: [.string(text)]))
            try await sender.send(.signal(path: "/", interface: "a.b", member: "Last"))
            await sender.close()
            var iterator = stream.makeAsyncIterator()
            #expect(try await iterator.next()?.member == "Last")
        }
    }

    @Test func theDeathOfTheBusIsNoticed() async throws {
        try await TestBus.with { bus in
            let gate = Gate()
            let service = try await startService(bus, gate: gate)
            let client = try await bus.connect()
            let call = Task { try await client.errorOfTest("Slow") }
            let stream = try await client.signals(MatchRule(sender: serviceName))
            await gate.waitForArrivals(1)
            bus.kill()
            await client.waitUntilClosed()
            await service.waitUntilClosed()
            #expect(try await call.value == DBusError.Name.disconnected)
            await #expect(throws: DBusError.disconnected()) { for try await _ in stream {} }
            // The service goes on in memory; its replies and signals lead nowhere.
            try await service.loop.run { () throws(DBusError) in
                try service.objects.setProperties(objectPath, interface: testInterface, [("Name", .string("two"))])
            }
            await gate.open()
        }
    }

    @Test func waitingForTheEndCanBeCancelled() async throws {
        try await TestBus.with { bus in
            let client = try await bus.connect()
            let waiting = Task { await client.waitUntilClosed() }
            waiting.cancel()
            await waiting.value
            #expect(!client.isClosed)
        }
    }

    @Test func aBusThatIsNotThereIsAnError() async throws {
        let loop = EventLoop(name: "nowhere")
        defer { loop.shutdown() }
        for address in ["unix:path=/nonexistent/bus", "", "nonsense", "unix:path=/a\0b", "unix:path=/tmp"] {
            await #expect(throws: DBusError.self, "\(address)") {
                _ = try await DBusConnection.connect(to: .address(address), loop: loop)
            }
        }
    }

    @Test func severalConnectionsShareALoop() async throws {
        try await TestBus.with { bus in
            let loop = EventLoop(name: "shared")
            _ = try await startService(bus, on: loop)
            let client = try await bus.connect(on: loop)
            for number in Int32(0)..<100 {
                #expect(try await client.callTest("Add", [.int32(number), .int32(1)]) == [.int32(number + 1)])
            }
        }
    }

    @Test func aDroppedConnectionIsClosed() async throws {
        try await TestBus.with { bus in
            let watcher = try await bus.connect()
            let loop = EventLoop(name: "dropped")
            defer { loop.shutdown() }
            let rule = MatchRule(sender: "org.freedesktop.DBus", member: "NameOwnerChanged")
            let changes = try await watcher.signals(rule)
            let name = try await {
                try await DBusConnection.connect(to: .address(bus.address), loop: loop).uniqueName
            }()
            for try await change in changes
            where change.body.first == .string(name) && change.body.last == .string("") { break }
        }
    }
}
