import CLibvirt

extension LibvirtError {
    /// libvirt's error number. Open: numbers that this version of libvirt does not know are kept.
    ///
    /// The table is `virErrorNumber` in `libvirt/virterror.h`.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public let rawValue: Int32

        public init(rawValue: Int32) { self.rawValue = rawValue }

        init(_ value: virErrorNumber) { rawValue = Int32(bitPattern: value.rawValue) }

        /// No error. `VIR_ERR_OK`
        public static let ok = Code(VIR_ERR_OK)
        /// A failure inside libvirt, often a dead connection. `VIR_ERR_INTERNAL_ERROR`
        public static let internalError = Code(VIR_ERR_INTERNAL_ERROR)
        /// Out of memory. `VIR_ERR_NO_MEMORY`
        public static let noMemory = Code(VIR_ERR_NO_MEMORY)
        /// The driver has no such function. `VIR_ERR_NO_SUPPORT`
        public static let noSupport = Code(VIR_ERR_NO_SUPPORT)
        /// No connection, or no driver for this URI. `VIR_ERR_NO_CONNECT`
        public static let noConnect = Code(VIR_ERR_NO_CONNECT)
        /// The connection handle is not valid. `VIR_ERR_INVALID_CONN`
        public static let invalidConnection = Code(VIR_ERR_INVALID_CONN)
        /// An argument is not valid. `VIR_ERR_INVALID_ARG`
        public static let invalidArgument = Code(VIR_ERR_INVALID_ARG)
        /// The operation failed. `VIR_ERR_OPERATION_FAILED`
        public static let operationFailed = Code(VIR_ERR_OPERATION_FAILED)
        /// The operation is forbidden, as on a read-only connection. `VIR_ERR_OPERATION_DENIED`
        public static let operationDenied = Code(VIR_ERR_OPERATION_DENIED)
        /// A part of the XML is wrong. `VIR_ERR_XML_ERROR`
        public static let xmlError = Code(VIR_ERR_XML_ERROR)
        /// A domain of that name or UUID exists. `VIR_ERR_DOM_EXIST`
        public static let domExist = Code(VIR_ERR_DOM_EXIST)
        /// The daemon could not be reached or hung up. `VIR_ERR_SYSTEM_ERROR`
        public static let systemError = Code(VIR_ERR_SYSTEM_ERROR)
        /// The remote procedure call failed. `VIR_ERR_RPC`
        public static let rpc = Code(VIR_ERR_RPC)
        /// Authentication failed. `VIR_ERR_AUTH_FAILED`
        public static let authFailed = Code(VIR_ERR_AUTH_FAILED)
        /// Authentication was cancelled. `VIR_ERR_AUTH_CANCELLED`
        public static let authCancelled = Code(VIR_ERR_AUTH_CANCELLED)
        /// No authentication agent. `VIR_ERR_AUTH_UNAVAILABLE`
        public static let authUnavailable = Code(VIR_ERR_AUTH_UNAVAILABLE)
        /// libvirt's access control refused. `VIR_ERR_ACCESS_DENIED`
        public static let authDenied = Code(VIR_ERR_ACCESS_DENIED)
        /// There is no such domain. `VIR_ERR_NO_DOMAIN`
        public static let noDomain = Code(VIR_ERR_NO_DOMAIN)
        /// There is no such network. `VIR_ERR_NO_NETWORK`
        public static let noNetwork = Code(VIR_ERR_NO_NETWORK)
        /// There is no such device of the host. `VIR_ERR_NO_NODE_DEVICE`
        public static let noNodeDevice = Code(VIR_ERR_NO_NODE_DEVICE)
        /// A network of that name exists. `VIR_ERR_NETWORK_EXIST`
        public static let networkExist = Code(VIR_ERR_NETWORK_EXIST)
        /// There is no such storage pool. `VIR_ERR_NO_STORAGE_POOL`
        public static let noStoragePool = Code(VIR_ERR_NO_STORAGE_POOL)
        /// There is no such volume. `VIR_ERR_NO_STORAGE_VOL`
        public static let noStorageVol = Code(VIR_ERR_NO_STORAGE_VOL)
        /// A volume of that name exists. `VIR_ERR_STORAGE_VOL_EXIST`
        public static let storageVolExist = Code(VIR_ERR_STORAGE_VOL_EXIST)
        /// The pool was already built. `VIR_ERR_STORAGE_POOL_BUILT`
        public static let storagePoolBuilt = Code(VIR_ERR_STORAGE_POOL_BUILT)
        /// The object is not in the state that the operation needs. `VIR_ERR_OPERATION_INVALID`
        public static let operationInvalid = Code(VIR_ERR_OPERATION_INVALID)
        /// Another job held the object for too long. `VIR_ERR_OPERATION_TIMEOUT`
        public static let operationTimeout = Code(VIR_ERR_OPERATION_TIMEOUT)
        /// The operation was aborted. `VIR_ERR_OPERATION_ABORTED`
        public static let operationAborted = Code(VIR_ERR_OPERATION_ABORTED)
        /// The hypervisor cannot do what the configuration asks for. `VIR_ERR_CONFIG_UNSUPPORTED`
        public static let configUnsupported = Code(VIR_ERR_CONFIG_UNSUPPORTED)
        /// An argument is understood but not supported. `VIR_ERR_ARGUMENT_UNSUPPORTED`
        public static let argumentUnsupported = Code(VIR_ERR_ARGUMENT_UNSUPPORTED)
        /// The XML does not match its schema. `VIR_ERR_XML_INVALID_SCHEMA`
        public static let xmlInvalidSchema = Code(VIR_ERR_XML_INVALID_SCHEMA)
        /// The XML is understood but wrong. `VIR_ERR_XML_DETAIL`
        public static let xmlDetail = Code(VIR_ERR_XML_DETAIL)
        /// The domain has no metadata of that kind. `VIR_ERR_NO_DOMAIN_METADATA`
        public static let noDomainMetadata = Code(VIR_ERR_NO_DOMAIN_METADATA)
        /// There is no such snapshot. `VIR_ERR_NO_DOMAIN_SNAPSHOT`
        public static let noDomainSnapshot = Code(VIR_ERR_NO_DOMAIN_SNAPSHOT)
        /// The guest agent does not answer. `VIR_ERR_AGENT_UNRESPONSIVE`
        public static let agentUnresponsive = Code(VIR_ERR_AGENT_UNRESPONSIVE)
        /// The guest agent is still busy with an earlier command. `VIR_ERR_AGENT_UNSYNCED`
        public static let agentUnsynced = Code(VIR_ERR_AGENT_UNSYNCED)
        /// The resource is in use. `VIR_ERR_RESOURCE_BUSY`
        public static let resourceBusy = Code(VIR_ERR_RESOURCE_BUSY)
        /// A device is missing. `VIR_ERR_DEVICE_MISSING`
        public static let deviceMissing = Code(VIR_ERR_DEVICE_MISSING)
    }

    /// The part of libvirt that reported an error. Open, as ``Code`` is; the table is `virErrorDomain`.
    public struct Source: RawRepresentable, Sendable, Hashable {
        public let rawValue: Int32

        public init(rawValue: Int32) { self.rawValue = rawValue }

        init(_ value: virErrorDomain) { rawValue = Int32(bitPattern: value.rawValue) }

        /// None stated. `VIR_FROM_NONE`
        public static let none = Source(VIR_FROM_NONE)
        /// The RPC layer. `VIR_FROM_RPC`
        public static let rpc = Source(VIR_FROM_RPC)
        /// The remote driver. `VIR_FROM_REMOTE`
        public static let remote = Source(VIR_FROM_REMOTE)
        /// The test driver. `VIR_FROM_TEST`
        public static let test = Source(VIR_FROM_TEST)
        /// The QEMU driver. `VIR_FROM_QEMU`
        public static let qemu = Source(VIR_FROM_QEMU)
        /// The domain configuration. `VIR_FROM_DOMAIN`
        public static let domain = Source(VIR_FROM_DOMAIN)
        /// The storage driver. `VIR_FROM_STORAGE`
        public static let storage = Source(VIR_FROM_STORAGE)
        /// The network driver. `VIR_FROM_NETWORK`
        public static let network = Source(VIR_FROM_NETWORK)
        /// The XML parser. `VIR_FROM_XML`
        public static let xml = Source(VIR_FROM_XML)
        /// polkit. `VIR_FROM_POLKIT`
        public static let polkit = Source(VIR_FROM_POLKIT)
    }

    /// How bad an error is; the table is `virErrorLevel`.
    public struct Level: RawRepresentable, Sendable, Hashable {
        public let rawValue: Int32

        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// No error. `VIR_ERR_NONE`
        public static let none = Level(rawValue: 0)
        /// A warning. `VIR_ERR_WARNING`
        public static let warning = Level(rawValue: 1)
        /// An error. `VIR_ERR_ERROR`
        public static let error = Level(rawValue: 2)
    }
}
