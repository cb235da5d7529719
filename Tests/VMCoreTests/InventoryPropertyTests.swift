import Testing
import VMModel
import VMTestSupport

@testable import VMCore

/// Whatever the order in which events and answers arrive, the inventory ends at what there is, and tells a path that was gone.
@Suite(.timeLimit(.minutes(3))) struct InventoryPropertyTests {
    static let states: [VMState] = [.running, .paused, .shutOff, .crashed, .suspended, .shuttingDown]

    /// The moves that both properties make, on a hypervisor whose events wait until they are delivered.
    struct Play {
        let rig: Rig
        var generator: SeededGenerator
        var gates: [Gate] = []
        var refreshes: [Task<Void, any Error>] = []

        init(_ rig: Rig, seed: UInt64) {
            self.rig = rig
            generator = SeededGenerator(seed: seed)
        }

        mutating func read(_ uuid: VMUUID, heldAt moment: FakeHypervisor.Moment?) {
            if let moment { gates.append(rig.fake.hold(.readVM, uuid, moment)) }
            refreshes.append(Task { [rig] in try await rig.inventory.refresh(uuid) })
        }

        mutating func openOne() {
            guard let index = gates.indices.randomElement(using: &generator) else { return }
            gates.remove(at: index).open()
        }

        /// Lets the inventory work on what has come in.
        func breathe() async {
            for _ in 0..<3 {
                _ = await rig.inventory.status
                await Task.yield()
            }
        }

        mutating func finish() async throws {
            for gate in gates { gate.open() }
            while rig.fake.deliverNext() {}
            for refresh in refreshes { _ = try? await refresh.value }
            try await rig.settle()
        }
    }

    @Test(arguments: UInt64(0)..<150)
    func statesAreToldInAnOrderThatTheyHad(seed: UInt64) async throws {
        let vms = [machine("a"), machine("b", .running), machine("c", .paused)]
        let rig = try await Rig(vms[0], vms[1], vms[2], events: .queued)
        var play = Play(rig, seed: seed)
        var history = Dictionary(uniqueKeysWithValues: vms.map { ($0.uuid, [$0.state]) })
        for _ in 0..<80 {
            guard let vm = vms.randomElement(using: &play.generator) else { break }
            switch UInt8.random(in: 0..<10, using: &play.generator) {
            case 0..<4:
                guard let state = Self.states.randomElement(using: &play.generator), history[vm.uuid]?.last != state
                else { continue }
                history[vm.uuid]?.append(state)
                rig.fake.transition(vm.uuid, to: state)
            case 4..<6: rig.fake.deliverNext()
            case 6: play.read(vm.uuid, heldAt: .after)
            case 7: play.read(vm.uuid, heldAt: .before)
            case 8: play.read(vm.uuid, heldAt: nil)
            default: play.openOne()
            }
            await play.breathe()
        }
        try await play.finish()
        #expect(await rig.isTrue())
        for vm in vms {
            let told = rig.recorder.states(of: vm.uuid)
            let had = try #require(history[vm.uuid])
            #expect(Self.isPath(told, through: had), "told \(told), had \(had)")
            #expect(Self.isChain(rig.recorder.of(vm.uuid)))
        }
    }

    @Test(arguments: UInt64(1000)..<1100)
    func comingAndGoingEndsAtWhatThereIs(seed: UInt64) async throws {
        let uuids = (0..<4).map { _ in VMUUID.random() }
        let rig = try await Rig(machine("first", uuid: uuids[0]), events: .queued)
        var play = Play(rig, seed: seed)
        for step in 0..<80 {
            guard let uuid = uuids.randomElement(using: &play.generator) else { break }
            switch UInt8.random(in: 0..<20, using: &play.generator) {
            case 0..<4:
                rig.fake.put(machine("step \(step)", uuid: uuid))
                rig.fake.queue(.changed(uuid))
            case 4..<7:
                rig.fake.change { $0.machines[uuid] = nil }
                rig.fake.queue(.undefined(uuid))
            case 7..<10: rig.fake.transition(uuid, to: Self.states.randomElement(using: &play.generator) ?? .running)
            case 10..<14: rig.fake.deliverNext()
            case 14: play.read(uuid, heldAt: .after)
            case 15: play.read(uuid, heldAt: .before)
            case 16: rig.fake.disconnect()
            case 17:
                if Bool.random(using: &play.generator) { play.gates.append(rig.fake.hold(.listVMs, nil, .after)) }
                rig.fake.connect()
            default: play.openOne()
            }
            await play.breathe()
        }
        rig.fake.connect(version: "last")
        try await play.finish()
        try await eventually("the last connection") { await rig.inventory.status.version == "last" }
        try await rig.settle()
        #expect(await rig.isTrue())
        for uuid in uuids { #expect(Self.isChain(rig.recorder.of(uuid))) }
        for vm in await rig.inventory.vms { #expect(try await rig.inventory.vm(named: vm.name) == vm) }
    }

    /// Whether all that was told was so, in that order, from the first to the last.
    private static func isPath(_ told: [VMState], through had: [VMState]) -> Bool {
        var rest = had[...]
        for state in told {
            guard let index = rest.firstIndex(of: state) else { return false }
            rest = rest[(index + 1)...]
        }
        return told.first == had.first && told.last == had.last
    }

    /// Whether each announcement begins where the one before ended, and tells of a difference.
    private static func isChain(_ changes: [InventoryChange]) -> Bool {
        var shown: VM?
        for change in changes {
            switch change {
            case .added where shown != nil: return false
            case .changed(let old, let new) where old != shown || old == new: return false
            case .removed(let vm) where vm != shown: return false
            case .added, .changed, .removed, .hypervisor: shown = change.shown
            }
        }
        return true
    }
}
