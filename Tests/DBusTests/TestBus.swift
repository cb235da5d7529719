import DBus
import Foundation
import Synchronization

/// A private dbus-daemon with an open policy, and what was started on it. All of it ends with `with`, last first.
final class TestBus: Sendable {
    let address: String
    private let daemon: Process
    private let directory: URL
    private let opened = Mutex<[(DBusConnection, EventLoop)]>([])

    /// Runs `body` with a fresh bus.
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
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("dbus-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let configuration = directory.appendingPathComponent("bus.conf")
        try """
        <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
         "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
          <type>system</type>
          <listen>unix:path=\(directory.path)/bus</listen>
          <auth>EXTERNAL</auth>
          <policy context="default">
            <allow user="*"/>
            <allow own="*"/>
            <allow send_destination="*" eavesdrop="true"/>
            <allow send_type="method_call"/>
            <allow send_type="signal"/>
            <allow send_requested_reply="false"/>
            <allow receive_requested_reply="false"/>
            <allow eavesdrop="true"/>
          </policy>
        </busconfig>
        """.write(to: configuration, atomically: true, encoding: .utf8)
        daemon = Process()
        daemon.executableURL = URL(fileURLWithPath: "/usr/bin/dbus-daemon")
        daemon.arguments = ["--nofork", "--nopidfile", "--print-address", "--config-file=\(configuration.path)"]
        let output = Pipe()
        daemon.standardOutput = output
        try daemon.run()
        // The address is printed once the bus listens.
        let line = await offPool { String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) }
        address = line.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// A new connection, by default on a loop of its own.
    func connect(on loop: EventLoop? = nil) async throws -> DBusConnection {
        let loop = loop ?? EventLoop(name: "test")
        let connection = try await DBusConnection.connect(to: .address(address), loop: loop)
        opened.withLock { $0.append((connection, loop)) }
        return connection
    }

    /// Ends the daemon at once, as a crash would.
    func kill() {
        guard daemon.isRunning else { return }
        Foundation.kill(daemon.processIdentifier, SIGKILL)
    }

    /// Stops the daemon from reading; `resume` lets it go on.
    func suspend() { _ = daemon.suspend() }
    func resume() { _ = daemon.resume() }

    private func tearDown() async {
        resume()
        for (connection, loop) in opened.withLock({ $0 }).reversed() {
            await connection.close()
            loop.shutdown()
        }
        kill()
        await offPool { [daemon] in daemon.waitUntilExit() }
        try? FileManager.default.removeItem(at: directory)
    }
}

/// Runs something that blocks on a thread of its own.
func offPool<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: body()) }
    }
}

struct CommandResult: Sendable {
    let status: Int32
    let output: String
    let errors: String
}

/// Runs a program to its end, with the test bus as system bus and session bus.
func run(_ bus: TestBus, _ program: String, _ arguments: [String], input: String = "") async throws -> CommandResult {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("dbus-run-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    // Files, not pipes: nobody has to read while the program runs.
    let files = ["in", "out", "err"].map { directory.appendingPathComponent($0) }
    try input.write(to: files[0], atomically: true, encoding: .utf8)
    for file in files.dropFirst() { _ = FileManager.default.createFile(atPath: file.path, contents: nil) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging([
        "DBUS_SYSTEM_BUS_ADDRESS": bus.address, "DBUS_SESSION_BUS_ADDRESS": bus.address, "LC_ALL": "C",
    ]) { $1 }
    process.standardInput = try FileHandle(forReadingFrom: files[0])
    process.standardOutput = try FileHandle(forWritingTo: files[1])
    process.standardError = try FileHandle(forWritingTo: files[2])
    try process.run()
    await offPool { process.waitUntilExit() }
    return CommandResult(
        status: process.terminationStatus, output: try String(contentsOf: files[1], encoding: .utf8),
        errors: try String(contentsOf: files[2], encoding: .utf8))
}
