import Synchronization
import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite struct JobTests {
    @Test func aJobIsToldOfFromItsBeginningToItsEnd() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        let told = await JobRecorder(rig.manager.jobs)
        let order = Jobs.Order(.start, "a", on: [vm.uuid], by: 1000)
        try await rig.manager.jobs.run(order) { [inventory = rig.inventory] job in
            job.say("done")
            #expect(await inventory.vm(vm.uuid)?.job == job.id)
        }
        #expect(await rig.vm(vm.uuid)?.job == nil)
        let (added, ended) = try (#require(told.all.first), #require(told.all.last))
        guard case .added(let first) = added, case .ended(let last) = ended else {
            Issue.record("\(told.all)")
            return
        }
        #expect(first.operation == .start && first.target == "a" && first.vms == [vm.uuid])
        #expect(first.startedByUID == 1000 && first.startedAt > 1_700_000_000_000_000)
        #expect(first.outcome == nil && first.progress == nil && !first.isCancelable)
        #expect(last.outcome == .succeeded("done") && last.progress == 1)
        #expect(await rig.manager.jobs.all == [last])
    }

    @Test func aFailureIsTheJobsOutcomeAndTheCallers() async throws {
        let rig = try await Rig()
        let error = VMError(.noSpace, "it is full")
        let thrown = await failure {
            try await rig.manager.jobs.run(Jobs.Order(.importMedia, "x", by: 0)) { _ throws(VMError) in throw error }
        }
        #expect(thrown == error)
        #expect(await rig.manager.jobs.all.map(\.outcome) == [.failed(error)])
    }

    @Test func oneThatHasEndedGoesAfterAWhile() async throws {
        let rig = try await Rig()
        let jobs = Jobs(inventory: rig.inventory, retention: .milliseconds(20))
        let told = await JobRecorder(jobs)
        for _ in 0..<3 { try await jobs.run(Jobs.Order(.start, "a", by: 0)) { _ in } }
        try await eventually("the jobs to go") { await jobs.all.isEmpty }
        #expect(told.all.count == 9)
        let gone = told.all.compactMap { if case .removed(let job) = $0 { job.id.rawValue } else { nil } }
        #expect(gone == [1, 2, 3])
    }

    @Test func soManyAreKeptAndNoMore() async throws {
        let rig = try await Rig()
        for _ in 0..<Jobs.maximumEnded + 10 {
            try await rig.manager.jobs.run(Jobs.Order(.start, "a", by: 0)) { _ in }
        }
        let kept = await rig.manager.jobs.all
        #expect(kept.count == Jobs.maximumEnded && kept.first?.id.rawValue == 11)
    }

    @Test func progressIsToldFourTimesASecondAtMostAndNeverGoesBack() async throws {
        let rig = try await Rig()
        let told = await JobRecorder(rig.manager.jobs)
        let begun = ContinuousClock.now
        try await rig.manager.jobs.run(Jobs.Order(.importMedia, "x", by: 0)) { job in
            for done in UInt64(0)...100_000 { job.report(done, of: 100_000) }
        }
        let spans = Int((ContinuousClock.now - begun) / .milliseconds(250)) + 1
        let values = told.all.compactMap { if case .changed(let job) = $0 { job.progress } else { nil } }
        #expect(values.count <= spans && values == values.sorted())
        #expect(values.allSatisfy { 0...1 ~= $0 })
    }

    @Test func aCancelledJobEndsAndThenCancelReturns() async throws {
        let rig = try await Rig()
        let jobs = rig.manager.jobs
        let id = try await jobs.start(Jobs.Order(.importMedia, "x", by: 0, isCancelable: true)) {
            job throws(VMError) in
            try await job.interruptible { () async throws(VMError) in
                do { try await Task.sleep(for: .seconds(600)) } catch { throw VMError(.cancelled, "interrupted") }
            }
        }
        try await jobs.cancel(id)
        guard case .failed(let error) = await jobs.job(id)?.outcome else {
            Issue.record("it has not failed")
            return
        }
        #expect(error.code == .cancelled)
        #expect(await failure { try await jobs.cancel(id) }?.code == .invalidState)
    }

    @Test func whatIsBetweenItsStepsStopsAtTheNext() async throws {
        let rig = try await Rig()
        let jobs = rig.manager.jobs
        let gate = Gate()
        let control = try await jobs.begin(Jobs.Order(.create, "x", by: 0, isCancelable: true))
        let work = Task { () -> VMError? in
            await failure {
                try await jobs.carryOut(control) { job throws(VMError) in
                    await gate.pass()
                    try job.checkGoesOn()
                }
            }
        }
        try await gate.reached()
        let cancel = Task { try await jobs.cancel(control.id) }
        try await eventually("the job to be cancelled") { (try? control.checkGoesOn()) == nil }
        gate.open()
        try await cancel.value
        #expect(await work.value?.code == .cancelled)
    }

    @Test func whatCannotBeCancelledSaysSo() async throws {
        let rig = try await Rig()
        let jobs = rig.manager.jobs
        let never = try await jobs.begin(Jobs.Order(.start, "x", by: 0))
        #expect(await failure { try await jobs.cancel(never.id) }?.code == .invalidState)
        let noLonger = try await jobs.begin(Jobs.Order(.create, "y", by: 0, isCancelable: true))
        try await jobs.passPointOfNoReturn(noLonger)
        #expect(await jobs.job(noLonger.id)?.isCancelable == false)
        #expect(await failure { try await jobs.cancel(noLonger.id) }?.code == .invalidState)
        #expect(await failure { try await jobs.cancel(JobID(rawValue: 99)) }?.code == .notFound)
        for control in [never, noLonger] { try await jobs.carryOut(control) { _ in } }
    }

    @Test func aUserHasSoManyAndRootAndOthersGoOn() async throws {
        let rig = try await Rig()
        let jobs = rig.manager.jobs
        for _ in 0..<Jobs.maximumOfUser { _ = try await jobs.begin(Jobs.Order(.stop, "x", by: 1000)) }
        #expect(await failure { _ = try await jobs.begin(Jobs.Order(.stop, "x", by: 1000)) }?.code == .limitsExceeded)
        _ = try await jobs.begin(Jobs.Order(.stop, "x", by: 1001))
        for _ in Jobs.maximumOfUser + 1..<Jobs.maximumInAll { _ = try await jobs.begin(Jobs.Order(.stop, "x", by: 0)) }
        #expect(await failure { _ = try await jobs.begin(Jobs.Order(.stop, "x", by: 0)) }?.code == .limitsExceeded)
    }

    @Test func theOldestOfTwoJobsOfAVMIsShown() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        let jobs = rig.manager.jobs
        let first = try await jobs.begin(Jobs.Order(.stop, "a", on: [vm.uuid], by: 0))
        let second = try await jobs.begin(Jobs.Order(.start, "a", on: [vm.uuid], by: 0))
        #expect(await rig.vm(vm.uuid)?.job == first.id)
        try await jobs.carryOut(first) { _ in }
        #expect(await rig.vm(vm.uuid)?.job == second.id)
        try await jobs.carryOut(second) { _ in }
        #expect(await rig.vm(vm.uuid)?.job == nil)
    }

    @Test func atTheEndWhatCopiesIsGivenUpAndTheRestWaitedFor() async throws {
        let rig = try await Rig()
        let jobs = rig.manager.jobs
        let gate = Gate()
        let made = try await jobs.start(Jobs.Order(.create, "x", by: 0, isCancelable: true)) { _ in await gate.pass() }
        let copied = try await jobs.start(Jobs.Order(.importMedia, "y", by: 0, isCancelable: true)) {
            job throws(VMError) in
            job.report(1, of: 2)
            try await job.interruptible { () async throws(VMError) in
                do { try await Task.sleep(for: .seconds(600)) } catch { throw VMError(.cancelled, "given up") }
            }
        }
        try await eventually("progress") { await jobs.job(copied)?.progress == 0.5 }
        let end = Task { await rig.manager.end() }
        try await eventually("the copy to end") { await jobs.job(copied)?.outcome != nil }
        #expect(await jobs.job(made)?.outcome == nil)
        gate.open()
        await end.value
        #expect(await jobs.job(made)?.outcome == .succeeded(""))
    }
}

