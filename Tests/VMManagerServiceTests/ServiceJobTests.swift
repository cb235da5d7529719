import DBus
import Glibc
import Testing
import VMManagerAPI
import VMModel
import VMTestSupport

@testable import VMCore
@testable import VMManagerService

@Suite(.timeLimit(.minutes(2))) struct ServiceJobTests {
    static let options = DBusValue.options(("type", .string("linux")))
    static let inBackground = DBusValue.options(("type", .string("linux")), ("background", .boolean(true)))

    /// The path of the job that works on a VM.
    func job(of vm: ObjectPath, _ rig: ServiceRig) async throws -> ObjectPath {
        let value = try await rig.property(VMProperty.job.rawValue, of: vm, VMInterface.name)
        let path = try #require(value?.objectPathValue)
        #expect(BusNames.job(of: path) != nil, "\(path)")
        return path
    }

    func properties(of job: ObjectPath, _ rig: ServiceRig) async throws -> [String: DBusValue] {
        let body = try await rig.call(
            "GetAll", .string(JobInterface.name), on: job, interface: "org.freedesktop.DBus.Properties")
        return try #require(body.first?.optionsValue)
    }

    func completed(_ signals: SignalRecorder) async throws -> [DBusValue] {
        let all = try await signals.wait(for: "Completed")
        return try #require(all.first { $0.member == "Completed" }?.body)
    }

    @Test func inTheBackgroundTheReplyComesAtOnceAndTheJobTellsTheRest() async throws {
        try await ServiceRig.with { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            let gate = rig.fake.hold(.createDisk)
            let body = try await rig.call("CreateVM", .string("web"), Self.inBackground)
            let vm = try #require(body.first?.objectPathValue)
            try await gate.reached()
            #expect(try await rig.property("State", of: vm, VMInterface.name) == .string("creating"))
            let job = try await job(of: vm, rig)
            let known = try await properties(of: job, rig)
            #expect(known["Operation"] == .string("create") && known["Target"] == .string("web"))
            #expect(known["Objects"] == .array(of: .objectPath, [.objectPath(vm)]))
            #expect(known["StartedByUID"] == .uint32(getuid()) && known["Cancelable"] == .boolean(true))
            #expect(known["ProgressValid"] == .boolean(false) && known["Progress"] == .double(0))
            gate.open()
            let outcome = try await completed(signals)
            #expect(outcome.prefix(2) == [.boolean(true), .string("")])
            #expect(outcome.last?.stringValue?.contains("tcg") == true)
            #expect(try await rig.property("Job", of: vm, VMInterface.name) == .objectPath(.root))
            #expect(try await rig.property("State", of: vm, VMInterface.name) == .string("shut-off"))
            #expect(try await properties(of: job, rig)["Progress"] == .double(1))
            // The VM has no job any more before the job is said to have ended.
            let members = signals.all.filter { $0.path == vm || $0.path == job }.compactMap(\.member)
            #expect(members.last == "Completed")
        }
    }

    @Test func aFailureInTheBackgroundIsTold() async throws {
        try await ServiceRig.with { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            rig.fake.fail(.createDisk, with: VMError(.noSpace, "it is full"))
            _ = try await rig.call("CreateVM", .string("web"), Self.inBackground)
            #expect(
                try await completed(signals) == [
                    .boolean(false), .string(errorName(.noSpace)), .string("cannot create 'web': it is full"),
                ])
            #expect(rig.fake.world.machines.isEmpty)
            // What can be said at once is no job.
            let taken = machine("taken")
            rig.fake.put(taken)
            rig.fake.send(.changed(taken.uuid))
            _ = try await signals.wait(for: "VMAdded")
            try await eventually("the VM") { await rig.inventory.vm(taken.uuid) != nil }
            let error = await rig.failure { try await rig.call("CreateVM", .string("taken"), Self.inBackground) }
            #expect(error?.name == errorName(.alreadyExists))
        }
    }

    @Test func cancelUndoesWhatWasMadeAndReturnsThen() async throws {
        try await ServiceRig.with { rig async throws in
            let gate = rig.fake.hold(.createDisk, nil, .after)
            let create = Task { await rig.failure { try await rig.call("CreateVM", .string("web"), Self.options) } }
            try await gate.reached()
            let vm = try #require(await rig.inventory.vms.first)
            let job = try await job(of: BusNames.path(of: vm.uuid), rig)
            let cancel = Task {
                await rig.failure { try await rig.call("Cancel", [], on: job, interface: JobInterface.name) }
            }
            try await eventually("the request to arrive") { await rig.service.isCancelled(job) }
            gate.open()
            #expect(await cancel.value == nil)
            #expect(rig.fake.world.machines.isEmpty && rig.fake.world.disks.isEmpty)
            #expect(await rig.inventory.vms.isEmpty)
            #expect(await create.value?.name == errorName(.cancelled))
            let again = await rig.failure { try await rig.call("Cancel", [], on: job, interface: JobInterface.name) }
            #expect(again?.name == errorName(.invalidState))
        }
    }

    @Test func stopCanBeCancelledAndTheGuestRunsOn() async throws {
        let vm = machine("a", .running)
        try await ServiceRig.with(vm) { rig async throws in
            rig.fake.change { $0.guestShutsDown = false }
            let stop = Task { await rig.failure { try await rig.call(.stop, vm.uuid, .options()) } }
            try await eventually("the guest to be asked") { rig.fake.changes.contains(.requestShutdown) }
            let job = try await job(of: BusNames.path(of: vm.uuid), rig)
            _ = try await rig.call("Cancel", [], on: job, interface: JobInterface.name)
            #expect(await stop.value?.name == errorName(.cancelled))
            #expect(await rig.inventory.vm(vm.uuid)?.state == .running)
        }
    }

    @Test func startAndDeleteAreJobsThatCannotBeCancelled() async throws {
        let vm = machine("a")
        try await ServiceRig.with(vm) { rig async throws in
            for (method, step) in [(VMMethod.start, FakeHypervisor.Step.start), (.delete, .undefine)] {
                let gate = rig.fake.hold(step)
                let call = Task { await rig.failure { try await rig.call(method, vm.uuid, .options()) } }
                try await gate.reached()
                let job = try await job(of: BusNames.path(of: vm.uuid), rig)
                #expect(try await properties(of: job, rig)["Operation"] == .string(method.job?.rawValue ?? ""))
                let error = await rig.failure {
                    try await rig.call("Cancel", [], on: job, interface: JobInterface.name)
                }
                #expect(error?.name == errorName(.invalidState))
                gate.open()
                #expect(await call.value == nil)
                if method == .start { _ = try await rig.call(.destroy, vm.uuid, .options()) }
            }
        }
    }

    @Test func inTheBackgroundTheOthersReplyAtOnceAsWell() async throws {
        let vm = machine("a")
        try await ServiceRig.with(vm) { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            let gate = rig.fake.hold(.start)
            #expect(try await rig.call(.start, vm.uuid, .options(("background", .boolean(true)))) == [])
            try await gate.reached()
            gate.open()
            #expect(try await completed(signals).first == .boolean(true))
            signals.forget()
            _ = try await rig.call(.destroy, vm.uuid, .options())
            #expect(
                try await rig.call(.delete, vm.uuid, .options(("background", .boolean(true)))) == [.strings([])])
            #expect(try await completed(signals).first == .boolean(true))
            #expect(rig.fake.world.machines.isEmpty)
        }
    }

    @Test func anObjectManagerTellsOfJobs() async throws {
        let vm = machine("a")
        try await ServiceRig.with(vm) { rig async throws in
            _ = try await rig.call(.start, vm.uuid, .options())
            let body = try await rig.call(
                "GetManagedObjects", [], on: BusNames.manager, interface: "org.freedesktop.DBus.ObjectManager")
            let paths = try #require(body.first?.entriesValue).compactMap(\.key.objectPathValue)
            #expect(paths.contains(BusNames.path(of: JobID(rawValue: 1))))
        }
    }
}

