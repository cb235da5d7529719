import CLibvirt

/// State and size of one domain, from a call that asks for all domains at once.
public struct DomainStats: Sendable, Hashable {
    /// The domain's identity.
    public var uuid: DomainUUID
    /// The domain's name as bytes; it need not be UTF-8.
    public var nameBytes: [UInt8]
    /// What it is doing; nil if libvirt did not say.
    public var status: DomainStatus?
    /// The memory it has, in KiB; nil for a domain that is off or busy.
    public var memoryInKiB: UInt64?
    /// The most memory it may have, in KiB.
    public var maximumMemoryInKiB: UInt64?
    /// The virtual CPUs it has.
    public var vcpus: UInt32?
    /// The most virtual CPUs it may have.
    public var maximumVCPUs: UInt32?

    /// The name for display: bytes that are not UTF-8 are replaced.
    public var name: String { String(decoding: nameBytes, as: UTF8.self) }
}

extension LibvirtConnection {
    /// State and size of all domains in one call, which waits for no busy domain.
    ///
    /// The sizes of a running domain are asked of its QEMU, and a QEMU that hangs holds up the answer for all domains.
    /// - Parameter withSizes: whether they are wanted.
    ///
    /// A driver that cannot do this (the test driver) is asked for each domain with `virDomainGetState` and
    /// `virDomainGetInfo` instead, in the same call of ours. Calls `virConnectGetAllDomainStats` with `NOWAIT`.
    public func allDomainStats(
        _ filter: DomainFilter = [], withSizes: Bool = true, deadline: Duration = .seconds(30)
    ) async throws -> [DomainStats] {
        try await core.call("virConnectGetAllDomainStats", deadline: deadline) { connection, call in
            let sizes = VIR_DOMAIN_STATS_BALLOON.rawValue | VIR_DOMAIN_STATS_VCPU.rawValue
            let wanted = VIR_DOMAIN_STATS_STATE.rawValue | (withSizes ? sizes : 0)
            let noWait = VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT.rawValue
            var records: UnsafeMutablePointer<virDomainStatsRecordPtr?>?
            let count = virConnectGetAllDomainStats(connection, wanted, &records, filter.rawValue | noWait)
            if count < 0 {
                let error = call.failure()
                guard error.code == .noSupport else { throw error }
                return try DomainStats.askingEach(connection, filter, call)
            }
            defer { virDomainStatsRecordListFree(records) }
            let stats = UnsafeBufferPointer(start: records, count: Int(count)).compactMap { record in
                record.flatMap { DomainStats($0.pointee) }
            }
            let hasSizes = stats.isEmpty || !withSizes || stats.contains { $0.maximumMemoryInKiB != nil }
            return hasSizes ? stats : try DomainStats.askingEach(connection, filter, call)
        }
    }
}

extension DomainStats {
    fileprivate init?(_ record: virDomainStatsRecord) {
        guard let domain = record.dom, let (uuid, name) = identity(of: domain) else { return nil }
        self.init(uuid: uuid, nameBytes: name, TypedParameters(record.params, count: Int(record.nparams)))
    }

    init(uuid: DomainUUID, nameBytes: [UInt8], _ values: TypedParameters) {
        self.init(
            uuid: uuid, nameBytes: nameBytes,
            status: values.integer("state.state").map {
                DomainStatus(state: DomainState($0), reason: values.integer("state.reason") ?? 0)
            },
            memoryInKiB: values.integer("balloon.current"), maximumMemoryInKiB: values.integer("balloon.maximum"),
            vcpus: values.integer("vcpu.current"), maximumVCPUs: values.integer("vcpu.maximum"))
    }

    /// A domain that goes away while it is asked is left out.
    fileprivate static func askingEach(
        _ connection: OpaquePointer, _ filter: DomainFilter, _ call: Call
    ) throws -> [DomainStats] {
        let domains = try takeList(call.named("virConnectListAllDomains")) {
            virConnectListAllDomains(connection, $0, filter.rawValue)
        }
        defer { for domain in domains { virDomainFree(domain) } }
        return try domains.compactMap { domain in
            guard let (uuid, name) = identity(of: domain) else { return nil }
            do {
                let status = try Domain.status(domain, call.named("virDomainGetState"))
                let info = try Domain.info(domain, call.named("virDomainGetInfo"))
                return DomainStats(
                    uuid: uuid, nameBytes: name, status: status, memoryInKiB: info.memoryInKiB,
                    maximumMemoryInKiB: info.maximumMemoryInKiB, vcpus: info.vcpus)
            } catch let error as LibvirtError where error.code == .noDomain {
                return nil
            }
        }
    }
}
