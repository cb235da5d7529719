import Foundation
import Testing
import VMCore
import VMModel

@testable import LibvirtHypervisor

@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    @Test func tellsOfTheConnectionFirst() async throws {
        try await TestHost.with { host async throws in
            let first = try #require(host.events.all.first)
            guard case .connected(let info) = first else {
                Issue.record("the first event is \(first)")
                return
            }
            #expect(info.version.hasPrefix("TEST "))
            #expect(host.events.all.count == 1)
        }
    }

    @Test func isUnavailableWithoutAConnection() async throws {
        try await TestHost.withFile { file async throws in
            let host = TestHost(file)
            let error = await failure { _ = try await host.hypervisor.listVMs() }
            #expect(error?.code == .hypervisorUnavailable)
        }
    }

    @Test func returnsAfterAFailedAttemptAndConnectsLater() async throws {
        try await TestHost.withFile { file async throws in
            let host = TestHost(file)
            await host.hypervisor.start { host.events.append($0) }
            #expect(host.events.all.first?.isDisconnected == true)
            #expect(await failure { _ = try await host.hypervisor.listVMs() }?.code == .hypervisorUnavailable)
            try TestHost.write(["alpha"], to: file)
            await host.events.wait { $0.contains(where: \.isConnected) }
            let names = try await host.hypervisor.listVMs().map(\.name)
            #expect(names == ["alpha"])
            await host.hypervisor.stop()
        }
    }

    @Test func saysNothingAfterStopping() async throws {
        try await TestHost.with { host async throws in
            let uuid = try await host.vm().uuid
            try await host.hypervisor.start(uuid)
            await host.hypervisor.stop()
            let count = host.events.all.count
            #expect(await failure { try await host.hypervisor.destroy(uuid) }?.code == .hypervisorUnavailable)
            #expect(host.events.all.count == count)
        }
    }

    @Test func stopsWhileItTriesToConnect() async throws {
        try await TestHost.withFile { file async throws in
            let host = TestHost(file)
            await host.hypervisor.start { host.events.append($0) }
            await host.hypervisor.stop()
            try TestHost.write(["alpha"], to: file)
            #expect(host.events.all.allSatisfy { !$0.isConnected })
        }
    }

    @Test func saysThatLibvirtDoesNotAnswerAndWaitsForIt() async throws {
        try await TestHost.withFile { file async throws in
            let silent = try SilentListener(file.path)
            let hypervisor = LibvirtHypervisor(uri: "qemu+unix:///system?socket=\(file.path)")
            let events = EventLog()
            let before = ContinuousClock.now
            await hypervisor.start { events.append($0) }
            #expect(ContinuousClock.now - before < .seconds(10))
            #expect(events.all == [.disconnected(reason: "libvirt does not answer")])
            // One attempt that waits, not one after the other.
            #expect(silent.pending() == 1)
            await hypervisor.stop()
            #expect(events.all == [.disconnected(reason: "libvirt does not answer")])
            // Not before: its end would be one of the connection.
            withExtendedLifetime(silent) {}
        }
    }

    @Test func startsAgainAfterStopping() async throws {
        try await TestHost.with { host async throws in
            await host.hypervisor.stop()
            await host.hypervisor.start { host.events.append($0) }
            let names = try await host.hypervisor.listVMs().map(\.name)
            #expect(names == ["alpha"])
        }
    }

    @Test func readsTheHost() async throws {
        try await TestHost.with { host async throws in
            let facts = try await host.hypervisor.hostFacts()
            // The test driver has no KVM and no Hyper-V features.
            #expect(!facts.kvmIsUsable && facts.hypervFeatures.isEmpty)
            #expect(facts.maximumVCPUs > 0 && facts.memoryMB > 0)
        }
    }

    @Test func startsTheDefaultNetwork() async throws {
        try await TestHost.with { host async throws in
            #expect(try await host.hypervisor.availableNetwork() == "default")
            #expect(try await host.hypervisor.prepareNetwork() == "default")
            #expect(try await host.hypervisor.prepareNetwork() == "default")
        }
        try await TestHost.with(extra: "") { host async throws in
            #expect(try await host.hypervisor.availableNetwork() == nil)
            #expect(try await host.hypervisor.prepareNetwork() == nil)
        }
    }
}

/// A socket that takes connections and says nothing, as that of a libvirtd that hangs does.
private final class SilentListener {
    private let descriptor: Int32
    /// Kept open: the end of one is something to tell of.
    private var taken: [Int32] = []

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0 && listen(descriptor, 16) == 0)
    }

    deinit {
        for descriptor in taken + [descriptor] { close(descriptor) }
    }

    /// How many have connected since the last time.
    func pending() -> Int {
        var count = 0
        while case let accepted = accept(descriptor, nil, nil), accepted >= 0 {
            taken.append(accepted)
            count += 1
        }
        return count
    }
}
