import Synchronization
import Testing
import VMModel
import VMTemplates
import VMTestSupport

@testable import VMCore

/// An inventory on a fake hypervisor, with a record of what it announces.
struct Rig {
    let fake: FakeHypervisor
    let inventory: Inventory
    let recorder: ChangeRecorder
    let manager: VMManager
    let templates: TestTemplates
    let logged = LogLines()
    let intents: MemoryIntents
    let seeds = FakeSeeds()

    /// - Parameters:
    ///   - vms: what there is before the inventory starts.
    ///   - intents: what an earlier process has noted.
    init(
        _ vms: VM..., events: FakeHypervisor.Events = .live, intents: [Intent] = [], isStarted: Bool = true
    ) async throws {
        fake = FakeHypervisor(events: events)
        self.intents = MemoryIntents(intents)
        for vm in vms { fake.put(vm) }
        inventory = Inventory(hypervisor: fake, executor: QueueExecutor())
        recorder = await ChangeRecorder(inventory)
        templates = try TestTemplates()
        manager = VMManager(
            inventory: inventory, hypervisor: fake, templates: templates.library, intents: self.intents, seeds: seeds,
            settling: .milliseconds(20)
        ) { [logged] in logged.add($0) }
        if isStarted { try await start() }
    }

    func start() async throws {
        try await within("the first listing") { [inventory] in await inventory.start() }
    }

    /// Waits until everything that was sent so far is taken in; reads that it caused may still be under way.
    func eventsAreTakenIn() async throws {
        let sentinel = VMUUID.random()
        fake.send(.changed(sentinel))
        try await eventually("an event to be taken in") { fake.calls.contains { $0.vm == sentinel } }
    }

    /// Waits until the inventory has nothing left to do.
    func settle() async throws {
        try await eventsAreTakenIn()
        try await eventually("the inventory to have nothing to do") { await inventory.isIdle }
    }

    /// Why a VM cannot be created; nil when it was.
    func failureCreating(_ request: CreateRequest) async -> VMError? {
        await failure { _ = try await manager.create(request, owner: 0) }
    }

    func vm(_ uuid: VMUUID) async -> VM? { await inventory.vm(uuid) }

    /// Whether the inventory says what there is.
    func isTrue() async -> Bool {
        let known = await Dictionary(uniqueKeysWithValues: inventory.vms.map { ($0.uuid, $0) })
        return known == fake.world.machines.mapValues(\.vm)
    }
}

/// What the core had to say beside its answers.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ line: String) {
        lines.withLock { $0.append(line) }
    }

    var all: [String] { lines.withLock { $0 } }
}

extension Inventory {
    var isIdle: Bool { refreshes.isEmpty && readers.isEmpty && changedDuringListing == nil }
}

/// A VM for a test.
func machine(_ name: String, _ state: VMState = .shutOff, reason: String = "", uuid: VMUUID = .random()) -> VM {
    VM(uuid: uuid, name: name, state: state, stateReason: reason, memoryMB: 1024, vcpus: 2)
}

/// The code and message of what is thrown.
func failure(_ body: () async throws -> Void) async -> VMError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? VMError ?? VMError(.failed, "unexpected \(error)")
    }
}

extension VMTurns {
    func numberWaiting(for uuid: VMUUID) -> Int { waiting[uuid]?.count ?? 0 }
    var isEmpty: Bool { waiting.isEmpty }
}
