import CLibvirt

/// Why a connection has ended. `virConnectCloseReason`
public enum CloseReason: Sendable, Hashable {
    /// An error on the socket.
    case error
    /// The daemon closed it, as when it stops or is killed.
    case endOfFile
    /// The daemon did not answer keepalive messages.
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

    /// Opens a connection. Blocks. Calls `virConnectOpen`.
    static func open(_ uri: String) throws -> OwnedConnection {
        try EventLoop.start()
        guard let pointer = virConnectOpen(uri) else {
            throw LibvirtError.last(operation: "virConnectOpen", object: uri)
        }
        // A driver without keepalive says so, and needs none: it runs in this process.
        virConnectSetKeepAlive(pointer, 5, 3)
        return OwnedConnection(pointer: pointer)
    }

    /// Asks to be told when the daemon goes. Calls `virConnectRegisterCloseCallback`.
    func watch(_ box: CloseCallbackBox) {
        let opaque = Unmanaged.passRetained(box).toOpaque()
        let result = virConnectRegisterCloseCallback(pointer, Self.closeCallback, opaque) { opaque in
            guard let opaque else { return }
            Unmanaged<CloseCallbackBox>.fromOpaque(opaque).release()
        }
        if result < 0 { Unmanaged<CloseCallbackBox>.fromOpaque(opaque).release() }
    }

    /// Ends callbacks; libvirt then frees their boxes, also when the daemon is gone. Calls
    /// `virConnectDomainEventDeregisterAny`.
    func deregister(_ callbackIDs: [Int32]) {
        for id in callbackIDs { virConnectDomainEventDeregisterAny(pointer, id) }
    }

    /// Closes it. Calls `virConnectClose`.
    /// - Returns: how many references are left; negative for an error.
    func close() -> Int {
        virConnectUnregisterCloseCallback(pointer, Self.closeCallback)
        return Int(virConnectClose(pointer))
    }

    /// One function for all connections: libvirt wants the same one again to unregister it.
    private static let closeCallback: virConnectCloseFunc = { _, reason, opaque in
        guard let opaque else { return }
        Unmanaged<CloseCallbackBox>.fromOpaque(opaque).takeUnretainedValue().closed(CloseReason(reason))
    }
}

/// What libvirt's close callback holds: not the connection, which has to be free to end.
final class CloseCallbackBox: Sendable {
    private let gate: Gate
    private let closed: @Sendable (CloseReason) -> Void

    init(gate: Gate, closed: @escaping @Sendable (CloseReason) -> Void) {
        self.gate = gate
        self.closed = closed
        gate.enter()
    }

    deinit {
        gate.leave()
    }

    func closed(_ reason: CloseReason) {
        closed(reason)
    }
}
