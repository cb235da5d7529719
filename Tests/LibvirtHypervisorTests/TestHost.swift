import Foundation
import LibvirtHypervisor
import Synchronization
import VMCore
import VMModel

/// A host of libvirt's test driver of its own, the hypervisor on it, and what it told.
struct TestHost: Sendable {
    let hypervisor: LibvirtHypervisor
    let events: EventLog

    /// Starts a hypervisor on a new host with these VMs, shut off, and stops it afterwards.
    static func with(
        _ vms: [String] = ["alpha"], devices: String = "", extra: String = network + pool,
        _ body: (TestHost) async throws -> Void
    ) async throws {
        try await withFile { file async throws in
            try write(vms, devices: devices, extra: extra, to: file)
            let host = TestHost(file)
            await host.hypervisor.start { host.events.append($0) }
            do {
                try await body(host)
            } catch {
                await host.hypervisor.stop()
                throw error
            }
            await host.hypervisor.stop()
        }
    }

    /// A place for the description of a host, for as long as the body runs; there is nothing at it yet.
    static func withFile(_ body: (URL) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("hypervisor-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try await body(directory.appendingPathComponent("host.xml"))
    }

    init(_ file: URL) {
        hypervisor = LibvirtHypervisor(uri: "test://\(file.path)")
        events = EventLog()
    }

    static func write(_ vms: [String], devices: String = "", extra: String = network + pool, to file: URL) throws {
        let domains = vms.map { domainXML($0, devices: devices, inner: "<test:runstate>5</test:runstate>") }
        // In one step: a reader finds all of it or nothing.
        try Data("<node>\(domains.joined())\(extra)</node>".utf8).write(to: file, options: .atomic)
    }

    static let network = """
        <network>
          <name>default</name><bridge name='virbr9'/><ip address='192.168.9.1' netmask='255.255.255.0'/>
        </network>
        """

    static let pool = "<pool type='dir'><name>default</name><target><path>/nowhere/disks</path></target></pool>"

    /// A small VM of the test driver: 8 MiB, 2 CPUs.
    static func domainXML(
        _ name: String, uuid: VMUUID? = nil, metadata: String = "", devices: String = "", inner: String = ""
    ) -> String {
        let testNamespace = inner.isEmpty ? "" : "xmlns:test='http://libvirt.org/schemas/domain/test/1.0'"
        return """
            <domain type='test' \(testNamespace)>
              <name>\(name)</name>
              \(uuid.map { "<uuid>\($0)</uuid>" } ?? "")
              <metadata>\(metadata)</metadata>
              <memory unit='KiB'>8192</memory>
              <vcpu>2</vcpu>
              <os><type>hvm</type></os>
              <devices>\(devices)</devices>
              \(inner)
            </domain>
            """
    }

    /// The VM of that name.
    func vm(_ name: String = "alpha") async throws -> VM {
        guard let vm = try await hypervisor.listVMs().first(where: { $0.name == name }) else {
            throw VMError(.notFound, "the test's VM is missing")
        }
        return vm
    }
}

/// What a hypervisor told, in order.
final class EventLog: Sendable {
    private struct State {
        var events: [HypervisorEvent] = []
        var waiters:
            [(isThere: @Sendable ([HypervisorEvent]) -> Bool, continuation: CheckedContinuation<Void, Never>)] =
                []
    }

    private let state = Mutex(State())

    var all: [HypervisorEvent] { state.withLock { $0.events } }

    func append(_ event: HypervisorEvent) {
        let ready = state.withLock { state in
            state.events.append(event)
            let events = state.events
            let ready = state.waiters.filter { $0.isThere(events) }.map(\.continuation)
            state.waiters.removeAll { $0.isThere(events) }
            return ready
        }
        for waiter in ready { waiter.resume() }
    }

    /// Waits until that event is among them.
    func wait(for event: HypervisorEvent) async {
        await wait { $0.contains(event) }
    }

    func wait(until isThere: @escaping @Sendable ([HypervisorEvent]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                let isReady = isThere(state.events)
                if !isReady { state.waiters.append((isThere, continuation)) }
                return isReady
            }
            if isReady { continuation.resume() }
        }
    }
}

extension HypervisorEvent {
    var isConnected: Bool {
        if case .connected = self { true } else { false }
    }

    var isDisconnected: Bool {
        if case .disconnected = self { true } else { false }
    }
}

/// The error that the body throws; nil if it throws none, or not one of ours.
func failure(_ body: () async throws -> Void) async -> VMError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? VMError
    }
}