@Suite struct JobLaneTests {
    private func control(_ isCancelable: Bool = true) -> JobControl {
        JobControl(id: JobID(rawValue: 1), isCancelable: isCancelable) { _ in }
    }

    @Test func usersTakeTurns() async throws {
        let lane = JobLane(width: 1)
        let gate = Gate()
        let order = LogLines()
        let control = control()
        let first = Task { try await lane.withPlace(for: 9, control) { () async throws(VMError) in await gate.pass() } }
        try await gate.reached()
        var tasks: [Task<Void, any Error>] = []
        for (count, uid) in ([1, 1, 1, 2, 3, 2] as [UInt32]).enumerated() {
            tasks.append(
                Task { [uid] in
                    try await lane.withPlace(for: uid, control) { () async throws(VMError) in order.add("\(uid)") }
                })
            try await eventually("it to wait") { await lane.waiting == count + 1 }
        }
        gate.open()
        try await first.value
        for task in tasks { try await task.value }
        #expect(order.all == ["1", "2", "3", "1", "2", "1"])
    }

    @Test func whoWaitsCanBeCancelledAndThePlaceIsNotLost() async throws {
        let lane = JobLane(width: 1)
        let gate = Gate()
        let (running, waiting) = (control(), control())
        let first = Task { try await lane.withPlace(for: 1, running) { () async throws(VMError) in await gate.pass() } }
        try await gate.reached()
        let second = Task {
            await failure { try await lane.withPlace(for: 1, waiting) { () async throws(VMError) in } }
        }
        try await eventually("it to wait") { await lane.waiting == 1 }
        #expect(waiting.cancel())
        #expect(await second.value?.code == .cancelled)
        #expect(await lane.waiting == 0)
        gate.open()
        try await first.value
        let third = control()
        try await within("a free place") { try await lane.withPlace(for: 1, third) { () async throws(VMError) in } }
    }
}

/// Everything that was told of jobs, in order.
private final class JobRecorder: Sendable {
    private let changes = Mutex<[JobChange]>([])

    init(_ jobs: Jobs) async {
        await jobs.observe { [weak self] change in self?.changes.withLock { $0.append(change) } }
    }

    var all: [JobChange] { changes.withLock { $0 } }
}
