import CLibvirt

/// How a domain is: what is asked of it again and again, each time after it has changed.
public struct DomainReading: Sendable {
    /// The element of the namespace that was asked for; nil if there is none. Or why it cannot be had, as when it is longer than libvirt
    /// can carry.
    public var metadata: Result<String?, LibvirtError>
    public var info: DomainInfo
    /// Whether it has a configuration that outlives its process.
    public var isPersistent: Bool
    /// Whether it starts with the host; never where it is not persistent.
    public var autostart: Bool
    /// Whether its state was saved and the next start restores it; never where it is not persistent.
    public var hasManagedSave: Bool
    /// What it is doing, read after all the others.
    public var status: DomainStatus
}

extension LibvirtConnection {
    /// The domain with this identity and how it is, in one turn of the connection.
    /// - Throws: as ``domain(uuid:deadline:)`` and ``Domain/reading(namespace:deadline:)``, in one deadline.
    public func reading(
        of uuid: DomainUUID, namespace: String, deadline: Duration = .seconds(30)
    ) async throws -> (domain: Domain, reading: DomainReading) {
        try await core.call("virDomainLookupByUUID", object: uuid.description, deadline: deadline) {
            [core] connection, call in
            let pointer = try call.check(virDomainLookupByUUID(connection, uuid.bytes))
            let domain = try Domain(owning: pointer, core: core, call: call)
            // A reference of the call's own, as every call has: closing releases the handle's at its deadline.
            virDomainRef(pointer)
            defer { virDomainFree(pointer) }
            let call = Call(operation: "virDomainGetMetadata", object: domain.name, connection: connection)
            return (domain, try Domain.reading(pointer, call, namespace))
        }
    }
}

extension Domain {
    /// Reads all of it in one turn of the connection, without a change of threads between the calls.
    ///
    /// Calls `virDomainGetMetadata`, `virDomainGetInfo`, `virDomainIsPersistent`, `virDomainGetAutostart`,
    /// `virDomainHasManagedSaveImage` and `virDomainGetState`.
    /// - Parameter deadline: for all of the calls together.
    /// - Throws: `LibvirtError`, `.noDomain` when it is gone.
    public func reading(namespace: String, deadline: Duration = .seconds(30)) async throws -> DomainReading {
        try await handle.call("virDomainGetMetadata", deadline) { try Self.reading($0, $1, namespace) }
    }

    fileprivate static func reading(
        _ domain: OpaquePointer, _ call: Call, _ namespace: String
    ) throws -> DomainReading {
        let metadata = Result { () throws(LibvirtError) in try Self.metadata(domain, call, namespace) }
        if case .failure(let error) = metadata, error.kind != .libvirt || error.code == .noDomain { throw error }
        let info = try Self.info(domain, call.named("virDomainGetInfo"))
        let isPersistent = try call.named("virDomainIsPersistent").check(virDomainIsPersistent(domain)) == 1
        var autostart: Int32 = 0
        var saved: Int32 = 0
        if isPersistent {
            try call.named("virDomainGetAutostart").check(virDomainGetAutostart(domain, &autostart))
            saved = try call.named("virDomainHasManagedSaveImage").check(virDomainHasManagedSaveImage(domain, 0))
        }
        // Last, so that the state is the newest of what is told.
        let status = try Self.status(domain, call.named("virDomainGetState"))
        return DomainReading(
            metadata: metadata, info: info, isPersistent: isPersistent, autostart: autostart != 0,
            hasManagedSave: saved == 1, status: status)
    }
}
