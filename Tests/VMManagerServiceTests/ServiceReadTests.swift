import DBus
import Testing
import VMCore
import VMManagerAPI
import VMManagerService
import VMModel
import VMTestSupport

@Suite(.timeLimit(.minutes(1))) struct ServiceReadTests {
    @Test func theListIsThatOfTheInventory() async throws {
        let vms = [machine("a"), machine("b", .running), machine("c\u{1b}[2J\u{202e}", .paused)]
        try await ServiceRig.with(vms[0], vms[1], vms[2]) { rig async throws in
            let rows = try #require(try await rig.call("ListVMs").first?.arrayValue)
            #expect(Set(rows) == Set(vms.map(\.busSummary)))
            #expect(rig.fake.calls.map(\.step) == [.listVMs])
        }
    }

    @Test func anEmptyListIsAList() async throws {
        try await ServiceRig.with { rig async throws in
            let reply = try #require(try await rig.call("ListVMs").first)
            #expect(reply.type.signature == "a(ossstub)")
            #expect(reply.arrayValue?.isEmpty == true)
        }
    }

    @Test func aVMIsFoundByNameAndByUUIDAndNotByTheOther() async throws {
        let vm = machine("win11")
        try await ServiceRig.with(vm) { rig async throws in
            let path = DBusValue.objectPath(BusNames.path(of: vm.uuid))
            #expect(try await rig.call("GetVM", .string("win11")) == [path])
            #expect(try await rig.call("GetVMByUUID", .string(vm.uuid.description)) == [path])
            #expect(try await rig.call("GetVMByUUID", .string(vm.uuid.description.uppercased())) == [path])
            for name in ["", "win1", "WIN11", "win11 ", vm.uuid.description] {
                #expect(await rig.failure { try await rig.call("GetVM", .string(name)) }?.name == errorName(.notFound))
            }
            for text in ["", "win11", "x", vm.uuid.description.replacing("-", with: "")] {
                let error = await rig.failure { try await rig.call("GetVMByUUID", .string(text)) }
                #expect(error?.name == errorName(.invalidArgument))
            }
            let missing = await rig.failure { try await rig.call("GetVMByUUID", .string(VMUUID.random().description)) }
            #expect(missing?.name == errorName(.notFound))
        }
    }

    @Test func twinsInNormalizationAreTwoVMs() async throws {
        let composed = machine("caf\u{e9}")
        let decomposed = machine("cafe\u{301}")
        try await ServiceRig.with(composed, decomposed) { rig async throws in
            #expect(
                try await rig.call("GetVM", .string("caf\u{e9}")) == [.objectPath(BusNames.path(of: composed.uuid))])
            #expect(
                try await rig.call("GetVM", .string("cafe\u{301}")) == [.objectPath(BusNames.path(of: decomposed.uuid))]
            )
            #expect(try await rig.call("ListVMs").first?.arrayValue?.count == 2)
        }
    }

    @Test func getManagedObjectsEqualsGetAll() async throws {
        let vms = (0..<20).map { machine("vm\($0)", $0 % 2 == 0 ? .running : .shutOff) }
        try await ServiceRig.with { rig async throws in
            for vm in vms {
                rig.fake.put(vm)
                try await rig.inventory.refresh(vm.uuid)
            }
            let reply = try await rig.call("GetManagedObjects", interface: "org.freedesktop.DBus.ObjectManager")
            let objects = try #require(reply.first?.entriesValue)
            #expect(Set(objects.compactMap(\.key.objectPathValue)) == Set(vms.map { BusNames.path(of: $0.uuid) }))
            for object in objects {
                let path = try #require(object.key.objectPathValue)
                let interfaces = try #require(object.value.entriesValue)
                #expect(interfaces.map(\.key) == [.string(VMInterface.name)])
                let all = try await rig.call(
                    "GetAll", .string(VMInterface.name), on: path, interface: "org.freedesktop.DBus.Properties")
                let values = try #require(all.first?.optionsValue)
                #expect(interfaces.first?.value.optionsValue == values)
                let vm = try #require(vms.first { BusNames.path(of: $0.uuid) == path })
                #expect(values == Dictionary(uniqueKeysWithValues: vm.busProperties))
                for (name, value) in values {
                    #expect(try await rig.property(name, of: path, VMInterface.name) == value)
                }
            }
        }
    }

    @Test func theManagersPropertiesTellOfTheConnection() async throws {
        try await ServiceRig.with { rig async throws in
            func manager(_ name: ManagerProperty) async throws -> DBusValue? {
                try await rig.property(name.rawValue, of: BusNames.manager, ManagerInterface.name)
            }
            #expect(try await manager(.hypervisorURI) == .string("fake:///test"))
            #expect(try await manager(.hypervisorVersion) == .string("Fake 1.0"))
            #expect(try await manager(.hypervisorConnected) == .boolean(true))
            #expect(try await manager(.version) == .string(ServiceVersion.current))
            #expect(try await manager(.features) == .strings(ServiceVersion.features))
            let signals = try await SignalRecorder(rig.client, from: BusNames.service)
            rig.fake.disconnect()
            let changed = try #require(try await signals.wait(for: "PropertiesChanged").first)
            #expect(changed.body[1].optionsValue == ["HypervisorConnected": .boolean(false)])
            #expect(try await manager(.hypervisorConnected) == .boolean(false))
            #expect(try await manager(.hypervisorVersion) == .string("Fake 1.0"))
        }
    }

    @Test func withoutAConnectionReadsAreAnsweredAndChangesFail() async throws {
        let vm = machine("a", .running)
        try await ServiceRig.with(vm) { rig async throws in
            rig.fake.disconnect()
            try await eventually("the loss") { await !rig.inventory.status.isConnected }
            #expect(try await rig.call("ListVMs").first?.arrayValue == [vm.busSummary])
            #expect(try await rig.property(.state, of: vm.uuid) == .string("running"))
            let error = await rig.failure { try await rig.call(.pause, vm.uuid, .options()) }
            #expect(error?.name == errorName(.hypervisorUnavailable))
        }
    }

    @Test func templatesAreListedWithWhatACallerMaySay() async throws {
        try await ServiceRig.with { rig async throws in
            let rows = try #require(try await rig.call("ListTemplates").first?.arrayValue)
            #expect(rows.compactMap { $0.structureValue?[0].stringValue } == ["linux-basic", "windows11-basic"])
            let linux = try #require(rows.first?.structureValue)
            #expect(linux[1] == .string("linux"))
            let parameters = try #require(linux[3].optionsValue)
            #expect(
                Set(parameters.keys) == [
                    "memory_mb", "vcpus", "disk_size_gb", "iso_path", "network", "accelerator", "secure_boot",
                ])
            let memory = try #require(parameters["memory_mb"]?.optionsValue)
            #expect(memory["type"] == .string("t"))
            #expect(memory["unit"] == .string("MiB"))
            #expect(memory["default"] == .uint64(1024))
            #expect(memory["required"] == .boolean(false))
            #expect(memory["allowed"] == .string("an integer from 256 to 65536"))
        }
    }

    @Test func anObjectThatIsNotThereIsUnknown() async throws {
        try await ServiceRig.with(machine("a")) { rig async throws in
            let error = await rig.failure { try await rig.call(.start, .random(), .options()) }
            #expect(error?.name == DBusError.Name.unknownObject)
            let method = await rig.failure { try await rig.call("NoSuchMethod") }
            #expect(method?.name == DBusError.Name.unknownMethod)
            let readOnly = await rig.failure {
                try await rig.call(
                    "Set", .string(ManagerInterface.name), .string("Version"), .variant(.string("9")),
                    interface: "org.freedesktop.DBus.Properties")
            }
            #expect(readOnly?.name == DBusError.Name.propertyReadOnly)
        }
    }
}
