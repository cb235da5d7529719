import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite(.timeLimit(.minutes(1))) struct LifecycleOrderTests {
    @Test func operationsOnOneVMKeepTheirOrder() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        let first = rig.fake.hold(.suspend, vm.uuid)
        let pause = Task { try await rig.manager.pause(vm.uuid) }
        try await first.reached()
        let resume = Task { try await rig.manager.resume(vm.uuid) }
        try await waits(rig, vm, 1)
        let reset = Task { try await rig.manager.reset(vm.uuid) }
        try await waits(rig, vm, 2)
        // Each sees the state that the one before it left: a resume of what runs would be refused.
        #expect(rig.fake.changes == [.suspend])
        first.open()
        try await pause.value
        try await resume.value
        try await reset.value
        #expect(rig.fake.changes == [.suspend, .resume, .reset])
    }

    @Test func destroyGoesThroughWhileAnotherOperationHangs() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        let hung = rig.fake.hold(.suspend, vm.uuid)
        let pause = Task { try await rig.manager.pause(vm.uuid) }
        try await hung.reached()
        try await within("the destroy") { try await rig.manager.destroy(vm.uuid) }
        #expect(await rig.vm(vm.uuid)?.state == .shutOff)
        rig.fake.fail(.suspend, vm.uuid, with: VMError(.failed, "it is gone"))
        hung.open()
        _ = await failure { try await pause.value }
    }

    @Test(arguments: [true, false])
    func aStartThatHangsHasAWayOut(_ isStop: Bool) async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        let hung = rig.fake.hold(.start, vm.uuid)
        let start = Task { try await rig.manager.start(vm.uuid) }
        try await hung.reached()
        // libvirt has made a process, and nothing tells of that.
        rig.fake.change { world in
            world.machines[vm.uuid]?.vm.state = .paused
            world.machines[vm.uuid]?.vm.stateReason = StateReason.startingUp
        }
        #expect(
            await failure { try await rig.manager.stop(vm.uuid, within: .zero, force: false) }?.code == .invalidState)
        try await within("the destroy") {
            if isStop {
                try await rig.manager.stop(vm.uuid, within: .seconds(60), force: true)
            } else {
                try await rig.manager.destroy(vm.uuid)
            }
        }
        #expect(rig.fake.changes == [.start, .destroy])
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff])
        hung.open()
        _ = await failure { try await start.value }
    }

    @Test func anotherVMIsNotDelayed() async throws {
        let hanging = machine("hanging", .running)
        let other = machine("other", .running)
        let rig = try await Rig(hanging, other)
        let hung = rig.fake.hold(.suspend, hanging.uuid)
        let read = rig.fake.hold(.readVM, hanging.uuid)
        let pause = Task { try await rig.manager.pause(hanging.uuid) }
        try await hung.reached()
        rig.fake.send(.changed(hanging.uuid))
        try await read.reached()
        for _ in 0..<20 {
            try await within("the other VM") {
                try await rig.manager.pause(other.uuid)
                try await rig.manager.resume(other.uuid)
            }
        }
        read.open()
        hung.open()
        try await pause.value
    }

    @Test func tooManyAreRefusedAndTheRestIsDone() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        let hung = rig.fake.hold(.requestReboot, vm.uuid)
        let first = Task { try await rig.manager.reboot(vm.uuid) }
        try await hung.reached()
        let waiting = (0..<VMTurns.maximumWaiting).map { _ in Task { try await rig.manager.reboot(vm.uuid) } }
        try await waits(rig, vm, VMTurns.maximumWaiting)
        let error = await failure { try await rig.manager.reboot(vm.uuid) }
        #expect(error?.code == .busy)
        #expect(error?.message.hasPrefix("cannot reboot the VM: ") == true)
        // Ending it is never refused for that.
        hung.open()
        try await first.value
        for task in waiting { try await task.value }
        #expect(rig.fake.changes.count == VMTurns.maximumWaiting + 1)
    }

    @Test func manyOperationsOnManyVMsNeverInterleave() async throws {
        let vms = (0..<8).map { machine("vm\($0)", .running) }
        let rig = try await Rig()
        for vm in vms {
            rig.fake.put(vm)
            try await rig.inventory.refresh(vm.uuid)
        }
        await withTaskGroup(of: Void.self) { group in
            for vm in vms {
                for _ in 0..<10 {
                    group.addTask { try? await rig.manager.pause(vm.uuid) }
                    group.addTask { try? await rig.manager.resume(vm.uuid) }
                }
            }
        }
        for vm in vms {
            let steps = rig.fake.calls.filter { $0.vm == vm.uuid && $0.step.isChange }.map(\.step)
            // Had two interleaved, both would have seen the state before either.
            for (step, next) in zip(steps, steps.dropFirst()) { #expect(step != next) }
            #expect(steps.first == .suspend)
        }
        try await rig.settle()
        #expect(await rig.isTrue())
        #expect(await rig.manager.turns.isEmpty)
    }

    @Test func theConnectionLostWhileOneWaitsIsSaid() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        let hung = rig.fake.hold(.suspend, vm.uuid)
        let pause = Task { try await rig.manager.pause(vm.uuid) }
        try await hung.reached()
        let reboot = Task { try await rig.manager.reboot(vm.uuid) }
        try await waits(rig, vm, 1)
        rig.fake.disconnect()
        try await eventually("the loss") { await !rig.inventory.status.isConnected }
        hung.open()
        #expect(await failure { try await pause.value }?.code == .hypervisorUnavailable)
        #expect(await failure { try await reboot.value }?.code == .hypervisorUnavailable)
        #expect(rig.fake.changes == [.suspend])
    }

    private func waits(_ rig: Rig, _ vm: VM, _ count: Int) async throws {
        try await eventually("\(count) to wait for a turn") {
            await rig.manager.turns.numberWaiting(for: vm.uuid) == count
        }
    }
}
