import CLibvirt
import Glibc

/// A device of the host: the one owner of a `virNodeDevicePtr`.
public final class NodeDevice: Sendable {
    /// Its name, such as `pci_0000_01_00_0`.
    public var name: String { handle.label }
    let handle: ObjectHandle

    init(owning pointer: OpaquePointer, core: ConnectionCore) {
        handle = core.adopt(pointer, .nodeDevice, label: text(virNodeDeviceGetName(pointer)) ?? "")
    }
}

extension NodeDevice {
    /// Its XML. Calls `virNodeDeviceGetXMLDesc`.
    public func xml(deadline: Duration = .seconds(30)) async throws -> String {
        try await handle.call("virNodeDeviceGetXMLDesc", deadline) { try $1.string(virNodeDeviceGetXMLDesc($0, 0)) }
    }
}

extension LibvirtConnection {
    /// The host's device with this name.
    /// - Throws: `LibvirtError` `.noNodeDevice`. Calls `virNodeDeviceLookupByName`.
    public func nodeDevice(name: String, deadline: Duration = .seconds(30)) async throws -> NodeDevice {
        try await core.call("virNodeDeviceLookupByName", object: name, deadline: deadline) { [core] connection, call in
            NodeDevice(owning: try call.check(virNodeDeviceLookupByName(connection, name)), core: core)
        }
    }

    /// The host's PCI devices. Calls `virConnectListAllNodeDevices`.
    public func pciDevices(deadline: Duration = .seconds(30)) async throws -> [NodeDevice] {
        try await core.call("virConnectListAllNodeDevices", deadline: deadline) { [core] connection, call in
            let flags = VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV.rawValue
            return try takeList(call) { virConnectListAllNodeDevices(connection, $0, flags) }
                .map { NodeDevice(owning: $0, core: core) }
        }
    }

    /// The numbers of the host's CPUs that are on line. Calls `virNodeGetCPUMap`.
    public func onlineCPUs(deadline: Duration = .seconds(30)) async throws -> Set<UInt32> {
        try await core.call("virNodeGetCPUMap", deadline: deadline) { connection, call in
            var map: UnsafeMutablePointer<UInt8>?
            let count = try call.check(virNodeGetCPUMap(connection, &map, nil, 0))
            // "Upon successful execution […] cpumap is allocated and must be freed by the caller."
            defer { free(map) }
            guard let map else { return [] }
            let bits = UnsafeBufferPointer(start: map, count: (Int(count) + 7) / 8)
            return Set((0..<UInt32(count)).filter { bits[Int($0 / 8)] & (1 << ($0 % 8)) != 0 })
        }
    }
}
