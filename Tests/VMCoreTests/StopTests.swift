import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite(.timeLimit(.minutes(1))) struct StopTests {
    private func rig(_ vm: VM) async throws -> Rig {
        let rig = try await Rig(vm)
        rig.fake.change { $0.guestShutsDown = false }
        return rig
    }

    @Test func returnsWhenTheGuestIsOff() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        let stop = Task { try await rig.manager.stop(vm.uuid, within: .seconds(60), force: false) }
        try await eventually("the wait for the guest") { await !rig.inventory.waiters.isEmpty }
        rig.fake.transition(vm.uuid, to: .shuttingDown)
        try await rig.settle()
        #expect(await rig.inventory.waiters.count == 1)
        rig.fake.transition(vm.uuid, to: .shutOff, reason: "shutdown")
        try await within("the stop") { try await stop.value }
        #expect(await rig.vm(vm.uuid)?.state == .shutOff)
        #expect(rig.fake.changes == [.requestShutdown])
    }

    /// Whoever asks again and again and goes away leaves a wait behind each time.
    @Test func soManyMayWaitAndNotMore() async throws {
        let vm = machine("win11", .running)
        let rig = try await rig(vm)
        let most = VMTurns.maximumWaiting
        let stops = Task {
            await withTaskGroup { group in
                for _ in 0..<most {
                    group.addTask { try? await rig.manager.stop(vm.uuid, within: .seconds(600), force: false) }
                }
            }
        }
        try await eventually("all of them to wait") { await rig.inventory.waiters.count == most }
        let error = await failure { try await rig.manager.stop(vm.uuid, within: .seconds(600), force: false) }
        #expect(error?.code == .busy)
        #expect(error?.message.hasPrefix("cannot stop 'win11': too many wait for its end") == true)
        try await rig.manager.destroy(vm.uuid)
        try await within("all of them to be told") { await stops.value }
        #expect(await rig.inventory.waiters.isEmpty)
    }

    /// libvirt's words for a VM that somebody else has ended meanwhile are anything.
    @Test func aFailureForWhichTheStateIsTheReasonSaysSo() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        let gate = rig.fake.hold(.suspend, vm.uuid)
        rig.fake.fail(.suspend, vm.uuid, with: VMError(.failed, "unable to read from monitor"))
        let pause = Task { await failure { try await rig.manager.pause(vm.uuid) } }
        try await gate.reached()
        rig.fake.transition(vm.uuid, to: .shutOff, reason: "destroyed")
        gate.open()
        #expect(await pause.value == VMError(.invalidState, "cannot pause 'a': it is shut-off"))
    }

    @Test(arguments: [Duration.zero, .milliseconds(20), .milliseconds(1500)])
    func atTheLimitWithoutForceItRunsOn(_ limit: Duration) async throws {
        let vm = machine("win11", .running)
        let rig = try await rig(vm)
        let error = await failure { try await rig.manager.stop(vm.uuid, within: limit, force: false) }
        #expect(error?.code == .timeout)
        #expect(
            error?.message
                == "cannot stop 'win11': the guest did not shut down within \(limit.components.seconds) s and runs on; "
                + "stop it by force, or give it more time")
        #expect(await rig.vm(vm.uuid)?.state == .running)
        #expect(rig.fake.world.machines[vm.uuid]?.vm.state == .running)
        #expect(rig.fake.changes == [.requestShutdown])
        // It can be asked again, and others may act on it.
        try await rig.manager.pause(vm.uuid)
    }

    @Test func atTheLimitWithForceItIsDestroyed() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        try await rig.manager.stop(vm.uuid, within: .milliseconds(20), force: true)
        #expect(await rig.vm(vm.uuid)?.state == .shutOff)
        #expect(await rig.vm(vm.uuid)?.stateReason == "destroyed")
        #expect(rig.fake.changes == [.requestShutdown, .destroy])
    }

    @Test func aGuestThatEndsJustAtTheLimitIsStopped() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        let destroy = rig.fake.hold(.destroy, vm.uuid)
        let stop = Task { try await rig.manager.stop(vm.uuid, within: .milliseconds(20), force: true) }
        try await destroy.reached()
        rig.fake.transition(vm.uuid, to: .shutOff, reason: "shutdown")
        destroy.open()
        try await within("the stop") { try await stop.value }
        #expect(await rig.vm(vm.uuid)?.stateReason == "shutdown")
    }

    @Test func aGuestThatIsGoneAtTheLimitIsStopped() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        let destroy = rig.fake.hold(.destroy, vm.uuid)
        let stop = Task { try await rig.manager.stop(vm.uuid, within: .milliseconds(20), force: true) }
        try await destroy.reached()
        rig.fake.change { $0.machines[vm.uuid] = nil }
        rig.fake.send(.undefined(vm.uuid))
        destroy.open()
        try await within("the stop") { try await stop.value }
        #expect(await rig.vm(vm.uuid) == nil)
    }

    @Test(arguments: [VMState.paused, .suspended, .crashed, .unknown])
    func byForceWhatCannotAnswerIsDestroyed(_ state: VMState) async throws {
        let vm = machine("a", state)
        let rig = try await rig(vm)
        try await rig.manager.stop(vm.uuid, within: .seconds(60), force: true)
        #expect(rig.fake.changes == [.destroy])
        #expect(await rig.vm(vm.uuid)?.state == .shutOff)
    }

    /// A QEMU that hangs cannot take the request either; force is for just that.
    @Test(arguments: [VMError.Code.timeout, .failed, .busy])
    func byForceARequestThatFailsIsNoObstacle(_ code: VMError.Code) async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        rig.fake.fail(.requestShutdown, vm.uuid, with: VMError(code, "no answer"))
        try await rig.manager.stop(vm.uuid, within: .seconds(60), force: true)
        #expect(rig.fake.changes == [.requestShutdown, .destroy])
        #expect(await rig.vm(vm.uuid)?.state == .shutOff)
    }

    @Test func byForceAndWithoutTimeTheGuestIsNotAsked() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        try await rig.manager.stop(vm.uuid, within: .zero, force: true)
        #expect(rig.fake.changes == [.destroy])
    }

    @Test func aVMThatEndedWhileAnotherOperationHadTheTurnNeedsNoStop() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        let pause = rig.fake.hold(.suspend, vm.uuid)
        rig.fake.fail(.suspend, vm.uuid, with: VMError(.invalidState, "it is off"))
        let pausing = Task { try await rig.manager.pause(vm.uuid) }
        try await pause.reached()
        let stop = Task { try await rig.manager.stop(vm.uuid, within: .seconds(60), force: true) }
        try await eventually("the stop to wait for its turn") {
            await rig.manager.turns.numberWaiting(for: vm.uuid) == 1
        }
        try await rig.manager.destroy(vm.uuid)
        pause.open()
        #expect(await failure { try await pausing.value }?.code == .invalidState)
        try await within("the stop") { try await stop.value }
        #expect(await rig.vm(vm.uuid)?.state == .shutOff)
        #expect(rig.fake.changes == [.suspend, .destroy])
    }

    @Test func othersMayActWhileItWaits() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        let stop = Task { try await rig.manager.stop(vm.uuid, within: .seconds(60), force: false) }
        try await eventually("the wait for the guest") { await !rig.inventory.waiters.isEmpty }
        try await within("an autostart meanwhile") { try await rig.manager.setAutostart(vm.uuid, true) }
        try await within("a destroy meanwhile") { try await rig.manager.destroy(vm.uuid) }
        try await within("the stop") { try await stop.value }
    }

    @Test func cancellingEndsTheWaitAndTheVMRunsOn() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        let stop = Task { try await rig.manager.stop(vm.uuid, within: .seconds(60), force: true) }
        try await eventually("the wait for the guest") { await !rig.inventory.waiters.isEmpty }
        stop.cancel()
        let error = await failure { try await within("the stop") { try await stop.value } }
        #expect(error?.code == .cancelled)
        #expect(rig.fake.changes == [.requestShutdown])
    }

    @Test func aVMThatIsPausedMeanwhileIsNotOff() async throws {
        let vm = machine("a", .running)
        let rig = try await rig(vm)
        let stop = Task { try await rig.manager.stop(vm.uuid, within: .milliseconds(300), force: false) }
        try await eventually("the wait for the guest") { await !rig.inventory.waiters.isEmpty }
        rig.fake.transition(vm.uuid, to: .paused)
        #expect(await failure { try await within("the stop") { try await stop.value } }?.code == .timeout)
    }

    /// A wait that ends because the service does must not end the VM.
    @Test(arguments: [false, true])
    func theEndOfTheServiceEndsTheWaitAndNotTheVM(_ force: Bool) async throws {
        let vm = machine("win11", .running)
        let rig = try await Rig(vm)
        rig.fake.change { $0.guestShutsDown = false }
        let stop = Task { try await rig.manager.stop(vm.uuid, within: .seconds(60), force: force) }
        try await eventually("the guest is asked") { rig.fake.changes == [.requestShutdown] }
        await rig.manager.end()
        #expect(await failure { try await stop.value }?.code == .cancelled)
        #expect(await rig.vm(vm.uuid)?.state == .running)
        #expect(await failure { try await rig.manager.pause(vm.uuid) }?.code == .cancelled)
    }
}
