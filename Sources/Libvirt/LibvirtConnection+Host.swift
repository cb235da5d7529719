import CLibvirt

/// A version as libvirt counts: major × 1,000,000 + minor × 1,000 + release.
public struct LibvirtVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let major: Int
    public let minor: Int
    public let release: Int

    public init(_ major: Int, _ minor: Int, _ release: Int) {
        self.major = major
        self.minor = minor
        self.release = release
    }

    init(_ number: UInt) {
        self.init(Int(number / 1_000_000), Int(number / 1000 % 1000), Int(number % 1000))
    }

    /// Such as `9.0.0`.
    public var description: String { "\(major).\(minor).\(release)" }

    public static func < (left: LibvirtVersion, right: LibvirtVersion) -> Bool {
        (left.major, left.minor, left.release) < (right.major, right.minor, right.release)
    }
}

/// The host's hardware. `virNodeInfo`
public struct NodeInfo: Sendable, Hashable {
    /// The CPU's architecture, such as `x86_64`.
    public var cpuModel: String
    /// Memory in KiB.
    public var memoryInKiB: UInt64
    /// CPUs that are on line.
    public var cpus: UInt32
    public var nodes: UInt32
    public var sockets: UInt32
    public var cores: UInt32
    public var threads: UInt32
}

extension LibvirtConnection {
    /// The URI of the connection, as libvirt completed it. Calls `virConnectGetURI`.
    public func canonicalURI(deadline: Duration = .seconds(30)) async throws -> String {
        try await core.call("virConnectGetURI", deadline: deadline) { try $1.string(virConnectGetURI($0)) }
    }

    /// The hypervisor's driver, such as `QEMU` or `TEST`. Calls `virConnectGetType`.
    public func hypervisorType(deadline: Duration = .seconds(30)) async throws -> String {
        try await core.call("virConnectGetType", deadline: deadline) { connection, call in
            guard let type = virConnectGetType(connection) else { throw call.failure() }
            return String(cString: type)
        }
    }

    /// The hypervisor's version. Calls `virConnectGetVersion`.
    public func hypervisorVersion(deadline: Duration = .seconds(30)) async throws -> LibvirtVersion {
        try await version("virConnectGetVersion", deadline) { virConnectGetVersion($0, &$1) }
    }

    /// The version of libvirt at the other end. Calls `virConnectGetLibVersion`.
    public func libvirtVersion(deadline: Duration = .seconds(30)) async throws -> LibvirtVersion {
        try await version("virConnectGetLibVersion", deadline) { virConnectGetLibVersion($0, &$1) }
    }

    private func version(
        _ operation: String, _ deadline: Duration, _ body: @escaping @Sendable (OpaquePointer, inout UInt) -> Int32
    ) async throws -> LibvirtVersion {
        try await core.call(operation, deadline: deadline) { connection, call in
            var number: UInt = 0
            try call.check(body(connection, &number))
            return LibvirtVersion(number)
        }
    }

    /// The host's name. Calls `virConnectGetHostname`.
    public func hostname(deadline: Duration = .seconds(30)) async throws -> String {
        try await core.call("virConnectGetHostname", deadline: deadline) { try $1.string(virConnectGetHostname($0)) }
    }

    /// The host's hardware. Calls `virNodeGetInfo`.
    public func nodeInfo(deadline: Duration = .seconds(30)) async throws -> NodeInfo {
        try await core.call("virNodeGetInfo", deadline: deadline) { connection, call in
            var info = virNodeInfo()
            try call.check(virNodeGetInfo(connection, &info))
            let model = withUnsafeBytes(of: info.model) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            return NodeInfo(
                cpuModel: model, memoryInKiB: UInt64(info.memory), cpus: info.cpus, nodes: info.nodes,
                sockets: info.sockets, cores: info.cores, threads: info.threads)
        }
    }

    /// What the host and its hypervisor can do, as XML. Calls `virConnectGetCapabilities`.
    public func capabilitiesXML(deadline: Duration = .seconds(30)) async throws -> String {
        try await core.call("virConnectGetCapabilities", deadline: deadline) {
            try $1.string(virConnectGetCapabilities($0))
        }
    }

    /// What a domain of a kind can have, as XML; libvirt chooses what is nil.
    ///
    /// - Parameters:
    ///   - virtType: `kvm` or `qemu`.
    ///   - machine: such as `q35`.
    ///   - arch: such as `x86_64`.
    ///   - emulator: a path on the host.
    /// - Throws: `LibvirtError` `.invalidArgument` for what does not exist. Calls `virConnectGetDomainCapabilities`.
    public func domainCapabilitiesXML(
        virtType: String? = nil, machine: String? = nil, arch: String? = nil, emulator: String? = nil,
        deadline: Duration = .seconds(30)
    ) async throws -> String {
        try await core.call("virConnectGetDomainCapabilities", deadline: deadline) {
            try $1.string(virConnectGetDomainCapabilities($0, emulator, arch, machine, virtType, 0))
        }
    }

    /// The command that would run a domain, with all that libvirt chooses for it; nothing is started or kept.
    /// - Throws: `LibvirtError` `.operationFailed` for what cannot be had, such as firmware. Calls `virConnectDomainXMLToNative`.
    public func qemuCommand(forXML xml: String, deadline: Duration = .seconds(30)) async throws -> String {
        try await core.call("virConnectDomainXMLToNative", deadline: deadline) {
            try $1.string(virConnectDomainXMLToNative($0, "qemu-argv", xml, 0))
        }
    }
}
