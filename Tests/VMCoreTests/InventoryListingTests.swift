import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite(.timeLimit(.minutes(1))) struct InventoryListingTests {
    @Test func theFirstListingIsAnnouncedAndThenTheConnection() async throws {
        let vms = [machine("a"), machine("b", .running), machine("c", .paused)]
        let rig = try await Rig(vms[0], vms[1], vms[2])
        #expect(await Set(rig.inventory.vms) == Set(vms))
        #expect(await rig.inventory.status == HypervisorStatus(isConnected: true, version: "Fake 1.0"))
        #expect(Set(rig.recorder.all.dropLast()) == Set(vms.map { .added($0) }))
        #expect(rig.recorder.all.last == .hypervisor(HypervisorStatus(isConnected: true, version: "Fake 1.0")))
        #expect(rig.fake.calls.map(\.step) == [.listVMs])
    }

    @Test func withoutAConnectionItStartsEmptyAndFillsLater() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm, isStarted: false)
        rig.fake.disconnect()
        try await rig.start()
        #expect(await rig.inventory.vms.isEmpty)
        #expect(await !rig.inventory.status.isConnected)
        #expect(rig.recorder.all.isEmpty)
        rig.fake.connect()
        try await eventually("the connection") { await rig.inventory.status.isConnected }
        #expect(rig.recorder.of(vm.uuid) == [.added(vm)])
    }

    @Test func whatChangesDuringTheListingIsNotUndoneByIt() async throws {
        let known = machine("known")
        let gone = machine("gone")
        let new = machine("new", .running)
        let rig = try await Rig(known, gone, isStarted: false)
        let listing = rig.fake.hold(.listVMs, nil, .after)
        let start = Task { try await rig.start() }
        try await listing.reached()
        rig.fake.transition(known.uuid, to: .running, reason: "booted")
        rig.fake.change { $0.machines[gone.uuid] = nil }
        rig.fake.send(.undefined(gone.uuid))
        rig.fake.put(new)
        rig.fake.send(.changed(new.uuid))
        try await rig.eventsAreTakenIn()
        listing.open()
        try await start.value
        try await rig.settle()
        #expect(await rig.isTrue())
        #expect(rig.recorder.states(of: known.uuid) == [.running])
        #expect(rig.recorder.of(gone.uuid).isEmpty)
    }

    @Test func whoSeesTheConnectionSeesEveryVM() async throws {
        let old = machine("old")
        let new = machine("new")
        let rig = try await Rig(old, isStarted: false)
        let listing = rig.fake.hold(.listVMs, nil, .after)
        let start = Task { try await rig.start() }
        try await listing.reached()
        let read = rig.fake.hold(.readVM, new.uuid, times: .max)
        rig.fake.put(new)
        rig.fake.send(.changed(new.uuid))
        rig.fake.send(.changed(old.uuid))
        try await rig.eventsAreTakenIn()
        listing.open()
        try await read.reached(by: 2)
        #expect(await !rig.inventory.status.isConnected)
        read.open()
        try await start.value
        #expect(await Set(rig.inventory.vms) == [old, new])
        #expect(rig.recorder.all.last == .hypervisor(HypervisorStatus(isConnected: true, version: "Fake 1.0")))
    }

    @Test func aKnownVMThatChangesDuringALaterListingKeepsItsEvent() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        rig.fake.disconnect()
        let listing = rig.fake.hold(.listVMs, nil, .after)
        rig.fake.connect()
        try await listing.reached()
        rig.fake.transition(vm.uuid, to: .running)
        try await rig.eventsAreTakenIn()
        #expect(await rig.vm(vm.uuid)?.state == .running)
        listing.open()
        try await rig.settle()
        #expect(await rig.isTrue())
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff, .running])
    }

    @Test func aListingThatFailsIsMadeAgain() async throws {
        let rig = try await Rig(machine("a"), isStarted: false)
        rig.fake.fail(.listVMs, with: VMError(.failed, "no"), times: 2)
        // Nobody has to wait for more than the first attempt to hear what is wrong.
        let third = rig.fake.hold(.listVMs, times: 3)
        try await rig.start()
        #expect(await !rig.inventory.status.isConnected)
        third.open()
        try await eventually("a listing that works") { await rig.inventory.status.isConnected }
        #expect(rig.fake.calls.filter { $0.step == .listVMs }.count == 3)
        #expect(await rig.isTrue())
    }

    @Test func theListingOfALostConnectionIsDropped() async throws {
        let first = machine("first")
        let second = machine("second")
        let rig = try await Rig(first, isStarted: false)
        let old = rig.fake.hold(.listVMs, nil, .after)
        let start = Task { try await rig.start() }
        try await old.reached()
        rig.fake.disconnect()
        try await start.value
        rig.fake.change { $0.machines = [second.uuid: World.Machine(vm: second)] }
        rig.fake.connect(version: "Fake 2.0")
        try await eventually("the new connection") { await rig.inventory.status.isConnected }
        rig.recorder.forget()
        old.open()
        try await rig.settle()
        #expect(await rig.isTrue())
        #expect(await rig.inventory.status.version == "Fake 2.0")
        #expect(rig.recorder.all.isEmpty)
    }

    @Test func aLossKeepsTheVMsAndAReconnectTellsTheDifference() async throws {
        let same = machine("same", .running)
        let changed = machine("changed", .running)
        let renamed = machine("renamed")
        let gone = machine("gone")
        let new = machine("new", .paused)
        let rig = try await Rig(same, changed, renamed, gone)
        rig.recorder.forget()
        rig.fake.disconnect()
        try await eventually("the loss") { await !rig.inventory.status.isConnected }
        #expect(await rig.inventory.vms.count == 4)
        #expect(
            rig.recorder.all == [.hypervisor(HypervisorStatus(isConnected: false, version: "Fake 1.0"))])
        rig.recorder.forget()

        var stopped = changed
        stopped.state = .shutOff
        var other = renamed
        other.name = "other"
        rig.fake.put(stopped, other, new)
        rig.fake.change { $0.machines[gone.uuid] = nil }
        rig.fake.connect(version: "Fake 2.0")
        try await eventually("the new connection") { await rig.inventory.status.isConnected }
        #expect(
            Set(rig.recorder.all) == [
                .changed(from: changed, to: stopped), .changed(from: renamed, to: other), .removed(gone), .added(new),
                .hypervisor(HypervisorStatus(isConnected: true, version: "Fake 2.0")),
            ])
        #expect(rig.recorder.all.count == 5)
        #expect(await rig.isTrue())
    }

    @Test func aLossIsToldOnce() async throws {
        let rig = try await Rig(machine("a"))
        rig.recorder.forget()
        rig.fake.disconnect("first")
        rig.fake.disconnect("still")
        rig.fake.send(.disconnected(reason: ""))
        try await rig.eventsAreTakenIn()
        #expect(rig.recorder.all == [.hypervisor(HypervisorStatus(isConnected: false, version: "Fake 1.0"))])
    }

    @Test func eventsAreFollowedAfterManyReconnects() async throws {
        let vm = machine("a")
        let rig = try await Rig(vm)
        for round in 0..<20 {
            rig.fake.disconnect()
            rig.fake.connect(version: "Fake \(round)")
        }
        try await eventually("the last connection") {
            await rig.inventory.status == HypervisorStatus(isConnected: true, version: "Fake 19")
        }
        rig.fake.transition(vm.uuid, to: .running)
        try await rig.settle()
        #expect(rig.recorder.states(of: vm.uuid) == [.shutOff, .running])
        #expect(await rig.isTrue())
    }
}
