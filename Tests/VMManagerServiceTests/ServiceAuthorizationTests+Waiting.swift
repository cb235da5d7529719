import DBus
import Testing
import VMCore
import VMManagerAPI
import VMModel
import VMTestSupport

@testable import VMManagerService

/// What happens while polkit's answer is waited for.
extension ServiceAuthorizationTests {
    /// Who looks for a password has decided about that VM, whatever bears its name by then.
    @Test(arguments: ["DeleteVM", "StopVM"])
    func anotherVMOfTheNameIsAnotherVM(_ method: String) async throws {
        let vm = vm("a", method == "DeleteVM" ? .shutOff : .running)
        let gate = Gate()
        try await with(vm, .challenge) { rig, polkit, caller in
            polkit.answer { $0.flags == 0 ? .challenge : .later(gate, .yes) }
            async let outcome = caller.call(
                BusNames.manager, ManagerInterface.name, method, "('a', @a{sv} {})", mayPrompt: true)
            try await gate.reached()
            let other = VM(uuid: .random(), name: "a", state: vm.state)
            rig.fake.change { $0.machines = [other.uuid: .init(vm: other)] }
            try? await rig.inventory.refresh(vm.uuid)
            try await rig.inventory.refresh(other.uuid)
            gate.open()
            #expect(try await outcome.error == errorName(.notFound))
            #expect(rig.fake.changes.isEmpty)
            #expect(await rig.inventory.vms.map(\.uuid) == [other.uuid])
        }
    }

    /// Also while polkit thinks about it without a prompt.
    @Test func whatNobodyWaitsForIsNotDone() async throws {
        let vm = vm()
        try await with(vm, .yes, within: .seconds(60)) { rig, polkit, _ in
            let gate = Gate()
            polkit.answer { _ in .later(gate, .yes) }
            let leaver = try await Caller(rig)
            async let outcome = pause(vm, leaver)
            try await gate.reached()
            await leaver.end()
            _ = try await outcome
            try await eventually("the bus to see it leave") {
                (try? await rig.client.nameOwner(leaver.uniqueName)) == nil
            }
            gate.open()
            try await eventually("the refusal") { rig.log.all.contains { $0.contains("has left the bus") } }
            #expect(rig.fake.changes.isEmpty)
        }
    }

    @Test func aCallerWhoLeavesIsNotWaitedFor() async throws {
        let vm = vm()
        try await with(vm, .challenge) { rig, polkit, caller in
            let gate = Gate()
            polkit.answer { $0.flags == 0 ? .challenge : .later(gate, .yes) }
            let leaver = try await Caller(rig)
            async let outcome = pause(vm, leaver, mayPrompt: true)
            try await gate.reached()
            await leaver.end()
            _ = try await outcome
            try await eventually("the prompt to be taken back") { !polkit.cancellations.isEmpty }
            #expect(polkit.cancellations == polkit.questions.map(\.cancellationID).filter { !$0.isEmpty })
            gate.open()
            // Somebody else's call, after the late yes.
            polkit.answer { _ in .no }
            #expect(try await pause(vm, caller).error == Self.denied)
            #expect(rig.fake.changes.isEmpty)
        }
    }

    /// Nobody's prompt holds up the end of the service.
    @Test func promptsAreClosedAtTheEnd() async throws {
        let vm = vm()
        try await with(vm, .challenge) { rig, polkit, caller in
            let gate = Gate()
            polkit.answer { $0.flags == 0 ? .challenge : .later(gate, .yes) }
            async let outcome = pause(vm, caller, mayPrompt: true)
            try await gate.reached()
            rig.service.endPrompts()
            #expect(try await outcome.error == Self.denied)
            #expect(polkit.cancellations == polkit.questions.map(\.cancellationID).filter { !$0.isEmpty })
            // One that comes later is not even shown for long.
            #expect(try await pause(vm, caller, mayPrompt: true).error == Self.denied)
            gate.open()
            #expect(rig.fake.changes.isEmpty)
        }
    }

    /// Four prompts of one user may be open; the fifth call is told at once, and another user's is answered.
    @Test func promptsOfOneUserHoldUpNobodyElse() async throws {
        let vm = vm()
        try await with(vm, .challenge) { rig, polkit, caller in
            let gate = Gate()
            polkit.answer { question in
                guard question.subject.hasSuffix(caller.uniqueName) else { return .yes }
                return question.flags == 0 ? .challenge : .later(gate, .no)
            }
            let waiting = (0..<CheckLimits.perUser).map { _ in
                Task { try await pause(vm, caller, mayPrompt: true).error }
            }
            try await gate.reached(by: CheckLimits.perUser)
            #expect(try await pause(vm, caller, mayPrompt: true).error == DBusError.Name.limitsExceeded)
            #expect(try await pause(vm, caller).error == DBusError.Name.limitsExceeded)
            // Reads go on, and so does everybody else.
            #expect(try await caller.call(BusNames.manager, ManagerInterface.name, "ListVMs").error == nil)
            let other = try await Caller(rig, uid: 1)
            #expect(try await pause(vm, other).error == nil)
            await other.end()
            gate.open()
            for task in waiting { #expect(try await task.value == Self.denied) }
            #expect(try await pause(vm, caller).error == Self.required)
        }
    }
}