/// Whose job may be cancelled by whom.
@Suite(.timeLimit(.minutes(2)), .enabled(if: getuid() == 0, "needs root to become another user"))
struct ServiceJobAccessTests {
    /// A VM that `starter` is stopping, polkit, and a caller who is not root.
    private func with(
        startedByCaller: Bool, _ answer: FakePolkit.Answer,
        _ body: (ServiceRig, FakePolkit, ObjectPath, Caller) async throws -> Void
    ) async throws {
        let vm = VM(uuid: .random(), name: "a", state: .running, template: "linux-basic", ownerUID: 65534)
        try await ServiceRig.with(vm) { rig async throws in
            rig.fake.change { $0.guestShutsDown = false }
            let polkit = try await FakePolkit(rig.bus) { question in
                question.details["vm.uuid"] == vm.uuid.description ? answer : .nonsense([])
            }
            let caller = try await Caller(rig)
            let stop = Task {
                if startedByCaller {
                    _ = try await caller.call(BusNames.path(of: vm.uuid), VMInterface.name, "Stop", "(@a{sv} {},)")
                } else {
                    _ = await rig.failure { try await rig.call(.stop, vm.uuid, .options()) }
                }
            }
            try await eventually("the guest to be asked") { rig.fake.changes.contains(.requestShutdown) }
            let id = try #require(await rig.inventory.vm(vm.uuid)?.job)
            try await body(rig, polkit, BusNames.path(of: id), caller)
            await rig.inventory.endWaits()
            try await stop.value
            await caller.end()
            await polkit.end()
        }
    }

    @Test func whoStartedItIsAskedForNothing() async throws {
        try await with(startedByCaller: true, .yes) { _, polkit, job, caller in
            let before = polkit.questions.count
            let outcome = try await caller.call(job, JobInterface.name, "Cancel")
            #expect(outcome.error == nil, "\(outcome.text)")
            #expect(polkit.questions.count == before)
        }
    }

    @Test func othersNeedWhatTheyNeedForVMsThatAreNotTheirs() async throws {
        for (answer, error) in [
            (FakePolkit.Answer.no, DBusError.Name.accessDenied), (.error, DBusError.Name.accessDenied), (.yes, nil),
        ] {
            try await with(startedByCaller: false, answer) { rig, polkit, job, caller in
                let outcome = try await caller.call(job, JobInterface.name, "Cancel")
                #expect(outcome.error == error, "\(outcome.text)")
                #expect(polkit.questions.map(\.action) == ["org.neuronos.vmmanager.control.any"])
                #expect(polkit.questions.first?.details["vm.name"] == "a")
            }
        }
    }
}

extension VMManagerService {
    /// Whether somebody has cancelled the job.
    func isCancelled(_ job: ObjectPath) async -> Bool {
        guard let id = BusNames.job(of: job) else { return false }
        return await manager.jobs.isCancelled(id)
    }
}

extension Jobs {
    func isCancelled(_ id: JobID) -> Bool { (try? control(of: id)?.checkGoesOn()) == nil }
}
