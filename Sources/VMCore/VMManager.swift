import Synchronization
import VMModel
public import VMTemplates

/// What can be done with VMs, with the rules for each: the one place that decides.
///
/// Each operation checks the state, does its work in the VM's turn, and returns when the inventory shows the result. Who may do it was
/// decided before it is called.
public final class VMManager: Sendable {
    public let inventory: Inventory
    public let templates: TemplateLibrary
    /// What takes time, as it can be watched and cancelled.
    public let jobs: Jobs
    let hypervisor: any Hypervisor
    let intents: any IntentStore
    let seeds: any SeedBuilder
    let turns = VMTurns()
    let creations = JobLane(width: 4)
    /// Of files that are handed over. One user does not take all places, because each may be taken for long.
    let copies = JobLane(width: 4, perUser: 3)
    let claims = MediaClaims()
    /// The VMs of which it is not known whether they are removed; if so, their volumes follow.
    let openDeletions = Mutex<Set<VMUUID>>([])
    /// How long libvirt may be at a call after its caller has gone.
    let settling: Duration
    private let isEnding = Atomic(false)
    let log: @Sendable (String) -> Void

    /// - Parameters:
    ///   - intents: where it is noted what must not stay half done.
    ///   - seeds: makes the media for cloud-init.
    ///   - settling: how long libvirt may be at a call after its caller has gone.
    ///   - log: told what the caller is not told, one line each: causes of failures, and what was left behind.
    public init(
        inventory: Inventory, hypervisor: any Hypervisor, templates: TemplateLibrary, intents: any IntentStore,
        seeds: any SeedBuilder, settling: Duration = .seconds(5),
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.inventory = inventory
        jobs = Jobs(inventory: inventory, log: log)
        self.hypervisor = hypervisor
        self.intents = intents
        self.seeds = seeds
        self.settling = settling
        self.templates = templates
        self.log = log
    }

    /// Has the inventory take in a VM of that name which another tool made or renamed a moment ago, and of which it has not
    /// heard yet.
    public func lookForVM(named name: String) async {
        // A name that no VM of this service can have is not worth a call, whoever sends it.
        guard (try? VMName(name)) != nil, let uuid = try? await hypervisor.uuid(ofVMNamed: name) else { return }
        await showResult(uuid)
    }

    /// Takes on nothing new and ends every wait for a guest, because the service is about to end. What is being made or removed is
    /// finished all the same, and waited for; what is being copied is given up.
    public func end(within limit: Duration = .seconds(25)) async {
        isEnding.store(true, ordering: .relaxed)
        await inventory.endWaits()
        await jobs.finish(atMost: limit)
    }

    /// - Throws: `cancelled` when the service is about to end.
    func checkGoesOn(_ operation: String, _ name: String) throws(VMError) {
        guard !isEnding.load(ordering: .relaxed) else {
            throw VMError(.cancelled, "cannot \(operation) '\(name)': the service is just ending; try again")
        }
    }

    // MARK: What the operations share

    /// The VM as it is known, when it may be changed now.
    /// - Throws: `hypervisorUnavailable` without a connection; `notFound`.
    func changeableVM(_ uuid: VMUUID, _ operation: String) async throws(VMError) -> VM {
        let known = await inventory.vm(uuid)
        guard await inventory.status.isConnected else {
            let name = known.map { "'\($0.name)'" } ?? "the VM"
            throw VMError(
                .hypervisorUnavailable,
                "cannot \(operation) \(name): there is no connection to libvirt at present; try again later")
        }
        guard let vm = known else {
            throw VMError(.notFound, "cannot \(operation) the VM: it does not exist any more")
        }
        try checkGoesOn(operation, vm.name)
        return vm
    }

    /// The same for an operation that needs certain states. What another tool did a moment ago may not be known yet, so the VM is
    /// read before it is refused.
    func changeableVM(
        _ uuid: VMUUID, _ operation: String, if isAllowed: (VMState) -> Bool
    ) async throws(VMError) -> VM {
        let vm = try await changeableVM(uuid, operation)
        guard !isAllowed(vm.state), vm.state != .creating else { return vm }
        try await inventory.refresh(uuid)
        return try await changeableVM(uuid, operation)
    }

    /// Changes a VM in its turn, if its state allows it, and returns when the inventory shows the result.
    func change(
        _ uuid: VMUUID, _ operation: String, if isAllowed: @Sendable (VMState) -> Bool,
        _ body: @escaping @Sendable (VM) async throws(VMError) -> Void
    ) async throws(VMError) {
        try await turns.withTurn(for: uuid, operation) { () async throws(VMError) in
            let vm = try await self.changeableVM(uuid, operation, if: isAllowed)
            guard isAllowed(vm.state) else { throw Self.wrongState(vm, operation) }
            do throws(VMError) {
                try await body(vm)
            } catch {
                try? await self.inventory.refresh(uuid)
                // Somebody else was faster: what libvirt says then is anything.
                if error.code == .failed, let now = await self.inventory.vm(uuid), !isAllowed(now.state) {
                    throw Self.wrongState(now, operation)
                }
                throw error.saying("cannot \(operation) '\(vm.name)'")
            }
            await self.showResult(uuid)
        }
    }

    /// Has the inventory show what an operation did. What was done is no failure because its result cannot be read just now.
    func showResult(_ uuid: VMUUID) async {
        do throws(VMError) {
            try await inventory.refresh(uuid)
        } catch {
            log("cannot read VM \(uuid) after changing it: \(error)")
        }
    }

    static func wrongState(_ vm: VM, _ operation: String, _ wayOut: String = "") -> VMError {
        VMError(.invalidState, "cannot \(operation) '\(vm.name)': it is \(vm.state.rawValue)\(wayOut)")
    }
}

extension VMError {
    /// The same failure with the operation and the VM in front of the reason.
    func saying(_ what: String) -> VMError {
        message.hasPrefix("cannot ") ? self : VMError(code, "\(what): \(message)", cause: cause)
    }
}
