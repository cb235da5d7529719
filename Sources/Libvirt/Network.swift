import CLibvirt

/// A virtual network: the one owner of a `virNetworkPtr`.
public final class Network: Sendable {
    /// Its name, which libvirt keeps unique.
    public var name: String { handle.label }
    let handle: ObjectHandle

    init(owning pointer: OpaquePointer, core: ConnectionCore) {
        handle = core.adopt(pointer, .network, label: text(virNetworkGetName(pointer)) ?? "")
    }
}

extension Network {
    /// Whether it runs. Calls `virNetworkIsActive`.
    public func isActive(deadline: Duration = .seconds(30)) async throws -> Bool {
        try await handle.call("virNetworkIsActive", deadline) { try $1.check(virNetworkIsActive($0)) == 1 }
    }

    /// Starts it. Calls `virNetworkCreate`.
    public func start(deadline: Duration = .seconds(30)) async throws {
        try await act("virNetworkCreate", deadline) { virNetworkCreate($0) }
    }

    /// Stops it. Calls `virNetworkDestroy`.
    public func stop(deadline: Duration = .seconds(30)) async throws {
        try await act("virNetworkDestroy", deadline) { virNetworkDestroy($0) }
    }

    /// Whether it starts with the daemon. Calls `virNetworkGetAutostart`.
    public func autostart(deadline: Duration = .seconds(30)) async throws -> Bool {
        try await handle.call("virNetworkGetAutostart", deadline) { network, call in
            var flag: Int32 = 0
            try call.check(virNetworkGetAutostart(network, &flag))
            return flag != 0
        }
    }

    /// Makes it start with the daemon, or not. Calls `virNetworkSetAutostart`.
    public func setAutostart(_ isOn: Bool, deadline: Duration = .seconds(30)) async throws {
        try await act("virNetworkSetAutostart", deadline) { virNetworkSetAutostart($0, isOn ? 1 : 0) }
    }

    /// Its XML. Calls `virNetworkGetXMLDesc`.
    public func xml(deadline: Duration = .seconds(30)) async throws -> String {
        try await handle.call("virNetworkGetXMLDesc", deadline) { try $1.string(virNetworkGetXMLDesc($0, 0)) }
    }

    private func act(
        _ operation: String, _ deadline: Duration, _ body: @escaping @Sendable (OpaquePointer) -> Int32
    ) async throws {
        try await handle.call(operation, deadline) { network, call in
            _ = try call.check(body(network))
        }
    }
}

extension LibvirtConnection {
    /// All networks, running or not. Calls `virConnectListAllNetworks`.
    public func networks(deadline: Duration = .seconds(30)) async throws -> [Network] {
        try await core.call("virConnectListAllNetworks", deadline: deadline) { [core] connection, call in
            try takeList(call) { virConnectListAllNetworks(connection, $0, 0) }.map { Network(owning: $0, core: core) }
        }
    }

    /// The network with this name.
    /// - Throws: `LibvirtError` `.noNetwork`. Calls `virNetworkLookupByName`.
    public func network(name: String, deadline: Duration = .seconds(30)) async throws -> Network {
        try await core.call("virNetworkLookupByName", object: name, deadline: deadline) { [core] connection, call in
            Network(owning: try call.check(virNetworkLookupByName(connection, name)), core: core)
        }
    }
}
