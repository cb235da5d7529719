import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite(.timeLimit(.minutes(1))) struct InventoryWaitTests {
    @Test func whatIsSoAlreadyIsNotWaitedFor() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        #expect(await rig.inventory.wait(for: vm.uuid, atMost: .zero) { $0?.state == .running })
        #expect(await rig.inventory.wait(for: .random(), atMost: .zero) { $0 == nil })
    }

    @Test func aChangeEndsTheWait() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        let wait = Task {
            await rig.inventory.wait(for: vm.uuid, atMost: .seconds(60)) { $0?.state == .shutOff }
        }
        try await eventually("somebody to wait") { await !rig.inventory.waiters.isEmpty }
        rig.fake.transition(vm.uuid, to: .paused)
        try await rig.settle()
        #expect(await rig.inventory.waiters.count == 1)
        rig.fake.transition(vm.uuid, to: .shutOff)
        #expect(try await within("the wait") { await wait.value })
        #expect(await rig.inventory.waiters.isEmpty)
    }

    @Test func aVMThatGoesEndsTheWait() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        let wait = Task {
            await rig.inventory.wait(for: vm.uuid, atMost: .seconds(60)) { $0?.state.mayHaveProcess != true }
        }
        try await eventually("somebody to wait") { await !rig.inventory.waiters.isEmpty }
        rig.fake.change { $0.machines[vm.uuid] = nil }
        rig.fake.send(.undefined(vm.uuid))
        #expect(try await within("the wait") { await wait.value })
    }

    @Test func theLimitEndsTheWait() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        #expect(await !rig.inventory.wait(for: vm.uuid, atMost: .milliseconds(1)) { $0 == nil })
        #expect(await !rig.inventory.wait(for: vm.uuid, atMost: .zero) { $0 == nil })
        #expect(await rig.inventory.waiters.isEmpty)
    }

    @Test func cancellingEndsTheWait() async throws {
        let vm = machine("a", .running)
        let rig = try await Rig(vm)
        let wait = Task { await rig.inventory.wait(for: vm.uuid, atMost: .seconds(60)) { $0 == nil } }
        try await eventually("somebody to wait") { await !rig.inventory.waiters.isEmpty }
        wait.cancel()
        #expect(try await within("the wait") { await !wait.value })
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await rig.inventory.wait(for: vm.uuid, atMost: .seconds(60)) { $0 == nil }
        }
        #expect(try await within("the wait of a cancelled task") { await !early.value })
        #expect(await rig.inventory.waiters.isEmpty)
    }

    @Test func manyMayWaitForDifferentThings() async throws {
        let vm = machine("a", .running)
        let other = machine("b", .running)
        let rig = try await Rig(vm, other)
        let waits = [VMState.paused, .shutOff, .paused].map { state in
            Task { await rig.inventory.wait(for: vm.uuid, atMost: .seconds(60)) { $0?.state == state } }
        }
        let unrelated = Task {
            await rig.inventory.wait(for: other.uuid, atMost: .seconds(60)) { $0?.state == .paused }
        }
        try await eventually("all to wait") { await rig.inventory.waiters.count == 4 }
        rig.fake.transition(vm.uuid, to: .paused)
        #expect(try await within("the first") { await waits[0].value })
        #expect(try await within("the third") { await waits[2].value })
        #expect(await rig.inventory.waiters.count == 2)
        rig.fake.transition(vm.uuid, to: .shutOff)
        #expect(try await within("the second") { await waits[1].value })
        unrelated.cancel()
        #expect(try await within("the last") { await !unrelated.value })
    }
}
