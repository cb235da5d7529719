import Foundation
import Libvirt
import Synchronization
import Testing

/// A host of libvirt's test driver of its own: nothing in it is seen by another test.
enum TestHost {
    /// Opens a connection to a new host with these domains, shut off, and closes it afterwards.
    ///
    /// The connection must be closed without a reference left; that is checked each time.
    static func with(
        _ domains: [String] = ["alpha"], pool: BlockingPool = .shared,
        _ body: (LibvirtConnection) async throws -> Void
    ) async throws {
        try await withFile(domains) { uri in
            let connection = try await LibvirtConnection.open(uri, pool: pool)
            do {
                try await body(connection)
            } catch {
                await connection.close()
                throw error
            }
            #expect(await connection.close() == 0)
        }
    }

    /// Makes a file that describes a host, for as long as the body runs.
    static func withFile(
        _ domains: [String] = ["alpha"], _ body: (_ uri: String) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("libvirt-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("host.xml")
        let content = """
            <node>
            \(domains.map { domainXML($0, isOff: true) }.joined(separator: "\n"))
              <network>
                <name>default</name><bridge name='virbr9'/><ip address='192.168.9.1' netmask='255.255.255.0'/>
              </network>
              <pool type='dir'><name>default</name><target><path>/nowhere/default</path></target></pool>
              \(card)
            </node>
            """
        try Data(content.utf8).write(to: file)
        try await body("test://\(file.path)")
    }

    /// A device of the host, in an IOMMU group with another.
    static let card = """
        <device>
          <name>pci_0000_01_00_0</name><parent>computer</parent>
          <capability type='pci'>
            <class>0x030000</class><domain>0</domain><bus>1</bus><slot>0</slot><function>0</function>
            <product id='0x1'>Card</product><vendor id='0x2'>Maker</vendor>
            <iommuGroup number='14'>
              <address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
              <address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/>
            </iommuGroup>
          </capability>
        </device>
        """

    /// A small domain of the test driver; 8 MiB (4 now), 2 CPUs.
    static func domainXML(_ name: String, uuid: DomainUUID? = nil, isOff: Bool = false) -> String {
        let state = "<test:runstate>5</test:runstate>"
        return """
              <domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
                <name>\(name)</name>
                \(uuid.map { "<uuid>\($0)</uuid>" } ?? "")
                <memory unit='KiB'>8192</memory>
                <currentMemory unit='KiB'>4096</currentMemory>
                <vcpu>2</vcpu>
                <os><type>hvm</type></os>
                \(isOff ? state : "")
              </domain>
            """
    }
}

/// Waits until a condition holds, for what tells nobody when it changes.
/// - Returns: false if it does not hold within the time.
func holds(within time: Duration = .seconds(10), _ condition: () async throws -> Bool) async rethrows -> Bool {
    let end = ContinuousClock.now + time
    while ContinuousClock.now < end {
        if try await condition() { return true }
        await Task.yield()
    }
    return false
}

/// The code of the error that the body throws; nil if it throws none, or not one of libvirt's.
func code(_ body: () async throws -> Void) async -> LibvirtError.Code? {
    await failure(body)?.code
}

/// The error that the body throws; nil if it throws none, or not one of libvirt's.
func failure(_ body: () async throws -> Void) async -> LibvirtError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? LibvirtError
    }
}

extension AsyncStream<DomainEvent> {
    /// The next events, that many, or fewer if the stream ends first.
    func next(_ count: Int) async -> [DomainEvent] {
        var events: [DomainEvent] = []
        for await event in self {
            events.append(event)
            if events.count == count { break }
        }
        return events
    }
}

/// A value that several threads change.
final class Locked<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) {
        mutex = Mutex(value)
    }

    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        mutex.withLock { body(&$0) }
    }
}
