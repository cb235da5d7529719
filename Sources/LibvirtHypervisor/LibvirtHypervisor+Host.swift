import Libvirt
public import VMCore
public import VMModel
import XMLReading

extension LibvirtHypervisor {
    public func hostFacts() async throws(VMError) -> HostFacts {
        try await withLink { link in
            try await link.facts.value { [self] in try await withLane { try await Self.readFacts($0) } }
        }
    }

    private static func readFacts(_ connection: LibvirtConnection) async throws -> HostFacts {
        let capabilities = try XMLTree(parsing: try await connection.capabilitiesXML())
        // libvirt lists KVM only after QEMU, run as the user it will run as, has found that it can use it.
        let kvmIsUsable = capabilities.all("guest").compactMap { $0.first("arch") }
            .filter { $0.attributes["name"] == "x86_64" }
            .contains { arch in arch.all("domain").contains { $0.attributes["type"] == "kvm" } }
        var hyperv: [String] = []
        var maximumVCPUs: UInt32 = 255
        do {
            let domain = try XMLTree(
                parsing: try await connection.domainCapabilitiesXML(
                    virtType: kvmIsUsable ? "kvm" : nil, machine: "q35", arch: "x86_64"))
            maximumVCPUs = domain.first("vcpu")?.attributes["max"].flatMap { UInt32($0) } ?? maximumVCPUs
            hyperv =
                (domain.first("features")?.first("hyperv")?.all("enum") ?? [])
                .first { $0.attributes["name"] == "features" }?.all("value").map(\.text) ?? []
        } catch let error as LibvirtError where error.kind == .libvirt {
            // A driver that does not know, such as the one for tests; libvirt will say so at define time.
        }
        let node = try await connection.nodeInfo()
        return HostFacts(
            kvmIsUsable: kvmIsUsable, hypervFeatures: hyperv, maximumVCPUs: maximumVCPUs,
            memoryMB: node.memoryInKiB / 1024,
            cpuVendor: capabilities.first("host")?.first("cpu")?.first("vendor")?.text ?? "",
            onlineCPUs: try await connection.onlineCPUs())
    }

    // MARK: Networks

    public func prepareNetwork() async throws(VMError) -> String? {
        // A network that is started though nobody waits for that any more does no harm.
        try await withCancellableLink { link in
            guard let network = try await Self.defaultNetwork(link.connection) else { return nil }
            do {
                if try await !network.isActive() { try await network.start() }
                return network.name
            } catch let error as LibvirtError where error.kind == .libvirt {
                // It cannot be started here, as without dnsmasq; or somebody else has just done it.
                return try await network.isActive() ? network.name : nil
            }
        }
    }

    public func availableNetwork() async throws(VMError) -> String? {
        try await withCancellableLink { try await Self.defaultNetwork($0.connection)?.name }
    }

    private static func defaultNetwork(_ connection: LibvirtConnection) async throws -> Network? {
        do {
            return try await connection.network(name: "default")
        } catch let error as LibvirtError where error.code == .noNetwork || error.code == .noSupport {
            return nil
        }
    }
}

/// The host's facts, read once for each connection: while it lasts, they stay.
actor FactsOnce {
    private var reading: Task<HostFacts, any Error>?

    func value(_ read: @escaping @Sendable () async throws -> HostFacts) async throws -> HostFacts {
        if let reading { return try await reading.value }
        let task = Task { try await read() }
        reading = task
        do {
            return try await task.value
        } catch {
            reading = nil
            throw error
        }
    }
}
