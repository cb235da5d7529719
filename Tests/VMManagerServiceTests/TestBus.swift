import Foundation
import VMTestSupport

/// A private dbus-daemon that lets every user on and everything through: what is refused there, the service refused.
final class TestBus: Sendable {
    let address: String
    private let daemon: Process
    private let directory: URL

    /// Runs `body` with a fresh bus, which ends with it.
    static func with(_ body: (TestBus) async throws -> Void) async throws {
        let bus = try await TestBus()
        do {
            try await body(bus)
        } catch {
            await bus.end()
            throw error
        }
        await bus.end()
    }

    private init() async throws {
        directory = URL(filePath: "/tmp/vm-service-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        let configuration = directory.appending(path: "bus.conf")
        try """
        <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
         "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
          <listen>unix:path=\(directory.path)/bus</listen>
          <auth>EXTERNAL</auth>
          <policy context="default">
            <allow user="*"/>
            <allow own="*"/>
            <allow send_destination="*" eavesdrop="true"/>
            <allow eavesdrop="true"/>
          </policy>
        </busconfig>
        """.write(to: configuration, atomically: true, encoding: .utf8)
        daemon = Process()
        daemon.executableURL = URL(filePath: "/usr/bin/dbus-daemon")
        daemon.arguments = ["--nofork", "--nopidfile", "--print-address", "--config-file=\(configuration.path)"]
        let output = Pipe()
        daemon.standardOutput = output
        try daemon.run()
        // The address is printed once the bus listens.
        address = await Self.blocking { String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) }
            .trimmingCharacters(in: .whitespacesAndNewlines)
        guard !address.isEmpty else { throw DeadlineExceeded("the bus") }
    }

    private func end() async {
        // It inherited a mask of signals in which SIGTERM is blocked.
        kill(daemon.processIdentifier, SIGKILL)
        await Self.blocking { [daemon] in daemon.waitUntilExit() }
        try? FileManager.default.removeItem(at: directory)
    }

    /// Runs something that blocks on a thread of its own.
    static func blocking<Success: Sendable>(_ body: @escaping @Sendable () -> Success) async -> Success {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: body()) }
        }
    }
}
