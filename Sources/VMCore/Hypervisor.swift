public import VMModel

/// What runs the VMs, seen from the rules: everything that `VMCore` asks of libvirt, and nothing else.
///
/// The adapter on libvirt is `LibvirtHypervisor`; tests have one of their own. Every call leaves the caller's thread at once, ends at a
/// deadline of its own, and throws `VMError` with the library's numbers as `cause`: `hypervisorUnavailable` while there is no
/// connection, `notFound` for a VM that is gone, `timeout` at the deadline. Its messages are for the caller: they carry no paths
/// and none of libvirt's words, which go into `cause`.
public protocol Hypervisor: Sendable {
    /// The URI as it was given, such as `qemu:///system`.
    var uri: String { get }

    /// Connects, and stays connected: after a loss it tries again by itself, with growing pauses, until `stop`.
    ///
    /// Returns after the first attempt, whatever its outcome, or when that is slow and `.disconnected` says so. `onEvent` is called in order, on a thread of the adapter, and must
    /// not block. `.connected` comes first after each connect, and no event of that connection before it; events are registered
    /// before `.connected`, so that what changes during the listing that follows is not missed.
    func start(onEvent: @escaping @Sendable (HypervisorEvent) -> Void) async

    /// Closes the connection and lets go of everything; no event comes afterwards.
    func stop() async

    // MARK: Reading

    /// Every VM, also those of other tools, in a number of calls to libvirt that hardly grows with their number.
    func listVMs() async throws(VMError) -> [VM]

    /// One VM as it is now; nil when there is none with that UUID.
    func readVM(_ uuid: VMUUID) async throws(VMError) -> VM?

    /// The UUID of the VM that has this name now; nil when there is none (`virDomainLookupByName`).
    func uuid(ofVMNamed name: String) async throws(VMError) -> VMUUID?

    /// The VM's definition as XML, without secrets (`virDomainGetXMLDesc`).
    func definition(of uuid: VMUUID) async throws(VMError) -> String

    /// The disks the VM's definition names, and which of them its metadata says that this service made.
    func disks(of uuid: VMUUID) async throws(VMError) -> [VMDisk]

    /// The VMs whose definitions, of now or of their next start, name this file in any place.
    func vmsUsing(disk path: String) async throws(VMError) -> [VMUUID]

    /// What the host can do, read from libvirt.
    func hostFacts() async throws(VMError) -> HostFacts

    /// What the host has for VMs. Changes nothing; ends in time also where libvirt hangs.
    /// - Parameter budget: for all of it together. What has not been said by then is nil.
    /// - Throws: `hypervisorUnavailable`, `timeout`: when not even the first question is answered.
    func survey(within budget: Duration) async throws(VMError) -> HostSurvey

    /// What the VM's next start takes of the host for itself.
    func resources(of uuid: VMUUID) async throws(VMError) -> HostResources

    /// The host's PCI devices at these addresses; those that do not exist are left out (`virNodeDeviceGetXMLDesc`).
    func pciDevices(at addresses: [PCIAddress]) async throws(VMError) -> [PCIDevice]

    /// What there is to be given to VMs, as it is now.
    func passthroughSupport() async throws(VMError) -> PassthroughSupport

    // MARK: Lifecycle

    /// Starts it (`virDomainCreate`).
    func start(_ uuid: VMUUID) async throws(VMError)
    /// Asks the guest to shut down (`virDomainShutdown`) and returns at once.
    func requestShutdown(_ uuid: VMUUID) async throws(VMError)
    /// Ends its process (`virDomainDestroy`).
    func destroy(_ uuid: VMUUID) async throws(VMError)
    /// Halts its processors (`virDomainSuspend`).
    func suspend(_ uuid: VMUUID) async throws(VMError)
    /// Lets its processors go on (`virDomainResume`).
    func resume(_ uuid: VMUUID) async throws(VMError)
    /// Wakes a guest that suspended itself (`virDomainPMWakeup`).
    func wakeUp(_ uuid: VMUUID) async throws(VMError)
    /// Asks the guest to reboot (`virDomainReboot`).
    func requestReboot(_ uuid: VMUUID) async throws(VMError)
    /// Presses the reset button (`virDomainReset`).
    func reset(_ uuid: VMUUID) async throws(VMError)
    /// Sets whether it starts with the host (`virDomainSetAutostart`).
    func setAutostart(_ uuid: VMUUID, _ autostart: Bool) async throws(VMError)

    // MARK: Making and removing

    /// Where a disk of that file name would be; changes nothing.
    func pathOfDisk(named fileName: String) async throws(VMError) -> String
    /// Whether there is something at that path of the pool for disks or of the library.
    func hasVolume(atPath path: String) async throws(VMError) -> Bool
    /// Makes an empty qcow2 image of that size in the pool for disks, which is made if it is absent.
    /// - Returns: its path. - Throws: `alreadyExists`, `noSpace`.
    func createDisk(named fileName: String, sizeBytes: UInt64) async throws(VMError) -> String
    /// Removes a disk of the pool for disks, or a medium. What is gone already is no error; what is in neither is `pathNotAllowed`.
    func deleteVolume(atPath path: String) async throws(VMError)

