public import VMCore
public import VMModel

/// What there is behind a `FakeHypervisor`.
public struct World: Hashable, Sendable {
    public init() {}

    public struct Machine: Hashable, Sendable {
        public var vm: VM
        public var disks: [VMDisk]
        public var xml = "<domain/>"
        public var resources = HostResources()

        public init(vm: VM, disks: [VMDisk] = []) {
            self.vm = vm
            self.disks = disks
        }
    }

    public var machines: [VMUUID: Machine] = [:]
    /// Sizes in bytes, by path.
    public var disks: [String: UInt64] = [:]
    /// Sizes in bytes, by name.
    public var media: [String: UInt64] = [:]
    /// What was copied into disks and media, by path.
    public var contents: [String: [UInt8]] = [:]
    /// In each pool.
    public var freeBytes: UInt64 = 1 << 50
    /// What files say of themselves, if it is not the truth.
    public var pretendedFileSize: UInt64?
    public var network: String? = "default"
    public var facts = World.facts()
    public var survey = World.survey()
    public var pciDevices: [PCIDevice] = []
    public var support = PassthroughSupport(canGivePCIDevices: false, hugePagesMB: 0)
    /// What a guest does that is asked to shut down.
    public var guestShutsDown = true

    public static let pool = "/pool/"
    public static let library = "/library/"

    /// The name of the medium at a path of the library.
    static func medium(_ path: String) -> String? {
        path.hasPrefix(library) ? String(path.dropFirst(library.count)) : nil
    }

    /// What a host can do, but for what is said.
    public static func facts(
        kvmIsUsable: Bool = false, hypervFeatures: [String] = [], maximumVCPUs: UInt32 = 288,
        cpuVendor: String = "Intel",
        onlineCPUs: Set<UInt32> = [0, 1, 2, 3]
    ) -> HostFacts {
        HostFacts(
            kvmIsUsable: kvmIsUsable, hypervFeatures: hypervFeatures, maximumVCPUs: maximumVCPUs, memoryMB: 16384,
            cpuVendor: cpuVendor, onlineCPUs: onlineCPUs)
    }

    /// A host with everything.
    public static func survey() -> HostSurvey {
        var survey = HostSurvey()
        (survey.libvirtVersion, survey.hypervisor) = ("9.0.0", "QEMU 7.2.22")
        (survey.kvmIsUsable, survey.hasQ35, survey.hasTPMEmulator) = (true, true, true)
        (survey.firmware, survey.network, survey.diskPool) = (.enrolledKeys, .active, .active)
        (survey.freeDiskBytes, survey.memoryMB, survey.cpus) = (100 << 30, 16384, 8)
        (survey.hasIOMMU, survey.canGivePCIDevices) = (true, true)
        return survey
    }

    mutating func setState(_ uuid: VMUUID, _ state: VMState, _ reason: String) {
        machines[uuid]?.vm.state = state
        machines[uuid]?.vm.stateReason = reason
    }

    /// - Throws: `notFound`.
    func machine(_ uuid: VMUUID) throws(VMError) -> Machine {
        guard let machine = machines[uuid] else { throw VMError(.notFound, "it is gone") }
        return machine
    }

    /// As libvirt does: a name and a UUID that belong together are defined anew, and either alone is taken.
    mutating func define(_ xml: String) throws(VMError) -> VMUUID {
        guard let uuid = VMUUID(Self.text(in: xml, "<uuid>", "</uuid>") ?? ""),
            let name = Self.text(in: xml, "<name>", "</name>")
        else { throw VMError(.templateInvalid, "name or UUID is missing") }
        if let other = machines.values.first(where: { $0.vm.name == name }), other.vm.uuid != uuid {
            throw VMError(.alreadyExists, "the name is taken")
        }
        if let other = machines[uuid], other.vm.name != name { throw VMError(.alreadyExists, "the UUID is taken") }
        var vm = VM(uuid: uuid, name: name, state: .shutOff, stateReason: "unknown")
        vm.memoryMB = UInt64(Self.text(in: xml, "<memory unit='MiB'>", "</memory>") ?? "") ?? 0
        vm.vcpus = UInt32(Self.text(in: xml, "<vcpu>", "</vcpu>") ?? "") ?? 0
        vm.template = Self.text(in: xml, "<template>", "</template>") ?? ""
        vm.ownerUID = Self.text(in: xml, "<owner>", "</owner>").flatMap(UInt32.init)
        var machine = Machine(vm: vm)
        machine.xml = xml
        if let path = Self.text(in: xml, "<source file='", "'") { machine.disks = [VMDisk(path: path, isOwn: true)] }
        machines[uuid] = machine
        return uuid
    }

    private static func text(in xml: String, _ start: String, _ end: String) -> String? {
        guard let from = xml.utf8.firstRange(of: start.utf8)?.upperBound else { return nil }
        let rest = xml[from...]
        guard let to = rest.utf8.firstRange(of: end.utf8)?.lowerBound else { return nil }
        return String(rest[..<to])
    }
}
