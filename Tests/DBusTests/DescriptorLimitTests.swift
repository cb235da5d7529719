import CDBus
import Glibc
import Testing

@testable import DBus

@Suite struct DescriptorLimitTests {
    /// Each value is a descriptor of this process's own, so that a small message could take all that it may have.
    @Test func aCallMayNotHaveAnyNumberOfDescriptors() throws {
        let before = try openDescriptors()
        for (count, isTaken) in [
            (MessageDecoder.maximumDescriptors, true), (MessageDecoder.maximumDescriptors + 1, false),
        ] {
            let message = try OwnedMessage(owning: dbus_message_new_method_call("a.b", "/", "a.b", "M"))
            var iterator = DBusMessageIter()
            var array = DBusMessageIter()
            dbus_message_iter_init_append(message.pointer, &iterator)
            try #require(dbus_message_iter_open_container(&iterator, Int32(UInt8(ascii: "a")), "h", &array) != 0)
            var descriptor = STDIN_FILENO
            for _ in 0..<count {
                try #require(dbus_message_iter_append_basic(&array, Int32(UInt8(ascii: "h")), &descriptor) != 0)
            }
            try #require(dbus_message_iter_close_container(&iterator, &array) != 0)
            do {
                let (values, size) = try MessageDecoder.arguments(of: message.pointer, as: [.array(.unixFD)])
                #expect(isTaken && size.descriptors == count && values.first?.arrayValue?.count == count)
            } catch {
                #expect(!isTaken && error.name == DBus.DBusError.Name.limitsExceeded)
            }
        }
        #expect(try openDescriptors() <= before)
    }

    private func openDescriptors() throws -> Int {
        let directory = try #require(opendir("/proc/self/fd"))
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return count
    }
}
