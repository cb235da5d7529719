import Dispatch
import Testing
import XMLReading

@testable import Libvirt

@Suite struct ConnectionTests {
    @Test func answersNothingMoreWhenItIsGivenUp() async throws {
        try await TestHost.with { connection in
            let domain = try await connection.domain(name: "alpha")
            let events = try await connection.domainEvents()
            connection.abandon()
            #expect(try await connection.waitUntilClosed() == .keepalive)
            for await event in events { Issue.record("an event after the end: \(event)") }
            #expect(await failure { _ = try await connection.libvirtVersion() }?.kind == .connectionClosed)
            #expect(await failure { try await domain.start() }?.kind == .connectionClosed)
            #expect(await connection.close() == 0)
            #expect(connection.closeReason == .keepalive)
        }
    }

    /// Whether libvirt's callback tells of it or not.
    @Test func hasEndedWhenACallHasFoundOut() async throws {
        try await TestHost.with { connection in
            let error = LibvirtError.connectionClosed(operation: "virConnectGetType", object: nil)
            let events = try await connection.domainEvents()
            let found = await failure {
                try await connection.core.call("any", deadline: .seconds(10)) { (_, _) -> Void in throw error }
            }
            #expect(found?.kind == .connectionClosed)
            #expect(connection.closeReason == .error)
            for await event in events { Issue.record("an event after the end: \(event)") }
        }
    }

    @Test func tellsWhoAnswers() async throws {
        try await TestHost.with { connection in
            #expect(try await connection.hypervisorType() == "TEST")
            #expect(try await connection.hypervisorVersion() == LibvirtVersion(0, 0, 2))
            #expect(try await connection.libvirtVersion() >= LibvirtVersion(6, 0, 0))
            #expect(try await connection.canonicalURI() == connection.uri)
            #expect(try await !connection.hostname().isEmpty)
            #expect(try await connection.isAlive())
            let node = try await connection.nodeInfo()
            #expect(node.cpus > 0 && node.memoryInKiB > 0 && !node.cpuModel.isEmpty)
            let capabilities = try XMLTree(parsing: try await connection.capabilitiesXML())
            #expect(capabilities.name == "capabilities")
        }
    }

    @Test func keepsLibvirtsErrorWhenOpeningFails() async throws {
        let error = try #require(await failure { _ = try await LibvirtConnection.open("nonsense:///system") })
        #expect(error.kind == .libvirt)
        #expect(!error.message.isEmpty)
        #expect(error.code == .systemError || error.code == .noConnect)
        #expect(error.operation == "virConnectOpen")
        #expect(error.object == "nonsense:///system")
        #expect(!error.message.isEmpty)
        await #expect(throws: LibvirtError.self) { _ = try await LibvirtConnection.open("test:///nowhere/host.xml") }
    }

    @Test func refusesCallsAfterClosing() async throws {
        try await TestHost.withFile { uri in
            let connection = try await LibvirtConnection.open(uri)
            let domain = try await connection.domain(name: "alpha")
            #expect(connection.closeReason == nil)
            #expect(await connection.close() == 0)
            #expect(connection.closeReason == .client)
            #expect(connection.handleCount == 0)
            #expect(connection.callbackCount == 0)
            let error = await failure { _ = try await domain.status() }
            #expect(error?.kind == .connectionClosed)
            #expect(error?.object == "alpha")
            #expect(await failure { _ = try await connection.domains() }?.kind == .connectionClosed)
            #expect(await connection.close() == 0)
        }
    }

    @Test func opensAgainAfterClosing() async throws {
        try await TestHost.withFile { uri in
            for _ in 0..<20 {
                let connection = try await LibvirtConnection.open(uri)
                let events = try await connection.domainEvents()
                let domain = try await connection.domain(name: "alpha")
                try await domain.start()
                #expect(await events.next(1).first?.uuid == domain.uuid)
                #expect(await connection.close() == 0)
                #expect(connection.callbackCount == 0)
            }
        }
    }

    @Test func tellsThoseWhoWaitForTheEnd() async throws {
        try await TestHost.withFile { uri in
            let connection = try await LibvirtConnection.open(uri)
            let waiting = Task { try await connection.waitUntilClosed() }
            let cancelled = Task { try await connection.waitUntilClosed() }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { _ = try await cancelled.value }
            await connection.close()
            #expect(try await waiting.value == .client)
        }
    }

