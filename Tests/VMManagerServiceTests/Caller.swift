import DBus
import Foundation
import Synchronization
import VMTestSupport

/// Another user on the bus: a process that makes the calls it is told to, several at a time.
final class Caller: Sendable {
    /// How a call ended: the error's name, or nil; and the reply as GLib prints it, or the error's text.
    struct Outcome: Hashable, Sendable {
        let error: String?
        let text: String
    }

    /// Takes a call a line, and prints an outcome a line when it has come. It may make its connection as any user, as it is root.
    private static let program = """
        import json, os, sys
        from gi.repository import Gio, GLib
        os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
        bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1],
            Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        print(json.dumps(bus.get_unique_name()), flush=True)
        loop = GLib.MainLoop()
        def done(bus, result, number):
            reply = bus.send_message_with_reply_finish(result)
            body = reply.get_body()
            error = reply.get_error_name()
            text = body.print_(False) if body and not error else body[0] if body else ""
            print(json.dumps([number, error, text]), flush=True)
        rest = b""
        def read(channel, condition):
            global rest
            data = os.read(0, 65536)
            if not data:
                loop.quit()
                return False
            *lines, rest = (rest + data).split(b"\\n")
            for line in lines:
                start(line)
            return True
        def start(line):
            number, destination, path, interface, member, arguments, flags = json.loads(line)
            message = Gio.DBusMessage.new_method_call(destination, path, interface, member)
            message.set_flags(Gio.DBusMessageFlags(flags))
            if arguments != "()":
                message.set_body(GLib.Variant.parse(None, arguments, None, None))
            bus.send_message_with_reply(message, 0, 120000, None, done, number)
        GLib.io_add_watch(0, GLib.IO_IN | GLib.IO_HUP, read)
        loop.run()
        """

    private struct State {
        var lastNumber = 0
        var waiting: [Int: CheckedContinuation<Outcome, Never>] = [:]
    }

    let uniqueName: String
    private let destination: String
    private let process: Process
    private let input: FileHandle
    private let state = Mutex(State())

    /// Connects as a user.
    init(_ rig: ServiceRig, uid: UInt32 = 65534) async throws {
        destination = rig.serviceName
        process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", Self.program, rig.bus.address, String(uid)]
        let (to, from) = (Pipe(), Pipe())
        process.standardInput = to
        process.standardOutput = from
        try process.run()
        input = to.fileHandleForWriting
        let lines = Lines(from.fileHandleForReading)
        let first = await TestBus.blocking { lines.next() }
        uniqueName = try JSONDecoder().decode(String.self, from: Data((first ?? "").utf8))
        Thread.detachNewThread { [weak self] in
            while let line = lines.next() { self?.finish(line) }
            self?.finishAll()
        }
    }

    /// Leaves the bus at once, as a process does that is killed.
    func end() async {
        kill(process.processIdentifier, SIGKILL)
        await TestBus.blocking { [process] in process.waitUntilExit() }
    }

    /// - Parameter arguments: in GLib's text format, such as `('name', @a{sv} {})`.
    func call(
        _ path: ObjectPath, _ interface: String?, _ member: String, _ arguments: String = "()", mayPrompt: Bool = false
    ) async throws -> Outcome {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        let fields: [Any] = [
            number, destination, path.rawValue, interface as Any? ?? NSNull(), member, arguments, mayPrompt ? 4 : 0,
        ]
        let line = try JSONSerialization.data(withJSONObject: fields) + Data("\n".utf8)
        return await withCheckedContinuation { continuation in
            state.withLock { $0.waiting[number] = continuation }
            input.write(line)
        }
    }

    private func finish(_ line: String) {
        let fields = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [Any] ?? []
        guard fields.count == 3, let number = fields[0] as? Int else { return }
        let outcome = Outcome(error: fields[1] as? String, text: fields[2] as? String ?? "")
        state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: outcome)
    }

    private func finishAll() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume(returning: Outcome(error: "ended", text: "")) }
    }
}

/// The lines of a pipe, for one reader that may block.
///
/// Unchecked: it is used by one thread after the other.
private final class Lines: @unchecked Sendable {
    private let handle: FileHandle
    private var buffer = Data()

    init(_ handle: FileHandle) {
        self.handle = handle
    }

    func next() -> String? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                defer { buffer = Data(buffer[(end + 1)...]) }
                return String(decoding: buffer[..<end], as: UTF8.self)
            }
            let data = handle.availableData
            guard !data.isEmpty else { return nil }
            buffer += data
        }
    }
}
