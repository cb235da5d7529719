import CLibvirt

/// A connection to libvirt: the one owner of a `virConnectPtr`.
///
/// It makes one call at a time. Every call runs on a thread of its ``BlockingPool`` and has a deadline, the wait for others
/// included; 30 seconds if none is stated. Every call may
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

    /// Opens a connection, without libvirt's keepalive, which ``keepAlive()`` adds.
    ///
    /// - Parameters:
    ///   - pool: the threads for its calls.
    ///   - owner: who may give up the wait, with ``BlockingPool/abandonAll(of:)``.
    /// - Throws: `LibvirtError`: `.noConnect`, `.systemError` (no daemon), `.authFailed`, … Calls `virConnectOpen`.
    public static func open(
        _ uri: String, pool: BlockingPool = .shared, deadline: Duration = .seconds(30), owner: AnyObject? = nil
    ) async throws -> LibvirtConnection {
        try await pool.run(deadline: deadline, operation: "virConnectOpen", owner: owner) {
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

    /// Has libvirt give up a daemon that says nothing for 12 seconds; ``closeReason`` is `keepalive` then.
    ///
    /// It is asked when it has said nothing for 6. Mostly that need not be: it asks its clients every 5 itself, unless it is told not to.
    /// Only for a connection that makes no other call any more: a daemon that is given up while several threads wait for it ends the
    /// process (libvirt 9.0, CVE-2024-4418).
    /// Where no daemon is in between it changes nothing. Calls `virConnectSetKeepAlive`.
    public func keepAlive(deadline: Duration = .seconds(30)) async throws {
        try await core.call("virConnectSetKeepAlive", deadline: deadline) { connection, call in
            if virConnectSetKeepAlive(connection, 6, 1) < 0 {
                let error = call.failure()
                if error.code != .noSupport { throw error }
            }
        }
    }

    /// Gives up a daemon that does not answer: every call fails at once, those under way too. ``closeReason`` is `keepalive` from here
    /// on. What libvirt holds is freed by ``close(deadline:)``, which waits for the daemon.
    public func abandon() { core.abandon(.keepalive) }

    /// How many calls the daemon has not answered yet, those included that nobody waits for any more.
    public var callsUnderWay: Int { core.callsUnderWay }

    /// Whether the daemon works on a call that nobody waits for any more, and all others wait for that.
    public var isHeldUp: Bool { core.isHeldUp }

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
