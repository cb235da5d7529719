import DBus
import Testing
import VMCore
import VMManagerAPI
import VMManagerService
import VMModel
import VMTestSupport

@Suite(.timeLimit(.minutes(1))) struct ServiceSignalTests {
    @Test func theObjectComesBeforeTheManagersWord() async throws {
        try await ServiceRig.with { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            let vm = machine("new")
            rig.fake.put(vm)
            rig.fake.send(.changed(vm.uuid))
            let all = try await signals.wait(for: "VMAdded")
            #expect(all.map(\.member) == ["InterfacesAdded", "VMAdded"])
            let path = BusNames.path(of: vm.uuid)
            #expect(all[0].path == BusNames.manager)
            #expect(all[0].body.first == .objectPath(path))
            let added = try #require(all[0].body.last?.entriesValue)
            #expect(added.first?.value.optionsValue == Dictionary(uniqueKeysWithValues: vm.busProperties))
            #expect(all[1].path == BusNames.manager)
            #expect(all[1].interface == ManagerInterface.name)
            #expect(all[1].body == [.objectPath(path), .string(vm.uuid.description), .string("new")])

            signals.forget()
            rig.fake.change { $0.machines[vm.uuid] = nil }
            rig.fake.send(.undefined(vm.uuid))
            let gone = try await signals.wait(for: "VMRemoved")
            #expect(gone.map(\.member) == ["InterfacesRemoved", "VMRemoved"])
            #expect(gone[0].body == [.objectPath(path), .strings([VMInterface.name])])
            #expect(gone[1].body == [.objectPath(path), .string(vm.uuid.description), .string("new")])
        }
    }

    @Test func thePropertiesComeBeforeTheManagersWordAndOnce() async throws {
        let vm = machine("a", .running)
        try await ServiceRig.with(vm) { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            rig.fake.transition(vm.uuid, to: .paused, reason: "user")
            let all = try await signals.wait(for: "VMStateChanged")
            #expect(all.map(\.member) == ["PropertiesChanged", "VMStateChanged"])
            #expect(all[0].path == BusNames.path(of: vm.uuid))
            #expect(all[0].body.first == .string(VMInterface.name))
            #expect(all[0].body[1].optionsValue == ["State": .string("paused"), "StateReason": .string("user")])
            #expect(
                all[1].body == [
                    .objectPath(BusNames.path(of: vm.uuid)), .string(vm.uuid.description), .string("paused"),
                    .string("running"), .string("user"),
                ])
            // What is no other state is no change of state.
            signals.forget()
            rig.fake.change { $0.machines[vm.uuid]?.vm.memoryMB = 4096 }
            rig.fake.send(.changed(vm.uuid))
            let changed = try await signals.wait(for: "PropertiesChanged")
            #expect(changed.first?.body[1].optionsValue == ["MemoryMB": .uint64(4096)])
            rig.fake.transition(vm.uuid, to: .running, reason: "unpaused")
            _ = try await signals.wait(for: "VMStateChanged")
            #expect(signals.members == ["PropertiesChanged", "PropertiesChanged", "VMStateChanged"])
            #expect(rig.log.errors.isEmpty)
        }
    }

    @Test func anOperationsSignalsComeBeforeItsReply() async throws {
        let vm = machine("a", .running)
        try await ServiceRig.with(vm) { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            for _ in 0..<10 {
                signals.forget()
                _ = try await rig.call(.pause, vm.uuid, .options())
                // The connection delivers in order; the recorder only has to be given its turn.
                #expect(
                    try await signals.wait(for: "VMStateChanged").map(\.member) == [
                        "PropertiesChanged", "VMStateChanged",
                    ])
                _ = try await rig.call(.resume, vm.uuid, .options())
                try await eventually("the second change") { signals.members.count == 4 }
            }
        }
    }

    @Test func aCreationIsToldFromItsBeginning() async throws {
        try await ServiceRig.with { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            _ = try await rig.call("CreateVM", .string("debian"), .options(("start", .boolean(true))))
            let all = try await signals.wait(for: "VMStateChanged")
            #expect(all.prefix(2).map(\.member) == ["InterfacesAdded", "VMAdded"])
            let states = all.filter { $0.member == "VMStateChanged" }.map { [$0.body[3], $0.body[2]] }
            #expect(states == [[.string("creating"), .string("running")]])
        }
    }

    @Test func aCreationThatFailsIsTakenBackOnTheBusToo() async throws {
        try await ServiceRig.with { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            rig.fake.fail(.define, with: VMError(.templateInvalid, "no"))
            let error = await rig.failure { try await rig.call("CreateVM", .string("debian"), .options()) }
            #expect(error?.name == errorName(.templateInvalid))
            // Of the VM, and of the job that was to make it.
            #expect(
                try await signals.wait(for: "Completed").map(\.member) == [
                    "InterfacesAdded", "VMAdded", "InterfacesAdded", "PropertiesChanged", "InterfacesRemoved",
                    "VMRemoved", "PropertiesChanged", "Completed",
                ])
            #expect(try await rig.call("ListVMs").first?.arrayValue?.isEmpty == true)
        }
    }

    @Test func beforeTheNameNothingIsAnnouncedButAllIsThere() async throws {
        try await ServiceRig.with(machine("first"), isNamed: false) { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: rig.serviceName)
            let vm = machine("second")
            rig.fake.put(vm)
            try await rig.inventory.refresh(vm.uuid)
            rig.fake.transition(vm.uuid, to: .running)
            try await eventually("the change") { await rig.inventory.vm(vm.uuid)?.state == .running }
            #expect(try await rig.property(.state, of: vm.uuid) == .string("running"))
            #expect(try await rig.client.nameOwner(BusNames.service) == nil)
            try await rig.service.requestName()
            #expect(try await rig.client.nameOwner(BusNames.service) == rig.serviceName)
            rig.fake.transition(vm.uuid, to: .paused)
            let all = try await signals.wait(for: "VMStateChanged")
            #expect(all.map(\.member) == ["PropertiesChanged", "VMStateChanged"])
        }
    }

    @Test func aNameThatIsTakenIsNotWaitedFor() async throws {
        try await ServiceRig.with(isNamed: false) { rig async throws in
            try await rig.client.requestName(BusNames.service)
            let error = await rig.failure {
                try await rig.service.requestName()
                return []
            }
            #expect(error != nil)
            #expect(try await rig.client.nameOwner(BusNames.service) == rig.client.uniqueName)
        }
    }

    @Test(arguments: [("a", "b"), ("x", "\u{202e}\u{1b}[2J\n"), ("a", "nul\u{0}name")])
    func aRenameIsTold(_ old: String, _ new: String) async throws {
        try await expectRename(from: old, to: new)
    }

    @Test func aRenameOfTheNormalizationAloneIsTold() async throws {
        try await expectRename(from: "caf\u{e9}", to: "cafe\u{301}")
    }

    private func expectRename(from old: String, to new: String, within limit: Duration = .seconds(20)) async throws {
        let vm = machine(old)
        try await ServiceRig.with(vm) { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            rig.fake.change { $0.machines[vm.uuid]?.vm.name = new }
            rig.fake.send(.changed(vm.uuid))
            let shown = new.replacing("\u{0}", with: "?")
            let changed = try #require(try await signals.wait(for: "PropertiesChanged", within: limit).first)
            let told = try #require(changed.body[1].optionsValue?["Name"]?.stringValue)
            #expect(told.utf8.elementsEqual(shown.utf8))
            let name = try #require(try await rig.property(.name, of: vm.uuid)?.stringValue)
            #expect(name.utf8.elementsEqual(shown.utf8))
        }
    }

    @Test func aReconnectTellsTheDifferenceInOrdinarySignals() async throws {
        let changed = machine("changed", .running)
        let gone = machine("gone")
        let new = machine("new")
        try await ServiceRig.with(changed, gone) { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            rig.fake.disconnect()
            rig.fake.change { world in
                world.machines[changed.uuid]?.vm.state = .shutOff
                world.machines[gone.uuid] = nil
            }
            rig.fake.put(new)
            rig.fake.connect()
            try await eventually("the whole difference") {
                Set(signals.members).isSuperset(of: ["VMAdded", "VMRemoved", "VMStateChanged"])
            }
            try await eventually("the connection") { await rig.inventory.status.isConnected }
            for member in ["VMAdded", "VMRemoved", "VMStateChanged", "InterfacesAdded", "InterfacesRemoved"] {
                #expect(signals.members.filter { $0 == member }.count == 1)
            }
        }
    }

    @Test func aStormOfChangesKeepsItsOrderAndItsEnd() async throws {
        let vm = machine("a", .running)
        try await ServiceRig.with(vm) { rig async throws in
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            for number in 0..<1000 { rig.fake.transition(vm.uuid, to: number % 2 == 0 ? .paused : .running) }
            rig.fake.transition(vm.uuid, to: .crashed, reason: "panic")
            try await eventually("the end") { signals.all.last?.body.dropFirst(2).first == .string("crashed") }
            let states = signals.all.filter { $0.member == "VMStateChanged" }.map(\.body)
            for (change, next) in zip(states, states.dropFirst()) {
                #expect(change[2] == next[3] && next[2] != next[3])
            }
            #expect(try await rig.property(.state, of: vm.uuid) == .string("crashed"))
        }
    }
}
