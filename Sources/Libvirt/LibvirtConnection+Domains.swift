import CLibvirt
import Glibc

/// Which domains to list. `virConnectListAllDomainsFlags`
///
/// Flags of one group (state, persistence, autostart, …) widen the choice, those of several groups narrow it; none
/// means all.
public struct DomainFilter: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    private init(_ flag: virConnectListAllDomainsFlags) { rawValue = flag.rawValue }

    public static let active = DomainFilter(VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    public static let inactive = DomainFilter(VIR_CONNECT_LIST_DOMAINS_INACTIVE)
    public static let persistent = DomainFilter(VIR_CONNECT_LIST_DOMAINS_PERSISTENT)
    public static let transient = DomainFilter(VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
    public static let running = DomainFilter(VIR_CONNECT_LIST_DOMAINS_RUNNING)
    public static let paused = DomainFilter(VIR_CONNECT_LIST_DOMAINS_PAUSED)
    public static let shutOff = DomainFilter(VIR_CONNECT_LIST_DOMAINS_SHUTOFF)
    /// Neither running, paused nor shut off.
    public static let otherState = DomainFilter(VIR_CONNECT_LIST_DOMAINS_OTHER)
    public static let managedSave = DomainFilter(VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    public static let noManagedSave = DomainFilter(VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE)
    public static let autostart = DomainFilter(VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
    public static let noAutostart = DomainFilter(VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART)
    public static let snapshots = DomainFilter(VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT)
    public static let noSnapshots = DomainFilter(VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT)
}

extension LibvirtConnection {
    /// The domains that match, in one call. Calls `virConnectListAllDomains`.
    public func domains(_ filter: DomainFilter = [], deadline: Duration = .seconds(30)) async throws -> [Domain] {
        try await core.call("virConnectListAllDomains", deadline: deadline) { [core] connection, call in
            try takeList(call) { virConnectListAllDomains(connection, $0, filter.rawValue) }
                // A handle that fails frees its own reference; the others are owned by then or in the next turn.
                .map { pointer in Result { try Domain(owning: pointer, core: core, call: call) } }
                .map { try $0.get() }
        }
    }

    /// The identities of the domains that match, without handles: a flag of all domains for one call. Calls
    /// `virConnectListAllDomains`.
    public func domainUUIDs(
        _ filter: DomainFilter = [], deadline: Duration = .seconds(30)
    ) async throws -> Set<DomainUUID> {
        try await core.call("virConnectListAllDomains", deadline: deadline) { connection, call in
            let pointers = try takeList(call) { virConnectListAllDomains(connection, $0, filter.rawValue) }
            defer { for pointer in pointers { virDomainFree(pointer) } }
            return Set(pointers.compactMap { identity(of: $0)?.uuid })
        }
    }

    /// The domain with this identity.
    /// - Throws: `LibvirtError` `.noDomain`. Calls `virDomainLookupByUUID`.
    public func domain(uuid: DomainUUID, deadline: Duration = .seconds(30)) async throws -> Domain {
        try await domain("virDomainLookupByUUID", uuid.description, deadline) { virDomainLookupByUUID($0, uuid.bytes) }
    }

    /// The domain with this name, given as bytes: names need not be UTF-8.
    /// - Throws: `LibvirtError` `.noDomain`, also for a name with a zero byte. Calls `virDomainLookupByName`.
    public func domain(nameBytes: [UInt8], deadline: Duration = .seconds(30)) async throws -> Domain {
        let label = String(decoding: nameBytes, as: UTF8.self)
        let name = try cString(nameBytes, .noDomain, "virDomainLookupByName", label)
        return try await domain("virDomainLookupByName", label, deadline) { virDomainLookupByName($0, name) }
    }

    /// The domain with this name.
    /// - Throws: `LibvirtError` `.noDomain`. Calls `virDomainLookupByName`.
    public func domain(name: String, deadline: Duration = .seconds(30)) async throws -> Domain {
        try await domain(nameBytes: Array(name.utf8), deadline: deadline)
    }

    /// Gives a domain its configuration: a new one, or another for one that exists with the same name and UUID.
    ///
    /// - Parameters:
    ///   - validate: checks the XML against libvirt's schema first.
    ///   - name: the domain's name, for errors.
    /// - Throws: `LibvirtError` `.domExist`, `.xmlInvalidSchema`, `.xmlError`, `.configUnsupported`.
    ///   Calls `virDomainDefineXMLFlags`.
    public func defineDomain(
        xml: String, validate: Bool = true, name: String? = nil, deadline: Duration = .seconds(30)
    ) async throws -> Domain {
        let flags = validate ? VIR_DOMAIN_DEFINE_VALIDATE.rawValue : 0
        return try await domain("virDomainDefineXMLFlags", name, deadline) { virDomainDefineXMLFlags($0, xml, flags) }
    }

    /// Starts a domain that has no configuration and is gone when it ends.
    /// - Throws: `LibvirtError`, as ``defineDomain(xml:validate:name:deadline:)``. Calls `virDomainCreateXML`.
    public func createTransientDomain(
        xml: String, paused: Bool = false, name: String? = nil, deadline: Duration = .seconds(30)
    ) async throws -> Domain {
        let flags = paused ? VIR_DOMAIN_START_PAUSED.rawValue : 0
        return try await domain("virDomainCreateXML", name, deadline) { virDomainCreateXML($0, xml, flags) }
    }

    private func domain(
        _ operation: String, _ object: String?, _ deadline: Duration,
        _ body: @escaping @Sendable (OpaquePointer) -> OpaquePointer?
    ) async throws -> Domain {
        try await core.call(operation, object: object, deadline: deadline) { [core] connection, call in
            try Domain(owning: call.check(body(connection)), core: core, call: call)
        }
    }
}

/// Takes over a list that libvirt made: the references are the caller's, the array is freed here.
func takeList(
    _ call: Call, _ list: (UnsafeMutablePointer<UnsafeMutablePointer<OpaquePointer?>?>) -> Int32
) throws -> [OpaquePointer] {
    var array: UnsafeMutablePointer<OpaquePointer?>?
    let count = try call.check(list(&array))
    defer { free(array) }
    return UnsafeBufferPointer(start: array, count: Int(count)).compactMap(\.self)
}

/// The bytes as a C string.
/// - Throws: an error of that code if they have a zero byte: libvirt has no such name, and would read a shorter one.
func cString(
    _ bytes: [UInt8], _ code: LibvirtError.Code, _ operation: String, _ object: String
) throws -> [CChar] {
    guard !bytes.contains(0) else {
        throw LibvirtError(code: code, message: "a name cannot have a zero byte", operation: operation, object: object)
    }
    return bytes.map { CChar(bitPattern: $0) } + [0]
}