    // MARK: Importing

    /// What a file is that a caller handed over; ends in time also where the file's own system does not answer.
    func facts(of file: ImportFile) async throws(VMError) -> FileFacts
    /// Reads that many bytes of it from there. - Throws: `invalidArgument` when it ends before; `timeout`, `failed`.
    func read(_ file: ImportFile, at offset: UInt64, count: Int) async throws(VMError) -> [UInt8]
    /// The media in the library, as it is now; none where there is no library yet.
    func media() async throws(VMError) -> [Medium]
    /// Whether there is a medium of that name. The library is made if it is absent, and then has the files that are there already.
    func hasMedium(named name: String) async throws(VMError) -> Bool
    /// Where a medium of that name would be; changes nothing.
    func pathOfMedium(named name: String) async throws(VMError) -> String
    /// Makes a volume of zeros, which takes no space yet, in a pool that is made if it is absent. A medium is root's, and everybody
    /// may read it.
    /// - Parameters:
    ///   - sizeBytes: what a guest sees of it.
    ///   - contentBytes: what will be written into it.
    /// - Returns: its path. - Throws: `alreadyExists`; `noSpace` when there is not that much free.
    func createVolume(
        named fileName: String, in place: VolumePlace, format: ImageFormat, sizeBytes: UInt64, contentBytes: UInt64
    ) async throws(VMError) -> String
    /// Copies a file into a volume. Cancelling the task ends it; what is in the volume then is of no use.
    /// - Throws: `cancelled`, `noSpace`, `timeout` when the file gives nothing, `invalidArgument` when it has become shorter.
    func fill(
        _ fileName: String, in place: VolumePlace, with contents: ImportContents, progress: ImportProgress
    ) async throws(VMError)
    /// Gives a disk more room; what is in it stays. - Throws: `noSpace`.
    func growDisk(named fileName: String, toBytes sizeBytes: UInt64) async throws(VMError)

    // MARK: Networks and definitions

    /// Makes a network ready for use and gives its name: libvirt's `default`, started if need be; nil where there is none that can be had.
    func prepareNetwork() async throws(VMError) -> String?
    /// The network that `prepareNetwork` would give; changes nothing.
    func availableNetwork() async throws(VMError) -> String?
    /// Defines a VM (`virDomainDefineXMLFlags` with validation). - Throws: `alreadyExists`, `templateInvalid`, `hostUnsupported`.
    func define(_ xml: String) async throws(VMError) -> VMUUID
    /// Removes the definition with all that libvirt keeps for it: saved state, snapshot and checkpoint metadata, NVRAM, TPM state.
    func undefine(_ uuid: VMUUID) async throws(VMError)
    /// Gives a VM that runs on without a definition one again, as it runs.
    func restoreDefinition(_ uuid: VMUUID) async throws(VMError)
}

/// What the hypervisor tells unasked.
public enum HypervisorEvent: Hashable, Sendable {
    /// A connection is there, the first or a new one: everything may differ from before.
    case connected(HypervisorInfo)
    /// The connection is lost; the adapter is already trying to get another.
    case disconnected(reason: String)
    /// A transition that the event itself describes fully.
    case stateChanged(VMUUID, VMState, reason: String)
    /// Something about it changed that must be read to be known; also a definition that is new.
    case changed(VMUUID)
    /// The definition is gone. A VM that runs on stays until it stops.
    case undefined(VMUUID)
}

/// Who answers at the other end of the connection.
public struct HypervisorInfo: Hashable, Sendable {
    /// Kind and version for people, such as `QEMU 7.2.22`.
    public let version: String

    public init(version: String) {
        self.version = version
    }
}

/// A disk in a VM's definition.
public struct VMDisk: Hashable, Sendable {
    public let path: String
    /// Whether the VM's metadata names it as made by this service.
    public let isOwn: Bool

    public init(path: String, isOwn: Bool) {
        self.path = path
        self.isOwn = isOwn
    }
}

/// What the host can do.
public struct HostFacts: Hashable, Sendable {
    /// Whether libvirt reports KVM for x86_64 guests, which it does only where a guest can use it.
    public let kvmIsUsable: Bool
    /// The Hyper-V enlightenments that KVM guests can have here, by libvirt's names.
    public let hypervFeatures: [String]
    /// The most virtual CPUs a guest can have.
    public let maximumVCPUs: UInt32
    /// The host's memory, MiB.
    public let memoryMB: UInt64
    /// Who made the host's CPU, by libvirt's word, such as `AMD`.
    public let cpuVendor: String
    /// The numbers of the CPUs that are on line.
    public let onlineCPUs: Set<UInt32>

    public init(
        kvmIsUsable: Bool, hypervFeatures: [String], maximumVCPUs: UInt32, memoryMB: UInt64, cpuVendor: String,
        onlineCPUs: Set<UInt32>
    ) {
        self.kvmIsUsable = kvmIsUsable
        self.hypervFeatures = hypervFeatures
        self.maximumVCPUs = maximumVCPUs
        self.memoryMB = memoryMB
        self.cpuVendor = cpuVendor
        self.onlineCPUs = onlineCPUs
    }
}
