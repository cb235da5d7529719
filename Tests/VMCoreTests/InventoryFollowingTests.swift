import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite(.timeLimit(.minutes(1))) struct InventoryFollowingTests {
    @Test func anEventIsToldBeforeAnythingIsRead() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        let read = rig.fake.hold(.readVM, vm.uuid)
        rig.fake.transition(vm.uuid, to: .paused, reason: "user")
        try await read.reached()
        let shown = await rig.vm(vm.uuid)
        #expect(shown?.state == .paused)
        #expect(shown?.stateReason == "user")
        read.open()
        try await rig.settle()
        #expect(rig.recorder.states(of: vm.uuid) == [.running, .paused])
        #expect(rig.recorder.of(vm.uuid).count == 2)
    }

    /// A guest that starts paused is told as started first.
    @Test func aStartIsReadBeforeItIsTold() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm, events: .queued)
        rig.fake.transition(vm.uuid, to: .running, reason: "booted")
        rig.fake.transition(vm.uuid, to: .paused, reason: "user")
        while rig.fake.deliverNext() { try await rig.settle() }
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff, .paused])
        // From there on events are told at once.
        let read = rig.fake.hold(.readVM, vm.uuid)
        rig.fake.transition(vm.uuid, to: .running)
        rig.fake.deliverNext()
        try await read.reached()
        #expect(await rig.vm(vm.uuid)?.state == .running)
        read.open()
    }

    @Test func afterAStartEventsAreToldAtOnce() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        rig.fake.transition(vm.uuid, to: .running, reason: "booted")
        try await rig.settle()
        let read = rig.fake.hold(.readVM, vm.uuid)
        rig.fake.transition(vm.uuid, to: .paused)
        try await read.reached()
        #expect(await rig.vm(vm.uuid)?.state == .paused)
        read.open()
    }

    /// Some transitions, a start among them, come as no more than a hint that something changed.
    @Test(arguments: [false, true])
    func afterATransitionThatIsOnlyHintedAtEventsAreToldAtOnce(_ isReadFirst: Bool) async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        rig.fake.change { $0.machines[vm.uuid]?.vm.state = .running }
        if isReadFirst { try await rig.inventory.refresh(vm.uuid) }
        rig.fake.send(.changed(vm.uuid))
        try await rig.settle()
        #expect(await rig.vm(vm.uuid)?.state == .running)
        let read = rig.fake.hold(.readVM, vm.uuid)
        rig.fake.transition(vm.uuid, to: .paused)
        try await read.reached()
        #expect(await rig.vm(vm.uuid)?.state == .paused)
        read.open()
    }

    @Test func aReadOlderThanAnEventNeverWins() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        let read = rig.fake.hold(.readVM, vm.uuid, .after)
        let refresh = Task { try await rig.inventory.refresh(vm.uuid) }
        try await read.reached()
        rig.fake.transition(vm.uuid, to: .running)
        try await rig.eventsAreTakenIn()
        read.open()
        try await refresh.value
        try await rig.settle()
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff, .running])
        #expect(await rig.isTrue())
    }

    @Test func aDeleteDuringARefreshStaysDeleted() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        let read = rig.fake.hold(.readVM, vm.uuid, .after)
        let refresh = Task { try await rig.inventory.refresh(vm.uuid) }
        try await read.reached()
        rig.fake.change { $0.machines[vm.uuid] = nil }
        rig.fake.send(.undefined(vm.uuid))
        try await eventually("the removal") { await rig.vm(vm.uuid) == nil }
        read.open()
        try await refresh.value
        try await rig.settle()
        #expect(rig.recorder.of(vm.uuid) == [.added(vm), .removed(vm)])
    }

    @Test func whatComesAndGoesWhileItIsReadLeavesNothing() async throws {
        let rig = try await Rig()
        let vm = machine("a")
        let read = rig.fake.hold(.readVM, vm.uuid, .after)
        rig.fake.put(vm)
        rig.fake.send(.changed(vm.uuid))
        try await read.reached()
        rig.fake.change { $0.machines[vm.uuid] = nil }
        rig.fake.send(.undefined(vm.uuid))
        try await rig.eventsAreTakenIn()
        read.open()
        try await rig.settle()
        #expect(await rig.inventory.vms.isEmpty)
        #expect(rig.recorder.of(vm.uuid).isEmpty)
    }

    @Test func aStaleEventAfterAReadMovedAheadIsNotShown() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm, events: .queued)
        rig.fake.transition(vm.uuid, to: .running)
        rig.fake.transition(vm.uuid, to: .paused)
        try await rig.inventory.refresh(vm.uuid)
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff, .paused])
        while rig.fake.deliverNext() {}
        try await rig.settle()
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff, .paused])
        // The next event is taken at its word again, without a read.
        let read = rig.fake.hold(.readVM, vm.uuid)
        rig.fake.transition(vm.uuid, to: .running)
        rig.fake.deliverNext()
        try await read.reached()
        #expect(await rig.vm(vm.uuid)?.state == .running)
        read.open()
    }

    @Test func eventsThatReadsOvertookMoreThanOnceAreNotShown() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm, events: .queued)
        let path: [VMState] = [.running, .paused, .running, .paused, .running]
        for state in path {
            rig.fake.transition(vm.uuid, to: state)
            try await rig.inventory.refresh(vm.uuid)
        }
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff] + path)
        while rig.fake.deliverNext() { try await rig.settle() }
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff] + path)
        #expect(await rig.isTrue())
    }

    @Test func aStateThatNoEventTellsOfDoesNotStopEventsForEver() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        rig.fake.change { $0.machines[vm.uuid]?.vm.state = .shuttingDown }
        try await rig.inventory.refresh(vm.uuid)
        for _ in 0..<4 {
            rig.fake.transition(vm.uuid, to: .shutOff)
            try await rig.settle()
            rig.fake.transition(vm.uuid, to: .running)
            try await rig.settle()
        }
        let read = rig.fake.hold(.readVM, vm.uuid)
        rig.fake.transition(vm.uuid, to: .shutOff)
        try await read.reached()
        #expect(await rig.vm(vm.uuid)?.state == .shutOff)
        read.open()
    }

    @Test func aStartThatIsNotFinishedIsNoPause() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        let starting = machine("a", .paused, reason: StateReason.startingUp, uuid: vm.uuid)
        rig.fake.put(starting)
        try await rig.inventory.refresh(vm.uuid)
        #expect(await rig.vm(vm.uuid) == vm)
        // The same for the listing after a reconnect.
        rig.fake.disconnect()
        rig.fake.connect(version: "Fake 2.0")
        try await eventually("the connection") { await rig.inventory.status.version == "Fake 2.0" }
        #expect(await rig.vm(vm.uuid) == vm)
        #expect(rig.recorder.of(vm.uuid) == [.added(vm)])
        rig.fake.transition(vm.uuid, to: .paused, reason: "user")
        try await rig.settle()
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff, .paused])
    }

    @Test func aBurstOfEventsSharesReads() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        let read = rig.fake.hold(.readVM, vm.uuid)
        for _ in 0..<1000 { rig.fake.send(.changed(vm.uuid)) }
        try await read.reached()
        try await rig.eventsAreTakenIn()
        read.open()
        try await rig.settle()
        #expect(rig.fake.calls.filter { $0.vm == vm.uuid }.count <= 3)
    }

    @Test func aReadThatFailsChangesNothing() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        for code in [VMError.Code.timeout, .failed, .hypervisorUnavailable] {
            rig.fake.fail(.readVM, vm.uuid, with: VMError(code, "no"))
            #expect(await failure { try await rig.inventory.refresh(vm.uuid) }?.code == code)
            rig.fake.fail(.readVM, vm.uuid, with: VMError(code, "no"))
            rig.fake.send(.changed(vm.uuid))
            try await rig.settle()
        }
        #expect(rig.recorder.of(vm.uuid) == [.added(vm)])
    }

    @Test func eventsOfVMsThatDoNotExistLeaveNothing() async throws {
        let rig = try await Rig()
        let uuid = VMUUID.random()
        rig.fake.send(.stateChanged(uuid, .running, reason: ""))
        rig.fake.send(.changed(uuid))
        rig.fake.send(.undefined(uuid))
        try await rig.settle()
        #expect(await rig.inventory.vms.isEmpty)
        #expect(rig.recorder.of(uuid).isEmpty)
    }

    @Test func anotherReasonIsAChangeButNoOtherState() async throws {
        let vm = machine("a", .paused, reason: "user")
        let rig = try await Rig(vm)
        rig.fake.transition(vm.uuid, to: .paused, reason: "io-error")
        try await rig.settle()
        #expect(await rig.vm(vm.uuid)?.stateReason == "io-error")
        #expect(rig.recorder.states(of: vm.uuid) == [.paused])
    }
}
