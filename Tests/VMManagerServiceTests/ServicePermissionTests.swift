import DBus
import Glibc
import Testing
import VMCore
import VMManagerAPI
import VMModel
import VMTestSupport

@testable import VMManagerService

/// `GetPermissions`, and the signal that says when to ask again.
@Suite(.timeLimit(.minutes(1)), .enabled(if: getuid() == 0, "needs root to become another user"))
struct ServicePermissionTests {
    private func permissions(_ caller: Caller, _ path: ObjectPath) async throws -> Caller.Outcome {
        // With the flag: it must not be taken as a reason to prompt.
        try await caller.call(
            BusNames.manager, ManagerInterface.name, "GetPermissions", "(objectpath '\(path)',)", mayPrompt: true)
    }

    @Test func eachActionHasAWord() async throws {
        let vm = VM(uuid: .random(), name: "a", state: .shutOff, ownerUID: 65534)
        try await ServiceRig.with(vm, machine("b")) { rig async throws in
            let polkit = try await FakePolkit(rig.bus) { question in
                switch question.action.split(separator: ".").dropFirst(3).first {
                case "control", "create": .yes
                case "configure": .challenge
                case "access": .no
                default: .error
                }
            }
            let caller = try await Caller(rig)
            let prefix = "org.neuronos.vmmanager."
            #expect(
                try await permissions(caller, BusNames.path(of: vm.uuid)).text
                    == "({'\(prefix)control.own': 'yes', '\(prefix)configure.own': 'auth', "
                    + "'\(prefix)access.own': 'no', '\(prefix)delete.own': 'no'},)")
            #expect(
                try await permissions(caller, BusNames.manager).text
                    == "({'\(prefix)create': 'yes', '\(prefix)host-resources': 'no'},)")
            #expect(polkit.questions.allSatisfy { $0.flags == 0 })
            #expect(polkit.questions.prefix(4).allSatisfy { $0.details["vm.name"] == "a" })
            for path: ObjectPath in ["/", "/org", BusNames.path(of: .random())] {
                #expect(try await permissions(caller, path).error == errorName(.notFound))
            }
            await caller.end()
            await polkit.end()
        }
    }

    @Test func rootMayAllAndWithoutPolkitOthersNothing() async throws {
        let vm = machine("a")
        try await ServiceRig.with(vm) { rig async throws in
            let reply = try await rig.call("GetPermissions", .objectPath(BusNames.path(of: vm.uuid)))
            let entries = try #require(reply.first?.entriesValue)
            #expect(entries.count == 4 && entries.allSatisfy { $0.value == .string("yes") })
            let caller = try await Caller(rig)
            let text = try await permissions(caller, BusNames.path(of: vm.uuid)).text
            #expect(text.split(separator: "'no'").count == 5)
            await caller.end()
        }
    }

    /// A polkit that hangs is waited for once, and not for each action.
    @Test func whoDoesNotAnswerIsNotAskedAgain() async throws {
        let vm = machine("a")
        try await ServiceRig.with(vm) { rig async throws in
            let polkit = try await FakePolkit(rig.bus, .error)
            let caller = try await Caller(rig)
            let text = try await permissions(caller, BusNames.path(of: vm.uuid)).text
            #expect(text.split(separator: "'no'").count == 5)
            #expect(polkit.questions.count == 1)
            await caller.end()
            await polkit.end()
        }
    }

    /// A shell that asks about all of its VMs at once is answered, if one after the other.
    @Test func manyQueriesWaitForEachOther() async throws {
        let vm = machine("a")
        try await ServiceRig.with(vm) { rig async throws in
            let gate = Gate()
            let polkit = try await FakePolkit(rig.bus) { _ in .later(gate, .yes) }
            let caller = try await Caller(rig)
            let total = 1 + CheckLimits.waitingQueries + 1
            try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<total { group.addTask { try await permissions(caller, BusNames.manager).error } }
                // One too many: it is told while the others wait.
                #expect(try await group.next() == DBusError.Name.limitsExceeded)
                gate.open()
                for try await error in group { #expect(error == nil) }
            }
            await caller.end()
            await polkit.end()
        }
    }

    @Test func itIsToldWhenPermissionsChange() async throws {
        try await ServiceRig.with { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: rig.serviceName)
            let count = { @Sendable in signals.members.count { $0 == "PermissionsChanged" } }
            let polkit = try await FakePolkit(rig.bus, .yes)
            try await eventually("the news of a polkit") { count() == 1 }
            try await polkit.tellChanged()
            try await eventually("the news of a change") { count() == 2 }
            // Somebody else's word is no news.
            try await rig.client.send(
                .signal(path: FakePolkit.path, interface: "org.freedesktop.PolicyKit1.Authority", member: "Changed"))
            _ = try await rig.call("ListVMs")
            await polkit.end()
            try await eventually("the news of the end of polkit") { count() >= 3 }
            #expect(count() == 3)
        }
    }
}

/// How many calls may wait for polkit, without a bus.
@Suite(.timeLimit(.minutes(1))) struct CheckLimitTests {
    @Test func thereIsAPlaceForEachUserAndNotForAll() async throws {
        let limits = CheckLimits()
        let gate = Gate()
        let users = CheckLimits.total / CheckLimits.perUser
        let tasks = (0..<users).flatMap { uid in
            (0..<CheckLimits.perUser).map { _ in
                Task {
                    try await limits.withCheck(for: UInt32(uid)) { () async throws(DBusError) in await gate.pass() }
                }
            }
        }
        try await gate.reached(by: CheckLimits.total)
        #expect(limits.pending == CheckLimits.total)
        let check = await #expect(throws: DBusError.self) { try await limits.withCheck(for: 5000) {} }
        #expect(check?.name == DBusError.Name.limitsExceeded)
        let query = await #expect(throws: DBusError.self) { try await limits.withQuery(for: 5000) {} }
        #expect(query?.name == DBusError.Name.limitsExceeded)
        gate.open()
        for task in tasks { try await task.value }
        #expect(limits.pending == 0)
        // A check that fails gives its place back as well.
        for _ in 0...CheckLimits.total {
            _ = try? await limits.withCheck(for: 1) { () async throws(DBusError) in throw .failed("no") }
            _ = try? await limits.withQuery(for: 1) { () async throws(DBusError) in throw .failed("no") }
        }
        #expect(limits.pending == 0)
        try await limits.withCheck(for: 1) {}
        try await limits.withQuery(for: 1) {}
    }
}
