import Foundation
import Testing
import XMLReading

@testable import Libvirt

@Suite struct DomainTests {
    @Test func listsAndFilters() async throws {
        try await TestHost.with(["alpha", "beta", "gamma"]) { connection in
            let domains = try await connection.domains()
            #expect(Set(domains.map(\.name)) == ["alpha", "beta", "gamma"])
            let beta = try #require(domains.first { $0.name == "beta" })
            try await beta.start()
            try await beta.setAutostart(true)
            #expect(try await connection.domains(.active).map(\.name) == ["beta"])
            #expect(try await connection.domainUUIDs(.running) == [beta.uuid])
            #expect(try await connection.domainUUIDs(.autostart) == [beta.uuid])
            #expect(try await connection.domainUUIDs(.shutOff).count == 2)
            #expect(try await connection.domainUUIDs([.persistent, .noAutostart]).count == 2)
            #expect(try await connection.domainUUIDs([.transient]).isEmpty)
        }
    }

    @Test func looksUp() async throws {
        try await TestHost.with { connection in
            let byName = try await connection.domain(name: "alpha")
            let byUUID = try await connection.domain(uuid: byName.uuid)
            #expect(byUUID.name == "alpha" && byUUID.nameBytes == Array("alpha".utf8))
            #expect(await code { _ = try await connection.domain(name: "nobody") } == .noDomain)
            let error = await failure { _ = try await connection.domain(nameBytes: [0xff, 0xfe]) }
            #expect(error?.code == .noDomain)
            #expect(error?.object == "\u{fffd}\u{fffd}")
            // libvirt would look for "alpha".
            #expect(await code { _ = try await connection.domain(nameBytes: Array("alpha\0beta".utf8)) } == .noDomain)
            let nobody = try #require(DomainUUID(bytes: [UInt8](repeating: 7, count: 16)))
            #expect(await failure { _ = try await connection.domain(uuid: nobody) }?.object == nobody.description)
        }
    }

    @Test func goesThroughItsLife() async throws {
        try await TestHost.with { connection in
            let domain = try await connection.domain(name: "alpha")
            #expect(try await domain.status().state == .shutOff)
            #expect(try await !domain.isActive())
            try await domain.start()
            #expect(try await domain.status() == DomainStatus(state: .running, reason: 1))
            #expect(try await domain.status().reasonName == "booted")
            #expect(try await domain.isActive())
            try await domain.suspend()
            #expect(try await domain.status() == DomainStatus(state: .paused, reason: 1))
            try await domain.resume()
            #expect(try await domain.status().reasonName == "unpaused")
            try await domain.reboot()
            #expect(try await domain.status().state == .running)
            try await domain.shutdown()
            #expect(try await domain.status() == DomainStatus(state: .shutOff, reason: 1))
            try await domain.start()
            try await domain.destroy()
            #expect(try await domain.status().reasonName == "destroyed")
            // The test driver has no flags for these; they reach it, and its refusal us.
            #expect(await code { try await domain.start(paused: true) } == .invalidArgument)
            #expect(await code { try await domain.shutdown(.acpi) } == .invalidArgument)
        }
    }

    @Test func namesTheOperationThatTheStateForbids() async throws {
        try await TestHost.with { connection in
            let domain = try await connection.domain(name: "alpha")
            try await domain.start()
            // The test driver has its own code for this; QEMU's has `operationInvalid`.
            let error = try #require(await failure { try await domain.start() })
            #expect(error.code == .internalError)
            #expect(error.source == .test)
            #expect(error.operation == "virDomainCreateWithFlags")
            #expect(error.object == "alpha")
            #expect(error.description.hasPrefix("virDomainCreateWithFlags 'alpha': "))
            try await domain.destroy()
            #expect(await code { try await domain.destroy() } == .operationInvalid)
        }
    }

    @Test func tellsItsSize() async throws {
        try await TestHost.with { connection in
            let domain = try await connection.domain(name: "alpha")
            let info = try await domain.info()
            #expect(info.maximumMemoryInKiB == 8192 && info.vcpus == 2 && info.state == .shutOff)
            let xml = try XMLTree(parsing: try await domain.xml(.inactive))
            #expect(xml.first("name")?.text == "alpha")
            #expect(xml.first("uuid")?.text == domain.uuid.description)
        }
    }

