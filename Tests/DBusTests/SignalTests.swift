import Testing

@testable import DBus

@Suite(.timeLimit(.minutes(1)))
struct SignalTests {
    private let happened = MatchRule(
        sender: serviceName, path: objectPath, interface: testInterface, member: "Happened")

    private func fake(_ text: String, to destination: String? = nil) -> DBusMessage {
        var message = DBusMessage.signal(
            path: objectPath, interface: testInterface, member: "Happened", body: [.string(text), .uint32(0)])
        message.destination = destination
        return message
    }

    private func emit(_ service: DBusConnection, _ text: String) async throws {
        let objects = service.objects
        try await service.loop.run { () throws(DBusError) in
            try objects.emit(objectPath, interface: testInterface, signal: "Happened", [.string(text), .uint32(1)])
        }
    }

    @Test func signalsArriveInOrder() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let stream = try await client.signals(happened)
            for number in 0..<1000 { try await emit(service, "\(number)") }
            var expected = 0
            for try await signal in stream {
                #expect(signal.body == [.string("\(expected)"), .uint32(1)])
                #expect(signal.sender == service.uniqueName)
                expected += 1
                if expected == 1000 { break }
            }
        }
    }

    @Test func onlyTheOwnerOfTheNameIsBelieved() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let forger = try await bus.connect()
            let stream = try await client.signals(happened)
            // A second rule without sender brings the broadcast fakes to this connection for sure.
            let all = try await client.signals(MatchRule(interface: testInterface, member: "Happened"))
            try await forger.send(fake("broadcast"))
            try await forger.send(fake("unicast", to: client.uniqueName))
            _ = try await forger.nameOwner(serviceName)
            try await emit(service, "real")
            var iterator = stream.makeAsyncIterator()
            #expect(try await iterator.next()?.body.first == .string("real"))
            var everything = all.makeAsyncIterator()
            var seen: [String?] = []
            for _ in 0..<3 { seen.append(try await everything.next()?.body.first?.stringValue) }
            #expect(seen == ["broadcast", "unicast", "real"])
        }
    }

    @Test func aUniqueNameIsNobodyElses() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let forger = try await bus.connect()
            let stream = try await client.signals(
                MatchRule(sender: service.uniqueName, interface: testInterface, member: "Happened"))
            try await forger.send(fake("unicast", to: client.uniqueName))
            _ = try await forger.nameOwner(serviceName)
            try await emit(service, "real")
            var iterator = stream.makeAsyncIterator()
            #expect(try await iterator.next()?.body.first == .string("real"))
        }
    }

    @Test func aForgedOwnerChangeIsNotBelieved() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let forger = try await bus.connect()
            let stream = try await client.signals(happened)
            var change = DBusMessage.signal(
                path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus", member: "NameOwnerChanged",
                body: [.string(serviceName), .string(service.uniqueName), .string(forger.uniqueName)])
            change.destination = client.uniqueName
            // This bus's policy may refuse it at the door; then there is nothing to believe.
            try await forger.send(change)
            try await forger.send(fake("fake", to: client.uniqueName))
            _ = try await forger.nameOwner(serviceName)
            try await emit(service, "real")
            var iterator = stream.makeAsyncIterator()
            #expect(try await iterator.next()?.body.first == .string("real"))
        }
    }

    @Test func aChangeOfOwnerIsFollowed() async throws {
        try await TestBus.with { bus in
            let client = try await bus.connect()
            // Nobody owns the name yet.
            let stream = try await client.signals(happened)
            var iterator = stream.makeAsyncIterator()
            let first = try await startService(bus)
            try await emit(first, "first")
            #expect(try await iterator.next()?.body.first == .string("first"))
            try await first.releaseName(serviceName)
            try await first.send(fake("not the owner any more", to: client.uniqueName))
            let second = try await startService(bus)
            try await emit(second, "second")
            #expect(try await iterator.next()?.body.first == .string("second"))
        }
    }

    @Test func equalRulesShareOneMatch() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            async let first = client.signals(happened)
            async let second = client.signals(happened)
            var streams = [try await first, try await second]
            #expect(await client.link.router.matchUsers[happened.rule] == 2)
            // With two rules on the bus a signal would still arrive once, so one of the users must not end the other.
            streams.removeLast()
            try await emit(service, "still here")
            var iterator = streams[0].makeAsyncIterator()
            #expect(try await iterator.next()?.body.first == .string("still here"))
        }
    }

    @Test func droppedStreamsGiveTheirRulesBack() async throws {
        try await TestBus.with { bus in
            _ = try await startService(bus)
            let client = try await bus.connect()
            for _ in 0..<20 {
                _ = try await client.signals(happened)
                let task = Task {
                    for try await _ in try await client.signals(MatchRule(interface: "a.b")) {}
                }
                task.cancel()
                _ = await task.result
            }
            // The ends of streams are queued on the loop before this.
            await client.loop.run {}
            _ = try await client.nameOwner(serviceName)
            #expect(await client.link.router.matchUsers.isEmpty)
            #expect(await client.link.router.owners.isEmpty)
        }
    }

    @Test func aSlowConsumerIsTold() async throws {
        try await TestBus.with { bus in
            let service = try await startService(bus)
            let client = try await bus.connect()
            let stream = try await client.signals(happened, bufferLimit: 10)
            for number in 0..<11 { try await emit(service, "\(number)") }
            _ = try await service.nameOwner(serviceName)
            _ = try await client.callTest("Add", [.int32(1), .int32(1)])
            var received = 0
            do {
                for try await _ in stream { received += 1 }
                Issue.record("the stream ended without an error")
            } catch let error as DBusError {
                #expect(error.name == DBusError.Name.limitsExceeded)
            }
            #expect(received == 10)
        }
    }

    @Test func badRulesAreRefused() async throws {
        try await TestBus.with { bus in
            let client = try await bus.connect()
            let rules = [
                MatchRule(sender: "not a name"), MatchRule(interface: "x"), MatchRule(member: "a.b"),
                MatchRule(arg0: "a\0b"), MatchRule(path: "/a", pathNamespace: "/b"), MatchRule(type: .methodCall),
                MatchRule(arg0Namespace: ""), MatchRule(arg0: String(repeating: "x", count: 5000)),
            ]
            for rule in rules {
                await #expect(throws: DBusError.self) { _ = try await client.signals(rule) }
            }
            #expect(await client.link.router.matchUsers.isEmpty)
            let quoted = try await client.signals(MatchRule(arg0: "it's, 'x' \\ ="))
            try await client.send(
                .signal(path: "/", interface: "a.b", member: "M", body: [.string("it's, 'x' \\ =")]))
            var iterator = quoted.makeAsyncIterator()
            #expect(try await iterator.next()?.member == "M")
        }
    }
}