    @Test func closesWhileCallsRun() async throws {
        try await TestHost.withFile(["alpha", "beta"]) { uri in
            let connection = try await LibvirtConnection.open(uri)
            let outcomes = await withTaskGroup(of: LibvirtError.Kind?.self) { group in
                for number in 0..<500 {
                    group.addTask {
                        await failure {
                            for domain in try await connection.domains() { _ = try await domain.info() }
                        }?.kind
                    }
                    if number == 250 { group.addTask { await connection.close() == 0 ? nil : .libvirt } }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.allSatisfy { $0 == nil || $0 == .connectionClosed })
            #expect(outcomes.contains(.connectionClosed))
            #expect(connection.handleCount == 0)
        }
    }

    @Test func closesAtItsDeadlineWhenACallHangs() async throws {
        try await TestHost.withFile { uri in
            let connection = try await LibvirtConnection.open(uri)
            let gate = DispatchSemaphore(value: 0)
            let (started, isStarted) = AsyncStream.makeStream(of: Void.self)
            let hung = Task {
                try await connection.core.call("virHang", deadline: .seconds(30)) { _, _ in
                    isStarted.finish()
                    gate.wait()
                }
            }
            for await _ in started {}
            // The call's own reference is left, and goes when it returns.
            #expect(await connection.close(deadline: .milliseconds(50)) == 1)
            gate.signal()
            try await hung.value
        }
    }

    @Test func letsGoOfHandlesThatAreDropped() async throws {
        try await TestHost.with(["alpha", "beta"]) { connection in
            for _ in 0..<50 {
                let names = try await connection.domains().map(\.name)
                #expect(names.sorted() == ["alpha", "beta"])
                // The thread that made the call lets go a moment after its caller goes on.
                #expect(await holds { connection.handleCount == 0 })
            }
        }
    }

    @Test func closesByItselfWhenItIsDropped() async throws {
        try await TestHost.withFile { uri in
            var connection: LibvirtConnection? = try await LibvirtConnection.open(uri)
            let events = try #require(try await connection?.domainEvents())
            var domain = try await connection?.domain(name: "alpha")
            connection = nil
            // A handle keeps it open.
            #expect(try await domain?.isActive() == false)
            domain = nil
            // The stream ends with the connection.
            #expect(await events.next(1).isEmpty)
        }
    }

    @Test func answersWithinTheDeadlineOfACall() async throws {
        try await TestHost.with(pool: BlockingPool(size: 1, spare: 1)) { connection in
            let gate = DispatchSemaphore(value: 0)
            let error = await failure {
                try await connection.core.call("virHang", deadline: .milliseconds(20)) { _, _ in gate.wait() }
            }
            #expect(error?.kind == .deadlineExceeded)
            // Another thread takes the hung one's place, and waits for its turn on the connection.
            let second = await failure { _ = try await connection.domains(deadline: .milliseconds(20)) }
            #expect(second?.kind == .deadlineExceeded)
            #expect(connection.isHeldUp)
            gate.signal()
            let domains = try await connection.domains()
            #expect(domains.count == 1)
            #expect(!connection.isHeldUp)
        }
    }

    @Test func aCallThatIsWaitedForHoldsNobodyUp() async throws {
        try await TestHost.with(pool: BlockingPool(size: 2, spare: 1)) { connection in
            let (gate, begun) = (DispatchSemaphore(value: 0), OneShot<Void>())
            async let slow: Void = connection.core.call("virWork", deadline: .seconds(60)) { _, _ in
                begun.deliver(())
                gate.wait()
            }
            try await begun.wait()
            let second = await failure { _ = try await connection.domains(deadline: .milliseconds(20)) }
            #expect(second?.kind == .deadlineExceeded)
            #expect(!connection.isHeldUp)
            // Nor is it made late, when nobody waits for it any more.
            let made = OneShot<Void>()
            let third = await failure {
                try await connection.core.call("virLate", deadline: .milliseconds(20)) { _, _ in
                    _ = made.deliver(())
                }
            }
            #expect(third?.kind == .deadlineExceeded)
            gate.signal()
            try await slow
            _ = try await connection.domains()
            #expect(made.value == nil)
            #expect(connection.closeReason == nil)
        }
    }
}
