import Testing
import VMModel
import VMTestSupport

@testable import VMCore

/// What may be asked for, with what the hypervisor is then told, for every operation in every state.
@Suite(.timeLimit(.minutes(1))) struct LifecycleTableTests {
    enum Operation: String, CaseIterable, Sendable {
        case start, stop, stopByForce, destroy, pause, resume, reboot, reset, setAutostart, delete, readDefinition

        var words: String {
            switch self {
            case .stopByForce: "stop"
            case .setAutostart: "set autostart of"
            case .readDefinition: "read the definition of"
            default: rawValue
            }
        }

        /// The steps of the hypervisor; nil where the state does not allow it.
        func steps(in state: VMState) -> [FakeHypervisor.Step]? {
            switch (self, state) {
            case (_, .creating): nil
            case (.start, .shutOff): [.start]
            case (.stop, .running), (.stop, .blocked), (.stopByForce, .running), (.stopByForce, .blocked):
                [.requestShutdown]
            case (.stop, .shuttingDown), (.stopByForce, .shuttingDown): []
            case (.stopByForce, .shutOff), (.destroy, .shutOff): nil
            case (.stopByForce, _), (.destroy, _): [.destroy]
            case (.pause, .running), (.pause, .blocked): [.suspend]
            case (.resume, .paused): [.resume]
            case (.resume, .suspended): [.wakeUp]
            case (.reboot, .running), (.reboot, .blocked): [.requestReboot]
            case (.reset, .running), (.reset, .blocked), (.reset, .paused): [.reset]
            case (.setAutostart, _): [.setAutostart]
            case (.delete, .shutOff): [.undefine]
            case (.readDefinition, _): []
            default: nil
            }
        }

        func wayOut(in state: VMState) -> String {
            switch (self, state) {
            case (.delete, _) where state != .creating: "; stop it first"
            case (.stop, .paused), (.stop, .suspended), (.stop, .crashed), (.stop, .unknown):
                ", so the guest cannot shut down; resume it first, or stop it by force"
            default: ""
            }
        }

        func result(from state: VMState) -> VMState? {
            switch self {
            case .start, .resume: .running
            case .stop, .stopByForce, .destroy: .shutOff
            case .pause: .paused
            case .reboot, .reset, .setAutostart, .readDefinition: state
            case .delete: nil
            }
        }

        func run(_ manager: VMManager, _ uuid: VMUUID) async throws(VMError) {
            switch self {
            case .start: try await manager.start(uuid)
            case .stop: try await manager.stop(uuid, within: .seconds(60), force: false)
            case .stopByForce: try await manager.stop(uuid, within: .seconds(60), force: true)
            case .destroy: try await manager.destroy(uuid)
            case .pause: try await manager.pause(uuid)
            case .resume: try await manager.resume(uuid)
            case .reboot: try await manager.reboot(uuid)
            case .reset: try await manager.reset(uuid)
            case .setAutostart: try await manager.setAutostart(uuid, true)
            case .delete: _ = try await manager.delete(uuid, deleteDisks: false)
            case .readDefinition: _ = try await manager.definition(of: uuid)
            }
        }
    }

    @Test(arguments: Operation.allCases, VMState.allCases)
    func isAllowedOrRefusedInWords(_ operation: Operation, _ state: VMState) async throws {
        let vm = machine("win11", state)
        let rig = try await Rig()
        if state == .creating {
            try await rig.inventory.beginCreating(vm)
        } else {
            rig.fake.put(vm)
            try await rig.inventory.refresh(vm.uuid)
        }
        guard let steps = operation.steps(in: state) else {
            let error = await failure { try await operation.run(rig.manager, vm.uuid) }
            #expect(error?.code == .invalidState)
            #expect(
                error?.message
                    == "cannot \(operation.words) 'win11': it is \(state.rawValue)" + operation.wayOut(in: state))
            #expect(rig.fake.changes.isEmpty)
            #expect(await rig.vm(vm.uuid) == vm)
            return
        }
        async let run: Void = operation.run(rig.manager, vm.uuid)
        if state == .shuttingDown, [.stop, .stopByForce].contains(operation) {
            try await eventually("the wait for the guest") { await !rig.inventory.waiters.isEmpty }
            rig.fake.transition(vm.uuid, to: .shutOff)
        }
        try await run
        // What the inventory shows when the operation has returned.
        #expect(await rig.vm(vm.uuid)?.state == operation.result(from: state))
        if operation == .setAutostart { #expect(await rig.vm(vm.uuid)?.autostart == true) }
        #expect(rig.fake.changes == steps)
    }

    @Test(arguments: Operation.allCases)
    func failsAtOnceWithoutAConnection(_ operation: Operation) async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        rig.fake.disconnect()
        try await eventually("the loss") { await !rig.inventory.status.isConnected }
        rig.fake.forgetCalls()
        let error = await failure { try await operation.run(rig.manager, vm.uuid) }
        #expect(error?.code == .hypervisorUnavailable)
        #expect(error?.message.contains("there is no connection to libvirt at present; try again later") == true)
        #expect(rig.fake.calls.isEmpty)
    }

    @Test(arguments: Operation.allCases)
    func failsForAVMThatIsNotThere(_ operation: Operation) async throws {
        let rig = try await Rig()
        let error = await failure { try await operation.run(rig.manager, .random()) }
        #expect(error?.code == .notFound)
        #expect(rig.fake.changes.isEmpty)
    }

    @Test(arguments: [Operation.start, .stop, .destroy, .pause, .resume, .reboot, .reset, .setAutostart, .delete])
    func anErrorKeepsCodeAndCauseAndNamesTheVM(_ operation: Operation) async throws {
        let state = try #require(VMState.allCases.first { operation.steps(in: $0)?.isEmpty == false })
        let step = try #require(operation.steps(in: state)?.first)
        let vm = machine("win11", state)
        let rig = try await Rig(vm)
        let cause = VMError.Cause(domain: 10, code: 55, operation: "virDomain", text: "/secret/path")
        rig.fake.fail(step, vm.uuid, with: VMError(.failed, "it did not work", cause: cause))
        let error = await failure { try await operation.run(rig.manager, vm.uuid) }
        #expect(error == VMError(.failed, "cannot \(operation.words) 'win11': it did not work", cause: cause))
        #expect(await rig.vm(vm.uuid) == vm)
    }

    /// What was done was done, also where its result cannot be read.
    @Test(arguments: [Operation.start, .stop, .destroy, .pause, .resume, .reboot, .reset, .setAutostart, .delete])
    func aResultThatCannotBeReadIsNoFailure(_ operation: Operation) async throws {
        let state = try #require(VMState.allCases.first { operation.steps(in: $0)?.isEmpty == false })
        let vm = machine("win11", state)
        let rig = try await Rig(vm)
        rig.fake.fail(.readVM, vm.uuid, with: VMError(.timeout, "no answer"), times: .max)
        #expect(await failure { try await operation.run(rig.manager, vm.uuid) } == nil)
        #expect(rig.fake.changes == operation.steps(in: state))
    }
}
