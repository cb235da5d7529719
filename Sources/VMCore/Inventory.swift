public import VMModel

/// Every VM's properties, held in memory and kept true by the hypervisor's events.
///
/// It lives on the executor it is given, so that whoever shares that executor (the bus) reads it without waiting. Reads never reach
/// libvirt. Two things write: events, and this inventory's own reads of the hypervisor. Each VM counts what was applied to it; a read
/// that began before the last of these may be older than what is known, and is made again: an old answer never undoes a newer event.
public actor Inventory {
    struct Entry {
        var vm: VM
        /// While true the VM is being made: what the hypervisor says of it is not shown yet.
        var isCreating = false
        /// States that reads showed before the events that tell of them came, oldest first: until those have come, what an event
        /// says is older than what is shown.
        var statesAheadOfEvents: [VMState] = []
        /// What the last event said, where not it is shown but the read that it caused.
        var heard = Heard.nothing
    }

    enum Heard: Equatable {
        case nothing
        case state(VMState)
        /// That it changed, not to what.
        case change
    }

    /// What happened to a VM while somebody reads it.
    struct Readers {
        var count = 0
        var changes: UInt64 = 0
    }

    struct Waiter {
        let uuid: VMUUID
        let isDone: @Sendable (VM?) -> Bool
        let continuation: CheckedContinuation<Bool, Never>
    }

    let hypervisor: any Hypervisor
    let log: @Sendable (String) -> Void
    var entries: [VMUUID: Entry] = [:]
    var readers: [VMUUID: Readers] = [:]
    /// The VMs that changed while a listing is under way; nil when none is.
    var changedDuringListing: Set<VMUUID>?
    /// Which connection the hypervisor is on: the listing of one that is lost since is dropped.
    var connection: UInt64 = 0
    /// Why there is no connection, as it was logged last; nil while there is one, and at the beginning.
    var lossReason: String?
    /// VMs with a read in the background, and whether another must follow it.
    var refreshes: [VMUUID: Bool] = [:]
    var waiters: [UInt64: Waiter] = [:]
    var lastWaiter: UInt64 = 0
    var hasEndedWaits = false
    var connectionWaiters: [CheckedContinuation<Void, Never>] = []
    /// The jobs that work on a VM, the oldest of which is shown.
    private var jobs: [VMUUID: [JobID]] = [:]

    let executor: any InventoryExecutor
    private var uuidsByName: [NameBytes: Set<VMUUID>] = [:]
    private var observers: [@Sendable (InventoryChange) -> Void] = []

    /// Whether there is a connection, and to what.
    public internal(set) var status = HypervisorStatus(isConnected: false, version: "") {
        didSet { if status != oldValue { announce(.hypervisor(status)) } }
    }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameter log: told what could not be read, one line each.
    public init(
        hypervisor: any Hypervisor, executor: any InventoryExecutor,
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.hypervisor = hypervisor
        self.executor = executor
        self.log = log
    }

    // MARK: Reading

    /// Every VM, in no particular order.
    public var vms: [VM] { entries.values.map(\.vm) }

    public func vm(_ uuid: VMUUID) -> VM? { entries[uuid]?.vm }

    /// The VM of that name, compared byte by byte.
    /// - Throws: `notFound`; `invalidArgument` when several foreign VMs appear under it, for then only the UUID tells them apart.
    public func vm(named name: String) throws(VMError) -> VM {
        let uuids = uuidsByName[NameBytes(name)] ?? []
        guard let uuid = uuids.first, let vm = entries[uuid]?.vm else {
            throw VMError(.notFound, "there is no VM of that name")
        }
        guard uuids.count == 1 else {
            throw VMError(.invalidArgument, "several VMs have that name; use the UUID")
        }
        return vm
    }

    /// Has each change told, in order, from now on; called on this inventory's executor and must not block.
    public func observe(_ observer: @escaping @Sendable (InventoryChange) -> Void) {
        observers.append(observer)
    }

    // MARK: Making VMs

    /// Takes name and UUID for a VM that is being made, which is listed as `creating` from here on.
    /// - Throws: `alreadyExists`, before anything is done, when either is taken.
    public func beginCreating(_ vm: VM) throws(VMError) {
        guard entries[vm.uuid] == nil else {
            throw VMError(.alreadyExists, "cannot create '\(vm.name)': there is a VM with that UUID")
        }
        guard uuidsByName[NameBytes(vm.name)] == nil else {
            throw VMError(.alreadyExists, "cannot create '\(vm.name)': there is a VM of that name")
        }
        store(Entry(vm: vm, isCreating: true))
    }

    /// The VM is made: from here on it is what the hypervisor says.
    public func endCreating(_ uuid: VMUUID) async {
        guard entries[uuid]?.isCreating == true else { return }
        entries[uuid]?.isCreating = false
        noteChange(uuid)
        do throws(VMError) {
            try await refresh(uuid)
        } catch {
            log("cannot read the new VM \(uuid) yet: \(error)")
            guard var entry = entries[uuid], entry.vm.state == .creating else { return }
            entry.vm.state = .unknown
            store(entry)
        }
    }

    /// Nothing was made of it: the VM is no longer listed.
    public func abandonCreating(_ uuid: VMUUID) {
        guard entries[uuid]?.isCreating == true else { return }
        remove(uuid)
    }

    // MARK: Jobs

    /// A job works on the VM from here on.
    func begin(_ job: JobID, on uuid: VMUUID) {
        jobs[uuid, default: []].append(job)
        showJob(of: uuid)
    }

    func end(_ job: JobID, on uuid: VMUUID) {
        jobs[uuid]?.removeAll { $0 == job }
        if jobs[uuid]?.isEmpty == true { jobs[uuid] = nil }
        showJob(of: uuid)
    }

    private func showJob(of uuid: VMUUID) {
        guard let entry = entries[uuid], entry.vm.job != jobs[uuid]?.first else { return }
        store(entry)
    }

    // MARK: Writing

    /// Puts an entry in place of what is known, and tells the difference.
    func store(_ entry: Entry) {
        let uuid = entry.vm.uuid
        var entry = entry
        entry.vm.job = jobs[uuid]?.first
        noteChange(uuid)
        let old = entries.updateValue(entry, forKey: uuid)?.vm
        if let old {
            guard !old.isIdentical(to: entry.vm) else { return }
            if NameBytes(old.name) != NameBytes(entry.vm.name) {
                forgetName(of: old)
                uuidsByName[NameBytes(entry.vm.name), default: []].insert(uuid)
            }
            announce(.changed(from: old, to: entry.vm))
        } else {
            uuidsByName[NameBytes(entry.vm.name), default: []].insert(uuid)
            announce(.added(entry.vm))
        }
        resumeWaiters(for: uuid)
    }

    func remove(_ uuid: VMUUID) {
        noteChange(uuid)
        guard let entry = entries.removeValue(forKey: uuid) else { return }
        forgetName(of: entry.vm)
        announce(.removed(entry.vm))
        resumeWaiters(for: uuid)
    }

    /// Makes every read that is under way for this VM older than what is known.
    func noteChange(_ uuid: VMUUID) {
        readers[uuid]?.changes &+= 1
        changedDuringListing?.insert(uuid)
    }

    private func forgetName(of vm: VM) {
        let name = NameBytes(vm.name)
        uuidsByName[name]?.remove(vm.uuid)
        if uuidsByName[name]?.isEmpty == true { uuidsByName[name] = nil }
    }

    private func announce(_ change: InventoryChange) {
        for observer in observers { observer(change) }
    }
}

extension VM {
    /// Equal in every byte. Strings that differ in Unicode normalization alone are equal in Swift, but not for libvirt.
    fileprivate func isIdentical(to other: VM) -> Bool {
        self == other && NameBytes(name) == NameBytes(other.name) && NameBytes(template) == NameBytes(other.template)
            && NameBytes(osType) == NameBytes(other.osType)
    }
}

/// What an inventory lives on.
public protocol InventoryExecutor: SerialExecutor {
    /// Runs a closure in order with the jobs and the other closures.
    func execute(_ body: @escaping @Sendable () -> Void)
}

/// A difference between what the inventory said before and says now.
public enum InventoryChange: Hashable, Sendable {
    case added(VM)
    case changed(from: VM, to: VM)
    case removed(VM)
    case hypervisor(HypervisorStatus)
}

/// Whether the inventory has a connection behind it.
public struct HypervisorStatus: Hashable, Sendable {
    /// False until the first full listing, and after a loss until the next.
    public let isConnected: Bool
    /// Kind and version, of the last connection; empty before the first, and where libvirt finds no hypervisor.
    public let version: String

    public init(isConnected: Bool, version: String) {
        self.isConnected = isConnected
        self.version = version
    }
}