    @Test func setsAutostart() async throws {
        try await TestHost.with { connection in
            let domain = try await connection.domain(name: "alpha")
            #expect(try await !domain.reading(namespace: "urn:x").autostart)
            try await domain.setAutostart(true)
            #expect(try await domain.reading(namespace: "urn:x").autostart)
            try await domain.setAutostart(false)
            #expect(try await !domain.reading(namespace: "urn:x").autostart)
        }
    }

    @Test func savesAndRestores() async throws {
        try await TestHost.with { connection in
            let domain = try await connection.domain(name: "alpha")
            try await domain.start()
            try await domain.managedSave(deadline: .seconds(30))
            #expect(try await domain.reading(namespace: "urn:x").hasManagedSave)
            #expect(try await connection.domainUUIDs(.managedSave) == [domain.uuid])
            #expect(try await domain.status() == DomainStatus(state: .shutOff, reason: 5))
            try await domain.removeManagedSave()
            #expect(try await !domain.reading(namespace: "urn:x").hasManagedSave)
        }
    }

    @Test func definesAndUndefines() async throws {
        try await TestHost.with { connection in
            let uuid = try #require(DomainUUID(DomainUUIDTests.text))
            let domain = try await connection.defineDomain(
                xml: TestHost.domainXML("new", uuid: uuid), validate: false, name: "new")
            #expect(domain.uuid == uuid && domain.name == "new")
            #expect(try await domain.reading(namespace: "urn:x").isPersistent)
            let error = await failure {
                _ = try await connection.defineDomain(xml: TestHost.domainXML("new"), validate: false, name: "new")
            }
            #expect(error?.code == .operationFailed || error?.code == .domExist)
            try await domain.undefine([.managedSave, .snapshotsMetadata])
            #expect(await code { _ = try await connection.domain(uuid: uuid) } == .noDomain)
        }
    }

    @Test func refusesWrongXML() async throws {
        let strange = TestHost.domainXML("new").replacing("<vcpu>2</vcpu>", with: "<vcpu>2</vcpu><strange/>")
        try await TestHost.with { connection in
            let broken = await code { _ = try await connection.defineDomain(xml: "<domain", validate: false) }
            #expect(broken == .xmlDetail)
            let error = await failure { _ = try await connection.defineDomain(xml: strange, name: "new") }
            #expect(error?.code == .xmlInvalidSchema)
            #expect(error?.object == "new")
        }
    }

    @Test func keepsMetadataOfANamespace() async throws {
        try await TestHost.with { connection in
            let domain = try await connection.domain(name: "alpha")
            let namespace = "https://example.org/1"
            #expect(try await domain.metadata(namespace: namespace) == nil)
            try await domain.setMetadata("<vm><owner>7</owner></vm>", prefix: "x", namespace: namespace)
            let element = try #require(try await domain.metadata(namespace: namespace))
            #expect(try XMLTree(parsing: element).first("owner")?.text == "7")
            try await domain.setMetadata(nil, prefix: "x", namespace: namespace)
            #expect(try await domain.metadata(namespace: namespace) == nil)
        }
    }

    @Test func listsATransientDomain() async throws {
        try await TestHost.with([]) { connection in
            let domain = try await connection.createTransientDomain(xml: TestHost.domainXML("brief"), name: "brief")
            #expect(try await !domain.reading(namespace: "urn:x").isPersistent)
            #expect(try await connection.domainUUIDs(.transient) == [domain.uuid])
            try await domain.destroy()
            #expect(await code { _ = try await domain.status() } == .noDomain)
        }
    }

    @Test func mapsUnknownNumbersToWords() {
        #expect(DomainState(99) == .other(99))
        #expect(DomainState(-1) == .other(-1))
        #expect(DomainStatus(state: .paused, reason: 99).reasonName == "unknown")
        #expect(DomainStatus(state: .paused, reason: -1).reasonName == "unknown")
        #expect(DomainStatus(state: .paused, reason: 11).reasonName == "starting-up")
        #expect(CloseReason(2) == .keepalive && CloseReason(99) == .other(99))
    }

    @Test func keepsTheErrorsOfConcurrentCallsApart() async throws {
        try await TestHost.with { connection in
            let domain = try await connection.domain(name: "alpha")
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<300 {
                    group.addTask {
                        switch number % 3 {
                        case 0:
                            let error = await failure { _ = try await connection.domain(name: "no-\(number)") }
                            #expect(error?.code == .noDomain && error?.object == "no-\(number)")
                        case 1:
                            #expect(await code { try await domain.destroy() } == .operationInvalid)
                        default:
                            #expect(await code { _ = try await connection.network(name: "none") } == .noNetwork)
                        }
                    }
                }
            }
        }
    }
}
