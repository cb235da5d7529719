import CLibvirt

/// What goes with a domain's configuration when it is undefined. `virDomainUndefineFlagsValues`
public struct UndefineFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The saved state.
    public static let managedSave = UndefineFlags(rawValue: VIR_DOMAIN_UNDEFINE_MANAGED_SAVE.rawValue)
    /// What libvirt knows of its snapshots.
    public static let snapshotsMetadata = UndefineFlags(rawValue: VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA.rawValue)
    /// The firmware's variables; without it (or keeping them) a domain that has some is not undefined.
    public static let nvram = UndefineFlags(rawValue: VIR_DOMAIN_UNDEFINE_NVRAM.rawValue)
    /// What libvirt knows of its checkpoints.
    public static let checkpointsMetadata = UndefineFlags(rawValue: VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA.rawValue)
    /// The state of its TPM. `VIR_DOMAIN_UNDEFINE_TPM`: by number, since headers older than 8.9.0 lack it; see
    /// ``everything(for:)``.
    public static let tpm = UndefineFlags(rawValue: 1 << 5)

    /// All that a daemon of this version can remove; older ones refuse the flag for the TPM.
    public static func everything(for daemon: LibvirtVersion) -> UndefineFlags {
        let flags: UndefineFlags = [.managedSave, .snapshotsMetadata, .checkpointsMetadata, .nvram]
        return daemon >= LibvirtVersion(8, 9, 0) ? flags.union(.tpm) : flags
    }
}

/// Which form of a domain's XML. `virDomainXMLFlags`
public struct DomainXMLFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// With passwords.
    public static let secure = DomainXMLFlags(rawValue: VIR_DOMAIN_XML_SECURE.rawValue)
    /// What the next start will use, also while the domain runs.
    public static let inactive = DomainXMLFlags(rawValue: VIR_DOMAIN_XML_INACTIVE.rawValue)
    /// What another host can take.
    public static let migratable = DomainXMLFlags(rawValue: VIR_DOMAIN_XML_MIGRATABLE.rawValue)
}

/// What a change of a domain is for. `virDomainModificationImpact`
public struct ModificationImpact: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The running domain if it runs, else its configuration.
    public static let current: ModificationImpact = []
    /// The running domain.
    public static let live = ModificationImpact(rawValue: VIR_DOMAIN_AFFECT_LIVE.rawValue)
    /// The configuration for the next start.
    public static let config = ModificationImpact(rawValue: VIR_DOMAIN_AFFECT_CONFIG.rawValue)
}

extension Domain {
    /// Its XML. Calls `virDomainGetXMLDesc`.
    public func xml(_ flags: DomainXMLFlags = [], deadline: Duration = .seconds(30)) async throws -> String {
        try await handle.call("virDomainGetXMLDesc", deadline) { domain, call in
            try call.string(virDomainGetXMLDesc(domain, flags.rawValue))
        }
    }

    /// Removes its configuration; a running domain runs on and is gone when it ends. Calls `virDomainUndefineFlags`.
    public func undefine(_ flags: UndefineFlags = [], deadline: Duration = .seconds(30)) async throws {
        try await act("virDomainUndefineFlags", deadline) { virDomainUndefineFlags($0, flags.rawValue) }
    }

    /// The element of a namespace from its metadata; nil if it has none. Calls `virDomainGetMetadata`.
    public func metadata(
        namespace: String, impact: ModificationImpact = .current, deadline: Duration = .seconds(30)
    ) async throws -> String? {
        try await handle.call("virDomainGetMetadata", deadline) { try Self.metadata($0, $1, namespace, impact) }
    }

    static func metadata(
        _ domain: OpaquePointer, _ call: Call, _ namespace: String, _ impact: ModificationImpact = .current
    ) throws(LibvirtError) -> String? {
        let kind = Int32(bitPattern: VIR_DOMAIN_METADATA_ELEMENT.rawValue)
        if let xml = virDomainGetMetadata(domain, kind, namespace, impact.rawValue) { return take(xml) }
        let error = call.failure()
        if error.code == .noDomainMetadata { return nil }
        throw error
    }

    /// Sets the element of a namespace in its metadata, or removes it. Calls `virDomainSetMetadata`.
    /// - Parameters:
    ///   - element: the XML of one element; nil removes it.
    ///   - prefix: the short name of the namespace in the domain's XML.
    ///   - namespace: the URI that names the owner of the element.
    public func setMetadata(
        _ element: String?, prefix: String, namespace: String, impact: ModificationImpact = .current,
        deadline: Duration = .seconds(30)
    ) async throws {
        try await handle.call("virDomainSetMetadata", deadline) { domain, call in
            let kind = Int32(bitPattern: VIR_DOMAIN_METADATA_ELEMENT.rawValue)
            // Removing takes no prefix.
            let key = element == nil ? nil : prefix
            _ = try call.check(virDomainSetMetadata(domain, kind, element, key, namespace, impact.rawValue))
        }
    }
}
