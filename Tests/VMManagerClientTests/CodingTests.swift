import DBus
import Testing
import VMManagerAPI
import VMModel

@testable import VMManagerClient

struct CodingTests {
    @Test func aRequestSaysOnlyWhatWasChosen() {
        #expect(NewVM(name: "a").options(choosesTemplate: true) == .options([]))
        var vm = NewVM(name: "a")
        vm.guest = .linux
        vm.memoryMB = 512
        vm.vcpus = 2
        vm.diskSizeGB = 10
        vm.isoPath = "/a.iso"
        vm.uuid = VM.sample.uuid
        vm.start = true
        vm.autostart = true
        vm.parameters = [
            "b": .boolean(false), "a": .strings(["x"]), "c": .integer(7), "d": .string("é"),
        ]
        let expected: [(String, DBusValue)] = [
            ("type", .string("linux")), ("memory_mb", .uint64(512)), ("vcpus", .uint32(2)),
            ("disk_size_gb", .uint64(10)), ("iso_path", .string("/a.iso")),
            ("uuid", .string("01234567-89ab-4def-8123-456789abcdef")), ("start", .boolean(true)),
            ("autostart", .boolean(true)),
            (
                "parameters",
                .options([
                    ("a", .strings(["x"])), ("b", .boolean(false)), ("c", .uint64(7)), ("d", .string("é")),
                ])
            ),
        ]
        #expect(vm.options(choosesTemplate: true) == .options(expected))
        #expect(vm.options(choosesTemplate: false) == .options(Array(expected.dropFirst())))
    }

    @Test func theServiceReadsWhatTheClientWrites() throws {
        var vm = NewVM(name: "a")
        vm.template = "linux-basic"
        vm.vcpus = 3
        var reader = try OptionReader(vm.options(choosesTemplate: true))
        #expect(try reader.string("template") == "linux-basic")
        #expect(try reader.unsigned("vcpus") == 3)
        try reader.finish()
    }

    @Test func detailsAreTheVMsProperties() throws {
        let properties = Dictionary(VM.sample.busProperties) { $1 }
        let details = try #require(VMDetails(properties: properties))
        #expect(details.uuid == VM.sample.uuid)
        #expect(details.name == "sample")
        #expect(details.state == "running")
        #expect(details.stateReason == "booted")
        #expect(details.memoryMB == 2048)
        #expect(details.vcpus == 2)
        #expect(details.autostart)
        #expect(details.isPersistent)
        #expect(details.template == "linux-basic")
        #expect(details.osType == "linux")
        #expect(details.ownerUID == 1000)
        #expect(details.createdAt == 1_700_000_000_000_000)
        #expect(!details.hasSavedState)
        #expect(details.job == nil)
    }

    @Test func whatNobodySaidIsNil() throws {
        let foreign = VM(uuid: VM.sample.uuid, name: "x", state: .shutOff)
        var properties = Dictionary(foreign.busProperties) { $1 }
        properties["State"] = .string("hibernating")
        properties["Job"] = .objectPath("/org/neuronos/VMManager/jobs/1")
        let details = try #require(VMDetails(properties: properties))
        #expect(details.ownerUID == nil)
        #expect(details.createdAt == nil)
        #expect(details.state == "hibernating")
        #expect(details.job == "/org/neuronos/VMManager/jobs/1")
    }

    @Test(arguments: VMProperty.allCases)
    func detailsNeedEachProperty(_ property: VMProperty) {
        var properties = Dictionary(VM.sample.busProperties) { $1 }
        properties[property.rawValue] = .byte(1)
        #expect(VMDetails(properties: properties) == nil)
        properties[property.rawValue] = nil
        #expect(VMDetails(properties: properties) == nil)
    }

    @Test func templatesKeepTheirParametersInOrder() throws {
        let template = try #require(TemplateSummary(sampleTemplate))
        #expect(template.name == "linux-basic")
        #expect(template.guest == "linux")
        #expect(template.summary == "Linux")
        #expect(
            template.parameters == [
                .init(
                    name: "vcpus", type: "t", allowed: "an integer from 1 to 288", defaultValue: .integer(2),
                    documentation: "Virtual CPUs."),
                .init(name: "ssh_keys", type: "as", isRequired: true),
            ])
        #expect(TemplateSummary(.structure([.string("a"), .string("b"), .string("c")])) == nil)
        #expect(
            TemplateSummary(
                .structure([.string("a"), .string("b"), .string("c"), .options([("x", .options([]))])])) == nil)
    }

    @Test func textInTheFormOfAUUIDIsNeverAName() {
        #expect(VMReference("win11") == .name("win11"))
        #expect(VMReference("01234567-89AB-4DEF-8123-456789ABCDEF") == .uuid(VM.sample.uuid))
        #expect(VMReference("01234567-89ab-4def-8123-456789abcde") == .name("01234567-89ab-4def-8123-456789abcde"))
    }

    @Test func signalsBecomeChanges() {
        let uuid = DBusValue.string(VM.sample.uuid.description)
        let path = BusNames.path(of: VM.sample.uuid)
        func manager(_ member: String, _ body: [DBusValue]) -> VMChange? {
            VMChange(.signal(path: BusNames.manager, interface: ManagerInterface.name, member: member, body: body))
        }
        func properties(_ path: ObjectPath, _ interface: String, _ values: [(String, DBusValue)]) -> VMChange? {
            VMChange(
                .signal(
                    path: path, interface: "org.freedesktop.DBus.Properties", member: "PropertiesChanged",
                    body: [.string(interface), .options(values), .strings([])]))
        }
        #expect(manager("VMAdded", [.objectPath(path), uuid, .string("a")]) == .added(VM.sample.uuid, name: "a"))
        #expect(manager("VMRemoved", [.objectPath(path), uuid, .string("a")]) == .removed(VM.sample.uuid, name: "a"))
        #expect(
            manager("VMStateChanged", [.objectPath(path), uuid, .string("new"), .string("old"), .string("why")])
                == .stateChanged(VM.sample.uuid, from: "old", to: "new", reason: "why"))
        #expect(properties(path, VMInterface.name, [("Name", .string("b"))]) == .renamed(VM.sample.uuid, to: "b"))
        #expect(
            properties(BusNames.manager, ManagerInterface.name, [("HypervisorConnected", .boolean(false))])
                == .hypervisorConnected(false))
        // What tells nothing here, or is malformed.
        #expect(properties(path, VMInterface.name, [("MemoryMB", .uint64(1))]) == nil)
        #expect(manager("VMAdded", [.objectPath(path), .string("no UUID"), .string("a")]) == nil)
        #expect(manager("VMAdded", []) == nil)
        #expect(manager("VMStateChanged", [.objectPath(path), uuid, .string("new"), .byte(1), .string("")]) == nil)
        #expect(manager("VMRenamed", [.objectPath(path), uuid, .string("a")]) == nil)
    }
}
