import Testing

@testable import Libvirt

@Suite struct EventTests {
    @Test func arriveInOrder() async throws {
        try await TestHost.with { connection in
            let events = try await connection.domainEvents()
            let domain = try await connection.domain(name: "alpha")
            for _ in 0..<10 {
                try await domain.start()
                try await domain.suspend()
                try await domain.resume()
                try await domain.destroy()
            }
            let received = await events.next(40).map(\.kind)
            let round: [DomainEvent.Kind] = [
                .lifecycle(.init(.started, .startedBooted)), .lifecycle(.init(.suspended, .suspendedPaused)),
                .lifecycle(.init(.resumed, .resumedUnpaused)), .lifecycle(.init(.stopped, .stoppedDestroyed)),
            ]
            #expect(received == Array(repeating: round, count: 10).flatMap(\.self))
        }
    }

    @Test func carryWhomTheyConcern() async throws {
        try await TestHost.with { connection in
            let events = try await connection.domainEvents()
            let domain = try await connection.defineDomain(xml: TestHost.domainXML("new"), validate: false)
            try await domain.start()
            try await domain.setMetadata("<a/>", prefix: "x", namespace: "urn:x", impact: .config)
            try await domain.destroy()
            try await domain.undefine()
            let received = await events.next(5)
            #expect(received.map(\.uuid) == Array(repeating: domain.uuid, count: 5))
            #expect(received.allSatisfy { $0.name == "new" && $0.nameBytes == Array("new".utf8) })
            #expect(received.first?.kind == .lifecycle(.init(.defined, .definedAdded)))
            #expect(received.first?.id == nil)
            #expect(received[1].id != nil)
            #expect(received[2].kind == .metadataChange(.element, namespace: "urn:x"))
            #expect(received.last?.kind == .lifecycle(.init(.undefined, .undefinedRemoved)))
        }
    }

    @Test func reachAHandlerOnTheEventThread() async throws {
        try await TestHost.with { connection in
            let (threads, thread) = AsyncStream.makeStream(of: String.self)
            let subscription = try await connection.onDomainEvent { _ in thread.yield(threadName()) }
            let events = try await connection.domainEvents()
            let domain = try await connection.domain(name: "alpha")
            try await domain.start()
            var iterator = threads.makeAsyncIterator()
            #expect(await iterator.next() == "libvirt-events")
            // After cancelling, only the others hear of it.
            subscription.cancel()
            try await domain.destroy()
            #expect(await events.next(2).count == 2)
            thread.finish()
            #expect(await iterator.next() == nil)
        }
    }

    @Test func reachEveryReceiverWithOneRegistration() async throws {
        try await TestHost.with { connection in
            let counts = Locked([0, 0, 0])
            for index in 0..<3 {
                try await connection.onDomainEvent { _ in counts.withLock { $0[index] += 1 } }
            }
            let boxes = connection.callbackCount
            let events = try await connection.domainEvents()
            #expect(connection.callbackCount == boxes)
            try await connection.domain(name: "alpha").start()
            _ = await events.next(1)
            #expect(counts.withLock { $0 } == [1, 1, 1])
        }
    }

    @Test func endWithTheConnection() async throws {
        try await TestHost.withFile { uri in
            let connection = try await LibvirtConnection.open(uri)
            let events = try await connection.domainEvents()
            let reader = Task { await events.next(1) }
            #expect(connection.callbackCount > 1)
            #expect(await connection.close() == 0)
            #expect(connection.callbackCount == 0)
            #expect(await reader.value.isEmpty)
            await #expect(throws: LibvirtError.self) { _ = try await connection.domainEvents() }
        }
    }

    @Test func doNotReachAnotherHost() async throws {
        try await TestHost.with { one in
            let quiet = try await one.domainEvents()
            try await TestHost.with { other in
                let events = try await other.domainEvents()
                try await other.domain(name: "alpha").start()
                _ = await events.next(1)
            }
            let domain = try await one.domain(name: "alpha")
            try await domain.start()
            #expect(await quiet.next(1).first?.uuid == domain.uuid)
        }
    }

    @Test func keepNumbersThatAreNotKnown() {
        #expect(DomainEvent.WatchdogAction(2) == .reset && DomainEvent.WatchdogAction(42) == .other(42))
        #expect(DomainEvent.IOErrorAction(1) == .paused && DomainEvent.IOErrorAction(-1) == .other(-1))
        #expect(MetadataKind(2) == .element && MetadataKind(9) == .other(9))
        #expect(DomainEvent.LifecycleEvent(rawValue: 77) != .crashed)
    }
}
