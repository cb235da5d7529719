import Libvirt
public import VMCore
public import VMModel
import XMLReading

extension LibvirtHypervisor {
    public func listVMs() async throws(VMError) -> [VM] {
        try await withLink { link in
            let connection = link.connection
            async let autostart = connection.domainUUIDs(.autostart)
            async let persistent = connection.domainUUIDs(.persistent)
            async let saved = connection.domainUUIDs(.managedSave)
            // In ways that wait for no QEMU: one that hangs must not hold up the others.
            async let inactive = connection.allDomainStats(.inactive)
            async let active = connection.allDomainStats(.active, withSizes: false)
            let domains = try await connection.domains()
            let flags = try await DomainFlags(autostart: autostart, persistent: persistent, managedSave: saved)
            let sizes = Dictionary(try await (inactive + active).map { ($0.uuid, $0) }, uniquingKeysWith: { $1 })
            return try await Self.read(domains, sizes, flags)
        }
    }

    /// So many at once keep the threads of the calls busy; each takes some kilobytes while it goes on.
    private static var readsAtOnce: Int { 32 }

    private static func read(
        _ domains: [Domain], _ sizes: [DomainUUID: DomainStats], _ flags: DomainFlags
    ) async throws -> [VM] {
        try await withThrowingTaskGroup(of: VM?.self) { group in
            var remaining = domains[...]
            func readNext() {
                guard let domain = remaining.popFirst() else { return }
                group.addTask { try await Self.read(domain, sizes[domain.uuid], flags) }
            }
            for _ in 0..<readsAtOnce { readNext() }
            var vms: [VM] = []
            vms.reserveCapacity(domains.count)
            for try await vm in group {
                if let vm { vms.append(vm) }
                readNext()
            }
            return vms
        }
    }

    /// One VM of a listing; nil when it went away meanwhile.
    private static func read(_ domain: Domain, _ stats: DomainStats?, _ flags: DomainFlags) async throws -> VM? {
        guard let stats, let status = stats.status else { return try await read(domain) }
        return try await orGone {
            let metadata = try await VMMetadata(of: domain)
            var size = (memory: stats.maximumMemoryInKiB ?? 0, vcpus: stats.vcpus ?? 0)
            if stats.maximumMemoryInKiB == nil || stats.vcpus == nil {
                let info = try await domain.info()
                size = (info.maximumMemoryInKiB, info.vcpus)
            }
            return VM(
                domain, status, memoryInKiB: size.memory, vcpus: size.vcpus, metadata,
                autostart: flags.autostart.contains(domain.uuid), isPersistent: flags.persistent.contains(domain.uuid),
                hasSavedState: flags.managedSave.contains(domain.uuid))
        }
    }

    public func readVM(_ uuid: VMUUID) async throws(VMError) -> VM? {
        try await withLink { link in
            try await Self.orGone {
                let (domain, reading) = try await link.connection.reading(
                    of: try DomainUUID(uuid), namespace: VMMetadata.namespace)
                return VM(domain, reading)
            }
        }
    }

    public func uuid(ofVMNamed name: String) async throws(VMError) -> VMUUID? {
        try await withLink { link in
            try await Self.orGone { VMUUID(try await link.connection.domain(name: name).uuid) }
        }
    }

    private static func read(_ domain: Domain) async throws -> VM? {
        try await orGone {
            VM(domain, try await domain.reading(namespace: VMMetadata.namespace))
        }
    }

    /// What `body` reads; nil when the domain is gone.
    private static func orGone<Value>(_ body: () async throws -> Value) async throws -> Value? {
        do {
            return try await body()
        } catch let error as LibvirtError where error.code == .noDomain {
            return nil
        }
    }

    public func definition(of uuid: VMUUID) async throws(VMError) -> String {
        try await withDomain(uuid) { try await $0.xml() }
    }

    public func vmsUsing(disk path: String) async throws(VMError) -> [VMUUID] {
        // As an attribute, in either quotes: as a source, as a backing file, or for something this service has never heard of.
        let marks = ["'\(path)'", "\"\(path)\""]
        return try await withLink { link in
            let domains = try await link.connection.domains()
            let active = try await link.connection.domainUUIDs(.active)
            var users: [VMUUID] = []
            for domain in domains {
                var definitions = try await Self.orGone({ try await domain.xml(.inactive) }).map { [$0] } ?? []
                if active.contains(domain.uuid), let live = try await Self.orGone({ try await domain.xml() }) {
                    definitions.append(live)
                }
                if definitions.contains(where: { xml in marks.contains { xml.contains($0) } }) {
                    users.append(VMUUID(domain.uuid))
                }
            }
            return users
        }
    }

    public func disks(of uuid: VMUUID) async throws(VMError) -> [VMDisk] {
        try await withDomain(uuid) { domain in
            let metadata = try await VMMetadata(of: domain)
            let definition = try XMLTree(parsing: try await domain.xml(.inactive))
            return (definition.first("devices")?.all("disk") ?? []).compactMap { disk in
                guard disk.attributes["device"] ?? "disk" == "disk", let source = disk.first("source"),
                    let path = source.attributes["file"] ?? source.attributes["dev"]
                else { return nil }
                return VMDisk(path: path, isOwn: metadata.volumes.contains(path))
            }
        }
    }
}

/// Flags of all domains, each from one call.
private struct DomainFlags: Sendable {
    let autostart: Set<DomainUUID>
    let persistent: Set<DomainUUID>
    let managedSave: Set<DomainUUID>
}

extension VM {
    fileprivate init(_ domain: Domain, _ reading: DomainReading) {
        self.init(
            domain, reading.status, memoryInKiB: reading.info.maximumMemoryInKiB, vcpus: reading.info.vcpus,
            VMMetadata(reading.metadata), autostart: reading.autostart, isPersistent: reading.isPersistent,
            hasSavedState: reading.hasManagedSave)
    }

    fileprivate init(
        _ domain: Domain, _ status: DomainStatus, memoryInKiB: UInt64, vcpus: UInt32, _ metadata: VMMetadata,
        autostart: Bool, isPersistent: Bool, hasSavedState: Bool
    ) {
        self.init(
            uuid: VMUUID(domain.uuid), name: domain.name, state: VMState(status.state), stateReason: status.reasonWord,
            memoryMB: memoryInKiB / 1024, vcpus: vcpus, autostart: autostart, isPersistent: isPersistent,
            template: metadata.template, osType: metadata.osType, ownerUID: metadata.ownerUID,
            createdAt: metadata.createdAt, hasSavedState: hasSavedState)
    }
}
