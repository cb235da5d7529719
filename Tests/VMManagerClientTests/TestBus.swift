import DBus
import Foundation
import Synchronization

/// A private dbus-daemon on which everybody may do everything. It and what was opened on it end with `with`.
final class TestBus: Sendable {
    let address: String
    private let daemon: Child
    private let directory: URL
    private let opened = Mutex<[(DBusConnection, EventLoop)]>([])

    static func with(_ body: (TestBus) async throws -> Void) async throws {
        let bus = try await TestBus()
        do {
            try await body(bus)
        } catch {
            await bus.tearDown()
            throw error
        }
        await bus.tearDown()
    }

    private init() async throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("client-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let configuration = directory.appendingPathComponent("bus.conf")
        try """
        <busconfig>
          <type>system</type>
          <listen>unix:path=\(directory.path)/bus</listen>
          <auth>EXTERNAL</auth>
          <policy context="default">
            <allow user="*"/>
            <allow own="*"/>
            <allow send_destination="*"/>
            <allow send_type="signal"/>
            <allow eavesdrop="true"/>
            <deny send_interface="org.neuronos.VMManager" send_member="ResetVM"/>
          </policy>
        </busconfig>
        """.write(to: configuration, atomically: true, encoding: .utf8)
        let output = try ChildPipe()
        daemon = try Child(
            "/usr/bin/dbus-daemon",
            ["--nofork", "--nopidfile", "--print-address", "--config-file=\(configuration.path)"],
            output: output.writing.fileDescriptor, errors: STDERR_FILENO)
        try output.writing.close()
        // The address is printed once the bus listens.
        let line = await offPool { String(decoding: output.reading.availableData, as: UTF8.self) }
        address = line.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func connect() async throws -> DBusConnection {
        let loop = EventLoop(name: "test")
        let connection = try await DBusConnection.connect(to: .address(address), loop: loop)
        opened.withLock { $0.append((connection, loop)) }
        return connection
    }

    /// Ends the daemon, as a crash would.
    func kill() {
        daemon.kill()
    }

    private func tearDown() async {
        for (connection, loop) in opened.withLock({ $0 }).reversed() {
            await connection.close()
            loop.shutdown()
        }
        kill()
        _ = await daemon.ending()
        try? FileManager.default.removeItem(at: directory)
    }
}

struct DeadlinePassed: Error {}

/// Gives up after ten seconds, so that a test that waits for ever fails instead.
func withDeadline<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: .seconds(10))
            throw DeadlinePassed()
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() else { throw DeadlinePassed() }
        return result
    }
}
