import CLibvirt

/// A connection to libvirt: the one owner of a `virConnectPtr`.
///
/// Every call runs on a thread of its ``BlockingPool`` and has a deadline; 30 seconds if none is stated. Every call may
/// throw ``LibvirtError``, and `CancellationError` when the task is cancelled: the C call then goes on, and its result
/// is dropped. Handles (``Domain``, ``StoragePool``, …) keep the connection alive. ``close(deadline:)`` ends it and
/// them.
public final class LibvirtConnection: Sendable {
    /// What was opened, such as `qemu:///system`.
    public let uri: String
    let core: ConnectionCore

    private init(uri: String, core: ConnectionCore) {
        self.uri = uri
        self.core = core
    }

    /// Opens a connection, with keepalive (5 s, 3 times) where there is a daemon.
    ///
    /// - Parameter pool: the threads for its calls.
    /// - Throws: `LibvirtError`: `.noConnect`, `.systemError` (no daemon), `.authFailed`, … Calls `virConnectOpen`.
    public static func open(
        _ uri: String, pool: BlockingPool = .shared, deadline: Duration = .seconds(30)
    ) async throws -> LibvirtConnection {
        try await pool.run(deadline: deadline, operation: "virConnectOpen") {
            // Should the caller be gone by now, the core is dropped here, and closes what was opened.
            LibvirtConnection(uri: uri, core: try ConnectionCore(opening: uri, pool: pool))
        }
    }

    /// Closes it: refuses new calls, waits for those under way, ends event streams, and releases every handle.
    ///
    /// - Parameter deadline: how long to wait for calls under way, and again for libvirt.
    /// - Returns: the references that are left: 0, or more if a call still hangs. Calls `virConnectClose`.
    @discardableResult
    public func close(deadline: Duration = .seconds(30)) async -> Int {
        await core.close(deadline: deadline)
    }

    /// Why the connection has ended; nil while it has not.
    public var closeReason: CloseReason? { core.ended.value }

    /// Waits until the connection ends: the daemon went, or ``close(deadline:)`` was called.
    ///
    /// - Throws: `CancellationError` when the task is cancelled first. From `virConnectRegisterCloseCallback`.
    public func waitUntilClosed() async throws -> CloseReason {
        try await core.ended.wait()
    }

    /// Whether the daemon can still be reached, as far as is known. Calls `virConnectIsAlive`.
    public func isAlive(deadline: Duration = .seconds(30)) async throws -> Bool {
        try await core.call("virConnectIsAlive", deadline: deadline) { connection, call in
            try call.check(virConnectIsAlive(connection)) == 1
        }
    }

    /// How many object handles are alive.
    var handleCount: Int { core.handleCount }

    /// How many callback boxes libvirt still holds.
    var callbackCount: Int { core.callbacks.count }
}
