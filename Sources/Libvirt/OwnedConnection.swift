import CLibvirt
import Synchronization

/// Why a connection has ended. `virConnectCloseReason`
public enum CloseReason: Sendable, Hashable {
    /// An error on the socket.
    case error
    /// The daemon closed it, as when it stops or is killed.
    case endOfFile
    /// The daemon did not answer, and was given up.
    case keepalive
    /// We closed it.
    case client
    /// A reason that this version does not know.
    case other(Int32)

    init(_ reason: Int32) {
        self =
            switch UInt32(bitPattern: reason) {
            case VIR_CONNECT_CLOSE_REASON_ERROR.rawValue: .error
            case VIR_CONNECT_CLOSE_REASON_EOF.rawValue: .endOfFile
            case VIR_CONNECT_CLOSE_REASON_KEEPALIVE.rawValue: .keepalive
            case VIR_CONNECT_CLOSE_REASON_CLIENT.rawValue: .client
            default: .other(reason)
            }
    }
}

/// A `virConnectPtr` and the calls that begin and end it. ``ConnectionCore`` owns it.
struct OwnedConnection: @unchecked Sendable {
    // Proof: a virConnectPtr may be used by several threads at once, and this is only a pointer; its core closes it
    // once.
    let pointer: OpaquePointer
    private let closeBox: CloseCallbackBox

    /// Opens a connection. Blocks. Calls `virConnectOpen` and `virConnectRegisterCloseCallback`.
    /// - Parameter ended: is told when the daemon goes, on libvirt's event thread.
    static func open(_ uri: String, ended: @escaping @Sendable (CloseReason) -> Void) throws -> OwnedConnection {
        try EventLoop.start()
        guard let pointer = virConnectOpen(uri) else {
            throw LibvirtError.last(operation: "virConnectOpen", object: uri)
        }
        let box = CloseCallbackBox(ended)
        virConnectRegisterCloseCallback(pointer, closeCallback, box.retained()) { opaque in
            guard let opaque else { return }
            Unmanaged<CloseCallbackBox>.fromOpaque(opaque).takeUnretainedValue().release()
        }
        let owned = OwnedConnection(pointer: pointer, closeBox: box)
        // A driver without such callbacks refuses, which is no reason to do without it. But of one that has ended by now nobody is ever
        // told, and libvirt gives out one of which it has lost the daemon while it asked what that can do.
        guard virConnectIsAlive(pointer) == 0 else { return owned }
        _ = owned.close()
        throw LibvirtError(
            code: .noConnect, message: "the connection has ended while it was opened", operation: "virConnectOpen",
            object: uri)
    }

    /// Ends callbacks; libvirt frees their boxes, also when the daemon is gone. Blocks.
    ///
    /// Calls `virConnectDomainEventDeregisterAny`.
    func deregister(_ callbackIDs: [Int32]) {
        for id in callbackIDs { virConnectDomainEventDeregisterAny(pointer, id) }
    }

    /// Closes it. Blocks. Calls `virConnectUnregisterCloseCallback` and `virConnectClose`.
    /// - Returns: how many references are left; negative for an error.
    func close() -> Int {
        virConnectUnregisterCloseCallback(pointer, Self.closeCallback)
        // No callback runs any more. Drivers without close callbacks (the test driver) took the box and never free it.
        closeBox.release()
        return Int(virConnectClose(pointer))
    }

    /// One function for all connections: libvirt wants the same one again to unregister it.
    private static let closeCallback: virConnectCloseFunc = { _, reason, opaque in
        guard let opaque else { return }
        Unmanaged<CloseCallbackBox>.fromOpaque(opaque).takeUnretainedValue().ended(CloseReason(reason))
    }
}

/// What libvirt's close callback holds: not the connection, which has to be free to end.
private final class CloseCallbackBox: Sendable {
    let ended: @Sendable (CloseReason) -> Void
    private let isHeldByLibvirt = Mutex(false)

    init(_ ended: @escaping @Sendable (CloseReason) -> Void) {
        self.ended = ended
    }

    /// A reference for libvirt.
    func retained() -> UnsafeMutableRawPointer {
        isHeldByLibvirt.withLock { $0 = true }
        return Unmanaged.passRetained(self).toOpaque()
    }

    /// Gives libvirt's reference back, once.
    func release() {
        let wasHeld = isHeldByLibvirt.withLock { isHeld in
            defer { isHeld = false }
            return isHeld
        }
        if wasHeld { Unmanaged.passUnretained(self).release() }
    }
}
