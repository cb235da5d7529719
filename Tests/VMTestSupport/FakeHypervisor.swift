import Synchronization
public import VMCore
public import VMModel

/// A hypervisor in memory with a script: it holds calls at gates, fails where it is told to, and sends events live or by hand.
public final class FakeHypervisor: Hypervisor {
    /// Whether what happens is told at once, kept until the test delivers it, or not told.
    public enum Events: Sendable { case live, queued, silent }

    /// A call that arrived, in the order of arrival.
    public struct Call: Hashable, Sendable, CustomStringConvertible {
        public let step: Step
        public let vm: VMUUID?
        public let detail: String

        public var description: String { "\(step.rawValue) \(vm?.description ?? "")\(detail)" }
    }

    struct Rule {
        let step: Step
        let vm: VMUUID?
        let moment: Moment
        var timesLeft: Int
        /// How many calls come before the first that it is for.
        var skips = 0
        let gate: Gate?
        let error: VMError?
    }

    struct State {
        var world = World()
        var rules: [Rule] = []
        var calls: [Call] = []
        var events = Events.live
        var pending: [HypervisorEvent] = []
        var isConnected = true
        var handler: (@Sendable (HypervisorEvent) -> Void)?

        /// Tells what happened, in the way that is asked for.
        mutating func tell(_ event: HypervisorEvent) {
            switch events {
            case .live: handler?(event)
            case .queued: pending.append(event)
            case .silent: break
            }
        }
    }

    public let uri = "fake:///test"
    let state = Mutex(State())

    public init(events: Events = .live) {
        state.withLock { $0.events = events }
    }

    // MARK: The script

    /// Holds the next calls of a step, before or after they take effect, at the gate that is returned.
    public func hold(_ step: Step, _ vm: VMUUID? = nil, _ moment: Moment = .before, times: Int = 1) -> Gate {
        let gate = Gate()
        add(Rule(step: step, vm: vm, moment: moment, timesLeft: times, gate: gate, error: nil))
        return gate
    }

    /// Has the next calls of a step fail, after some that go well, before or after they take effect.
    public func fail(
        _ step: Step, _ vm: VMUUID? = nil, with error: VMError, _ moment: Moment = .before, times: Int = 1,
        after skips: Int = 0
    ) {
        add(Rule(step: step, vm: vm, moment: moment, timesLeft: times, skips: skips, gate: nil, error: error))
    }

    private func add(_ rule: Rule) {
        state.withLock { $0.rules.append(rule) }
    }

    /// Sends an event, whatever the mode.
    public func send(_ event: HypervisorEvent) {
        state.withLock { $0.handler?(event) }
    }

    /// Tells of something in the way of the mode: at once, when the test delivers it, or not at all.
    public func queue(_ event: HypervisorEvent) {
        state.withLock { $0.tell(event) }
    }

    /// Delivers the oldest event that is kept; false when there is none.
    @discardableResult
    public func deliverNext() -> Bool {
        state.withLock { state in
            guard !state.pending.isEmpty else { return false }
            state.handler?(state.pending.removeFirst())
            return true
        }
    }

    /// Loses the connection: every call fails from here on, and events that were not delivered are lost.
    public func disconnect(_ reason: String = "gone") {
        state.withLock { state in
            state.isConnected = false
            state.pending = []
            state.handler?(.disconnected(reason: reason))
        }
    }

    /// Has a connection from here on.
    public func connect(version: String = "Fake 1.0") {
        state.withLock { state in
            state.isConnected = true
            state.handler?(.connected(HypervisorInfo(version: version)))
        }
    }

    /// Changes what there is behind the inventory's back; nothing is told.
    public func change(_ body: @Sendable (inout World) -> Void) {
        state.withLock { body(&$0.world) }
    }

    /// Puts a VM there; nothing is told.
    public func put(_ vms: VM..., disks: [VMDisk] = []) {
        state.withLock { state in
            for vm in vms { state.world.machines[vm.uuid] = World.Machine(vm: vm, disks: disks) }
        }
    }

    /// A VM goes from one state to another by itself, and that is told.
    public func transition(_ uuid: VMUUID, to vmState: VMState, reason: String = "") {
        state.withLock { state in
            guard state.world.machines[uuid] != nil else { return }
            state.world.machines[uuid]?.vm.state = vmState
            state.world.machines[uuid]?.vm.stateReason = reason
            state.tell(.stateChanged(uuid, vmState, reason: reason))
        }
    }

    // MARK: What the test looks at

    public var world: World { state.withLock { $0.world } }
    public var calls: [Call] { state.withLock { $0.calls } }
    /// The steps that were asked for and change something.
    public var changes: [Step] { calls.map(\.step).filter(\.isChange) }
    public var pendingEvents: Int { state.withLock { $0.pending.count } }

    public func forgetCalls() {
        state.withLock { $0.calls = [] }
    }

    // MARK: How a call goes

    func perform<Success: Sendable>(
        _ step: Step, _ vm: VMUUID? = nil, _ detail: String = "",
        _ body: @Sendable (inout State) throws(VMError) -> Success
    ) async throws(VMError) -> Success {
        let rules = arrive(Call(step: step, vm: vm, detail: detail))
        for rule in rules where rule.moment == .before {
            await rule.gate?.pass()
            if let error = rule.error { throw error }
        }
        let success = try state.withLock { (state: inout State) throws(VMError) -> Success in
            guard state.isConnected else {
                throw VMError(.hypervisorUnavailable, "there is no connection to libvirt at present")
            }
            return try body(&state)
        }
        for rule in rules where rule.moment == .after {
            await rule.gate?.pass()
            if let error = rule.error { throw error }
        }
        return success
    }

    private func arrive(_ call: Call) -> [Rule] {
        state.withLock { state in
            state.calls.append(call)
            var found: [Rule] = []
            for (index, rule) in state.rules.enumerated().reversed()
            where rule.step == call.step && (rule.vm == nil || rule.vm == call.vm) {
                guard rule.skips == 0 else {
                    state.rules[index].skips -= 1
                    continue
                }
                found.insert(rule, at: 0)
                state.rules[index].timesLeft -= 1
                if state.rules[index].timesLeft <= 0 { state.rules.remove(at: index) }
            }
            return found
        }
    }
}

extension FakeHypervisor {
    /// Before or after a call takes effect.
    public enum Moment: Sendable { case before, after }

    /// The calls of `Hypervisor`.
    public enum Step: String, Hashable, Sendable, CaseIterable {
        case listVMs, readVM, findVM, vmsUsing, definition, disks, hostFacts, survey
        case start, requestShutdown, destroy, suspend, resume, wakeUp, requestReboot, reset, setAutostart
        case pathOfDisk, availableNetwork, resources, pciDevices, passthroughSupport
        case hasVolume, createDisk, deleteVolume, prepareNetwork, define, undefine, restoreDefinition
        case fileFacts, readFile, media, pathOfMedium, createVolume, fill, growDisk

        /// Whether it changes something.
        public var isChange: Bool {
            switch self {
            case .listVMs, .readVM, .findVM, .vmsUsing, .definition, .disks, .hostFacts, .survey, .pathOfDisk,
                .availableNetwork,
                .hasVolume, .resources, .pciDevices, .passthroughSupport, .fileFacts, .readFile, .media, .pathOfMedium:
                false
            default: true
            }
        }
    }
}
