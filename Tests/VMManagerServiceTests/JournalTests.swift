import Foundation
import Glibc
import Logging
import Testing

@testable import VMManagerService

@Suite struct JournalLogHandlerTests {
    @Test(arguments: [
        ("plain text", "plain text"), ("", ""), ("caf\u{e9} \u{1f600}", "caf\u{e9} \u{1f600}"),
        ("a\nb", "a\\u{a}b"), ("a\r\n<0>forged", "a\\u{d}\\u{a}<0>forged"), ("a\tb", "a\\u{9}b"), ("\u{0}", "\\u{0}"),
        ("\u{1b}[2J", "\\u{1b}[2J"), ("\u{7f}", "\\u{7f}"), ("\u{85}\u{9b}", "\\u{85}\\u{9b}"), ("\u{a0}", "\u{a0}"),
        ("\u{61c}", "\\u{61c}"), ("\u{200e}\u{200f}", "\\u{200e}\\u{200f}"), ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
        ("\u{202a}\u{202e}", "\\u{202a}\\u{202e}"), ("\u{2066}\u{2069}", "\\u{2066}\\u{2069}"),
    ])
    func aLineStaysALine(_ text: String, _ line: String) {
        #expect(JournalLogHandler.singleLine(text).utf8.elementsEqual(line.utf8))
    }

    @Test func anEventIsOneLineWithItsMetadata() {
        var handler = JournalLogHandler(label: "a\u{1b}", level: .trace)
        handler.metadata["vm"] = "x\ny"
        let event = LogEvent(
            level: .notice, message: "refused\n<0>forged", metadata: ["by": "\u{202e}z"], source: nil, file: "",
            function: "", line: 0)
        #expect(
            handler.line(event) == "<5>a\\u{1b}: refused\\u{a}<0>forged by=\\u{202e}z vm=x\\u{a}y")
    }

    @Test func aLongTextKeepsItsLength() {
        let text = String(repeating: "x\n", count: 50_000)
        #expect(JournalLogHandler.singleLine(text).utf8.count == 50_000 * 6)
    }

    @Test func thePrioritiesAreSyslogs() {
        #expect(Logger.Level.allCases.map(JournalLogHandler.priority) == [7, 7, 6, 5, 4, 3, 2])
    }
}

@Suite struct ServiceNotificationTests {
    @Test func tellsASocketWithAPath() throws {
        let path = "/tmp/notify-\(UUID().uuidString)"
        let receiver = try Receiver(Array(path.utf8))
        defer { unlink(path) }
        let notification = ServiceNotification(socket: path)
        notification.ready()
        #expect(receiver.next()?.split(separator: "\n").contains("READY=1") == true)
        notification.stopping()
        #expect(receiver.next() == "STOPPING=1")
        #expect(receiver.next() == nil)
    }

    @Test func tellsAnAbstractSocket() throws {
        let name = "notify-\(UUID().uuidString)"
        let receiver = try Receiver([0] + Array(name.utf8))
        ServiceNotification(socket: "@" + name).ready()
        #expect(receiver.next()?.hasPrefix("READY=1") == true)
    }

    @Test func thePathMayBeAsLongAsItCan() throws {
        let path = "/tmp/" + String(repeating: "n", count: 107 - 5)
        unlink(path)
        let receiver = try Receiver(Array(path.utf8))
        defer { unlink(path) }
        ServiceNotification(socket: path).ready()
        #expect(receiver.next() != nil)
    }

    @Test(arguments: [
        nil, "", "@", "relative", "unix:/run/x", "/nobody/listens/here", "@nobody-listens",
        "/" + String(repeating: "x", count: 200),
    ])
    func whereNobodyListensNothingHappens(_ socket: String?) {
        ServiceNotification(socket: socket).ready()
        ServiceNotification(socket: socket).stopping()
    }
}
