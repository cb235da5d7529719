import DBus
import Testing
import VMCore
import VMManagerAPI
import VMManagerService
import VMModel
import VMTestSupport

@Suite(.timeLimit(.minutes(1))) struct ServiceMethodTests {
    /// A method, a state that allows it, what the hypervisor is told, and the state afterwards.
    struct Row: Sendable, CustomStringConvertible {
        let method: VMMethod
        let before: VMState
        let step: FakeHypervisor.Step
        let after: VMState?
        var description: String { method.rawValue }
    }

    static let rows = [
        Row(method: .start, before: .shutOff, step: .start, after: .running),
        Row(method: .stop, before: .running, step: .requestShutdown, after: .shutOff),
        Row(method: .destroy, before: .running, step: .destroy, after: .shutOff),
        Row(method: .pause, before: .running, step: .suspend, after: .paused),
        Row(method: .resume, before: .paused, step: .resume, after: .running),
        Row(method: .reboot, before: .running, step: .requestReboot, after: .running),
        Row(method: .reset, before: .running, step: .reset, after: .running),
        Row(method: .delete, before: .shutOff, step: .undefine, after: nil),
    ]

    /// Both routes do the same, and when a call has returned the properties show its result.
    @Test(arguments: rows, [false, true])
    func doesWhatItSaysAndShowsIt(_ row: Row, _ byName: Bool) async throws {
        let vm = machine("win11", row.before)
        try await ServiceRig.with(vm) { rig async throws in
            let reply =
                byName
                ? try await rig.call(row.method.rawValue + "VM", .string("win11"), .options())
                : try await rig.call(row.method, vm.uuid, .options())
            #expect(reply.map(\.type) == row.method.description.outputs.map(\.type))
            #expect(rig.fake.changes == [row.step])
            if let after = row.after {
                #expect(try await rig.property(.state, of: vm.uuid) == .string(after.rawValue))
            } else {
                let error = await rig.failure {
                    _ = try await rig.property(.state, of: vm.uuid)
                    return []
                }
                #expect(error?.name == DBusError.Name.unknownObject)
                #expect(try await rig.call("ListVMs").first?.arrayValue?.isEmpty == true)
            }
            #expect(rig.log.errors.isEmpty)
        }
    }

    @Test func setAutostartAndGetXML() async throws {
        let vm = machine("a")
        try await ServiceRig.with(vm) { rig async throws in
            #expect(try await rig.call(.setAutostart, vm.uuid, .boolean(true), .options()).isEmpty)
            #expect(try await rig.property(.autostart, of: vm.uuid) == .boolean(true))
            #expect(try await rig.call(.setAutostart, vm.uuid, .boolean(false), .options()).isEmpty)
            #expect(try await rig.property(.autostart, of: vm.uuid) == .boolean(false))
            #expect(try await rig.call(.getXML, vm.uuid, .options()) == [.string("<domain/>")])
        }
    }

    @Test func createMakesAVMThatIsThereWhenItReturns() async throws {
        try await ServiceRig.with { rig async throws in
            let options = DBusValue.options(
                ("type", .string("linux")), ("memory_mb", .uint64(2048)), ("vcpus", .uint32(4)),
                ("disk_size_gb", .uint64(5)), ("iso_path", .string("/srv/a.iso")), ("start", .boolean(true)),
                ("autostart", .boolean(true)),
                ("parameters", .options(("secure_boot", .boolean(true)), ("network", .string("lab")))))
            let reply = try await rig.call("CreateVM", .string("debian"), options)
            let uuid = try #require(reply.first?.objectPathValue.flatMap(BusNames.uuid(of:)))
            #expect(try await rig.property(.name, of: uuid) == .string("debian"))
            #expect(try await rig.property(.state, of: uuid) == .string("running"))
            #expect(try await rig.property(.memoryMB, of: uuid) == .uint64(2048))
            #expect(try await rig.property(.vcpus, of: uuid) == .uint32(4))
            #expect(try await rig.property(.ownerUID, of: uuid) == .uint32(0))
            #expect(try await rig.property(.autostart, of: uuid) == .boolean(true))
            #expect(rig.fake.changes == [.createDisk, .define, .setAutostart, .start])
            let xml = rig.fake.world.machines[uuid]?.xml ?? ""
            #expect(xml.contains("<smm/>") && xml.contains("'lab'") && xml.contains("/srv/a.iso"))
            let again = await rig.failure { try await rig.call("CreateVM", .string("debian"), .options()) }
            #expect(again?.name == errorName(.alreadyExists))
        }
    }

    @Test func aChosenUUIDIsTaken() async throws {
        let uuid = VMUUID.random()
        try await ServiceRig.with { rig async throws in
            let options = DBusValue.options(("uuid", .string(uuid.description)))
            #expect(
                try await rig.call("CreateVM", .string("a"), options) == [.objectPath(BusNames.path(of: uuid))])
            let again = await rig.failure { try await rig.call("CreateVM", .string("b"), options) }
            #expect(again?.name == errorName(.alreadyExists))
        }
    }

    /// What another tool made a moment ago.
    @Test func rootFindsAVMThatWasNotToldOfYet() async throws {
        let vm = machine("new")
        try await ServiceRig.with { rig async throws in
            rig.fake.change { $0.machines = [vm.uuid: .init(vm: vm)] }
            _ = try await rig.call("StartVM", .string("new"), .options())
            #expect(rig.fake.changes == [.start])
        }
    }

    @Test func renderChangesNothing() async throws {
        try await ServiceRig.with { rig async throws in
            let reply = try await rig.call(
                "RenderTemplate", .string("linux-basic"), .string("debian"), .options(("memory_mb", .uint64(512))))
            #expect(reply.first?.stringValue?.contains("<memory unit='MiB'>512</memory>") == true)
            #expect(rig.fake.changes.isEmpty)
            #expect(try await rig.call("ListVMs").first?.arrayValue?.isEmpty == true)
            for option in ["type", "template"] {
                let error = await rig.failure {
                    try await rig.call(
                        "RenderTemplate", .string("linux-basic"), .string("a"), .options((option, .string("linux"))))
                }
                #expect(error?.name == errorName(.invalidArgument))
            }
            let missing = await rig.failure {
                try await rig.call("RenderTemplate", .string("../x"), .string("a"), .options())
            }
            #expect(missing?.name == errorName(.notFound))
        }
    }

    @Test func deleteNamesTheDisksThatItKept() async throws {
        let vm = machine("win11")
        let own = "/pool/win11-\(vm.uuid).qcow2"
        try await ServiceRig.with { rig async throws in
            rig.fake.put(vm, disks: [.init(path: own, isOwn: true), .init(path: "/srv/data.qcow2", isOwn: false)])
            rig.fake.change { $0.disks = [own: 1, "/srv/data.qcow2": 1] }
            try await rig.inventory.refresh(vm.uuid)
            let reply = try await rig.call(.delete, vm.uuid, .options(("delete_disks", .boolean(true))))
            #expect(reply == [.strings(["/srv/data.qcow2"])])
            #expect(rig.fake.world.disks == ["/srv/data.qcow2": 1])
        }
    }

    @Test func stopTakesTimeAndForce() async throws {
        let vm = machine("win11", .running)
        try await ServiceRig.with(vm) { rig async throws in
            rig.fake.change { $0.guestShutsDown = false }
            let error = await rig.failure { try await rig.call(.stop, vm.uuid, .options(("timeout", .uint32(0)))) }
            #expect(error?.name == errorName(.timeout))
            #expect(error?.message.hasPrefix("cannot stop 'win11': ") == true)
            #expect(try await rig.property(.state, of: vm.uuid) == .string("running"))
            _ = try await rig.call(
                "StopVM", .string("win11"), .options(("timeout", .uint64(0)), ("force", .boolean(true))))
            #expect(try await rig.property(.state, of: vm.uuid) == .string("shut-off"))
        }
    }

    // MARK: Time

    @Test func aSlowOperationDelaysNobodyElse() async throws {
        let slow = machine("slow", .running)
        let other = machine("other", .running)
        try await ServiceRig.with(slow, other) { rig async throws in
            let gate = rig.fake.hold(.suspend, slow.uuid)
            let pause = Task { try await rig.call(.pause, slow.uuid, .options()) }
            try await gate.reached()
            try await within("the others") {
                for _ in 0..<50 {
                    _ = try await rig.call("ListVMs")
                    _ = try await rig.property(.state, of: slow.uuid)
                    _ = try await rig.call(.pause, other.uuid, .options())
                    _ = try await rig.call(.resume, other.uuid, .options())
                }
                _ = try await rig.call("CreateVM", .string("third"), .options())
                _ = try await rig.call(.destroy, slow.uuid, .options())
            }
            #expect(try await rig.property(.state, of: slow.uuid) == .string("shut-off"))
            gate.open()
            _ = try? await pause.value
        }
    }

    @Test func manyCallsAtOnceAllGetTheirReply() async throws {
        let vms = (0..<10).map { machine("vm\($0)", .running) }
        try await ServiceRig.with { rig async throws in
            for vm in vms {
                rig.fake.put(vm)
                try await rig.inventory.refresh(vm.uuid)
            }
            let replies = await withTaskGroup(of: Bool.self) { group in
                for vm in vms {
                    for _ in 0..<5 {
                        group.addTask { await rig.failure { try await rig.call(.reboot, vm.uuid, .options()) } == nil }
                        group.addTask { await rig.failure { try await rig.call("ListVMs") } == nil }
                    }
                }
                return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(replies == 100)
            #expect(rig.fake.changes.count == 50)
        }
    }
}
