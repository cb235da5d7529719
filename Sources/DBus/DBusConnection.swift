public actor DBusConnection {
    /// Which bus to connect to.
    public enum Bus: Sendable, Hashable { case system, session, address(String) }
    public nonisolated let loop: EventLoop
    public nonisolated let uniqueName: String
    public nonisolated let objects: ObjectServer
    public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    init(loop: EventLoop) { self.loop = loop; uniqueName = ""; objects = ObjectServer() }
    public static func connect(to bus: Bus, loop: EventLoop) async throws(DBusError) -> DBusConnection { throw .notSupported("") }
    public func requestName(_ name: String) async throws(DBusError) {}
    public func releaseName(_ name: String) async throws(DBusError) {}
    public func call(_ message: DBusMessage, timeout: Duration = .seconds(25)) async throws -> DBusMessage { message }
    public func send(_ message: DBusMessage) throws(DBusError) {}
    public func signals(_ rule: MatchRule, bufferLimit: Int = 65_536) async throws -> SignalStream { SignalStream() }
    public func nameOwner(_ name: String) async throws -> String? { nil }
    public func credentials(of uniqueName: String) async throws -> UInt32 { 0 }
    public func close() async {}
    public func waitUntilClosed() async {}
    public nonisolated var isClosed: Bool { true }
}
