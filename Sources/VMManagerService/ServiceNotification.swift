import Glibc

/// Tells the service manager how the service is (`sd_notify(3)`), by a datagram to the socket that it names.
public struct ServiceNotification: Sendable {
    private let address: [UInt8]

    /// - Parameter socket: the value of `NOTIFY_SOCKET`: a path, or an abstract name behind `@`; nil or anything else tells nobody.
    public init(socket: String?) {
        var address = Array((socket ?? "").utf8)
        if address.first == UInt8(ascii: "@") {
            address[0] = 0
        } else if address.first != UInt8(ascii: "/") {
            address = []
        }
        self.address = address
    }

    /// The one that this process's environment names.
    public static func fromEnvironment() -> ServiceNotification {
        ServiceNotification(socket: getenv("NOTIFY_SOCKET").map { String(cString: $0) })
    }

    /// The service is there for its clients.
    public func ready() { send("READY=1") }

    /// What the service is doing, for `systemctl status`.
    public func status(_ text: String) { send("STATUS=\(text)", waits: false) }

    /// The service is alive.
    public func alive() { send("WATCHDOG=1", waits: false) }

    /// The service is about to end because it was asked to.
    public func stopping() { send("STOPPING=1") }

    /// - Parameter waits: whether for a service manager whose queue is full; what is said again and again is not worth that.
    private func send(_ message: String, waits: Bool = true) {
        // A service that has not said that it is ready is ended after a while, so an error of the moment is not the last word.
        for _ in 0..<(waits ? 3 : 1) where sendOnce(message, waits: waits) { return }
    }

    /// - Returns: whether it was said.
    private func sendOnce(_ message: String, waits: Bool) -> Bool {
        var socketAddress = sockaddr_un()
        socketAddress.sun_family = sa_family_t(AF_UNIX)
        guard !address.isEmpty, address.count < MemoryLayout.size(ofValue: socketAddress.sun_path) else {
            return false
        }
        withUnsafeMutableBytes(of: &socketAddress.sun_path) { $0.copyBytes(from: address) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let length = MemoryLayout<sa_family_t>.size + address.count
        let text = Array(message.utf8)
        let flags = Int32(MSG_NOSIGNAL) | (waits ? 0 : Int32(MSG_DONTWAIT))
        let sent = withUnsafePointer(to: &socketAddress) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                // Whoever does not listen is not told; the service goes on all the same.
                sendto(descriptor, text, text.count, flags, pointer, socklen_t(length))
            }
        }
        return sent >= 0
    }
}
