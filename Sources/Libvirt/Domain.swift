import CLibvirt

/// A domain of libvirt: the one owner of a `virDomainPtr`.
///
/// It names the domain and does not know how it is: every read asks libvirt. Handles of one domain are interchangeable.
public final class Domain: Sendable {
    /// The domain's identity.
    public let uuid: DomainUUID
    /// The name that the domain had when this handle was made, as bytes; it need not be UTF-8.
    public let nameBytes: [UInt8]
    let handle: ObjectHandle

    /// Takes over one reference to a domain.
    init(owning pointer: OpaquePointer, core: ConnectionCore, call: Call) throws {
        guard let (uuid, name) = identity(of: pointer) else {
            let error = call.failure()
            virDomainFree(pointer)
            throw error
        }
        self.uuid = uuid
        nameBytes = name
        handle = core.adopt(pointer, .domain, label: String(decoding: name, as: UTF8.self))
    }

    /// The name for display: bytes that are not UTF-8 are replaced.
    public var name: String { handle.label }
}

extension Domain {
    /// What it is doing. Calls `virDomainGetState`.
    public func status(deadline: Duration = .seconds(30)) async throws -> DomainStatus {
        try await handle.call("virDomainGetState", deadline) { try Self.status($0, $1) }
    }

    static func status(_ domain: OpaquePointer, _ call: Call) throws -> DomainStatus {
        var state: Int32 = 0
        var reason: Int32 = 0
        try call.check(virDomainGetState(domain, &state, &reason, 0))
        return DomainStatus(state: DomainState(state), reason: reason)
    }

    /// Its size. Calls `virDomainGetInfo`.
    public func info(deadline: Duration = .seconds(30)) async throws -> DomainInfo {
        try await handle.call("virDomainGetInfo", deadline) { try Self.info($0, $1) }
    }

    static func info(_ domain: OpaquePointer, _ call: Call) throws -> DomainInfo {
        var info = virDomainInfo()
        try call.check(virDomainGetInfo(domain, &info))
        return DomainInfo(
            state: DomainState(Int32(info.state)), maximumMemoryInKiB: UInt64(info.maxMem),
            memoryInKiB: UInt64(info.memory), vcpus: UInt32(info.nrVirtCpu), cpuTimeInNanoseconds: info.cpuTime)
    }

    /// Whether it has a process. Calls `virDomainIsActive`.
    public func isActive(deadline: Duration = .seconds(30)) async throws -> Bool {
        try await handle.call("virDomainIsActive", deadline) { try $1.check(virDomainIsActive($0)) == 1 }
    }

    /// Whether libvirt has its process at hand now: nothing else waits for it, and it is not being taken up after a start of the daemon.
    /// Also where it never will have, because it has lost what it talks to the process with.
    ///
    /// Waits for nothing itself. Calls `virDomainGetControlInfo`.
    /// - Throws: `LibvirtError` `.operationInvalid` where it has no process; `.noSupport`.
    public func isAtHand(deadline: Duration = .seconds(30)) async throws -> Bool {
        try await handle.call("virDomainGetControlInfo", deadline) { domain, call in
            var info = virDomainControlInfo()
            try call.check(virDomainGetControlInfo(domain, &info, 0))
            let isLost =
                info.state == VIR_DOMAIN_CONTROL_ERROR.rawValue
                && info.details == VIR_DOMAIN_CONTROL_ERROR_REASON_MONITOR.rawValue
            return isLost || info.state == VIR_DOMAIN_CONTROL_OK.rawValue
        }
    }

    /// Makes it start with the host, or not. libvirt sends no event for this. Calls `virDomainSetAutostart`.
    public func setAutostart(_ isOn: Bool, deadline: Duration = .seconds(30)) async throws {
        try await handle.call("virDomainSetAutostart", deadline) { domain, call in
            _ = try call.check(virDomainSetAutostart(domain, isOn ? 1 : 0))
        }
    }
}
