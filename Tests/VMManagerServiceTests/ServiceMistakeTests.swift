import DBus
import Testing
import VMCore
import VMManagerAPI
import VMManagerService
import VMModel
import VMTestSupport

/// What is wrong with a call is said with the documented name, before anything is done.
@Suite(.timeLimit(.minutes(1))) struct ServiceMistakeTests {
    /// The words of libvirt may hold paths: they are for root and for the journal.
    @Test func errorsHaveTheirNamesAndSayWhatToDo() async throws {
        let vm = machine("win11")
        try await ServiceRig.with(vm) { rig async throws in
            let state = await rig.failure { try await rig.call(.pause, vm.uuid, .options()) }
            #expect(state == DBusError(name: errorName(.invalidState), message: "cannot pause 'win11': it is shut-off"))
            let missing = await rig.failure { try await rig.call("StartVM", .string("nobody"), .options()) }
            #expect(missing == DBusError(name: errorName(.notFound), message: "there is no VM of that name"))
            let secret = VMError.Cause(domain: 1, code: 2, operation: "virDomainCreate", text: "/secret/path")
            rig.fake.fail(.start, with: VMError(.hostUnsupported, "no KVM", cause: secret))
            let failed = await rig.failure { try await rig.call(.start, vm.uuid, .options()) }
            #expect(failed?.name == errorName(.hostUnsupported))
            #expect(failed?.message.hasPrefix("cannot start 'win11': no KVM") == true)
            #expect(rig.log.all.contains { $0.contains("/secret/path") })
        }
    }

    @Test(arguments: VMMethod.allCases)
    func unknownOptionsAreRefusedBeforeAnythingIsDone(_ method: VMMethod) async throws {
        let vm = machine("a")
        try await ServiceRig.with(vm) { rig async throws in
            for option in ["nothing", "", "Force", "timeout ", "\u{202e}x"] {
                let options = DBusValue.options((option, .boolean(true)))
                let arguments = method == .setAutostart ? [.boolean(true), options] : [options]
                let error = await rig.failure {
                    try await rig.call(
                        method.rawValue, arguments, on: BusNames.path(of: vm.uuid), interface: VMInterface.name)
                }
                #expect(error?.name == errorName(.invalidArgument))
                #expect(error?.message.hasPrefix("unknown option '") == true)
            }
            #expect(rig.fake.calls.map(\.step) == [.listVMs])
        }
    }

    static let wrongOptions: [(VMMethod, String, DBusValue)] = [
        (.stop, "timeout", .string("60")), (.stop, "timeout", .int32(-1)), (.stop, "timeout", .double(1)),
        (.stop, "timeout", .uint64(86_401)), (.stop, "timeout", .uint64(.max)), (.stop, "timeout", .int64(.min)),
        (.stop, "force", .uint32(1)), (.stop, "force", .string("true")),
        (.stop, "force", .variant(.variant(.boolean(true)))),
        (.delete, "delete_disks", .byte(1)), (.delete, "delete_disks", .strings([])),
    ]

    @Test(arguments: wrongOptions)
    func optionsOfTheWrongTypeAreRefused(_ method: VMMethod, _ option: String, _ value: DBusValue) async throws {
        let vm = machine("a", .running)
        try await ServiceRig.with(vm) { rig async throws in
            let error = await rig.failure { try await rig.call(method, vm.uuid, .options((option, value))) }
            #expect(error?.name == errorName(.invalidArgument))
            #expect(error?.message.contains(option) == true)
            #expect(rig.fake.changes.isEmpty)
        }
    }

    static let wrongCreations: [(String, DBusValue)] = [
        ("type", .string("beos")), ("type", .string("")), ("type", .string("Linux")), ("type", .uint32(1)),
        ("template", .boolean(true)), ("uuid", .string("x")), ("uuid", .string("")), ("uuid", .uint64(1)),
        ("start", .string("yes")), ("autostart", .uint32(1)), ("parameters", .string("x")),
        ("parameters", .strings(["a"])), ("parameters", .options(("nothing", .byte(1)))),
        ("parameters", .options(("name", .string("other")))), ("parameters", .options(("disk_path", .string("/x")))),
        ("memory_mb", .string("1024")), ("memory_mb", .double(1024)), ("memory_mb", .int64(-1)),
        ("memory_mb", .uint64(0)),
        ("memory_mb", .uint64(.max)), ("vcpus", .uint32(.max)), ("vcpus", .uint32(0)), ("vcpus", .boolean(true)),
        ("disk_size_gb", .uint64(1 << 63)), ("disk_size_gb", .strings(["1"])), ("owner_uid", .uint32(0)),
        ("nothing", .string("x")), ("accelerator", .string("xen")),
    ]

    @Test(arguments: wrongCreations)
    func wrongOptionsMakeNothing(_ option: String, _ value: DBusValue) async throws {
        try await ServiceRig.with { rig async throws in
            let error = await rig.failure {
                try await rig.call("CreateVM", .string("a"), .options((option, value)))
            }
            #expect(error?.name == errorName(.invalidArgument))
            #expect(rig.fake.calls.map(\.step) == [.listVMs])
            #expect(try await rig.call("ListVMs").first?.arrayValue?.isEmpty == true)
        }
    }

    /// libvirt 9.0 deletes parts of its own state when it is given the first two, and the end-to-end tests must not try that.
    @Test(arguments: [".", "..", "", "../x", "/", "a/b", "a\n", VMUUID.random().description, "123"])
    func namesThatLibvirtMustNotSee(_ name: String) async throws {
        try await ServiceRig.with { rig async throws in
            var expected: [String: VMError.Code] = ["CreateVM": .invalidArgument, "RenderTemplate": .invalidArgument]
            for method in ManagerMethod.allCases where method.vmMethod != nil { expected[method.rawValue] = .notFound }
            for (method, code) in expected {
                let template: [DBusValue] = method == "RenderTemplate" ? [.string("linux-basic")] : []
                let arguments = template + [.string(name), .options()]
                let error = await rig.failure {
                    try await rig.call(method, arguments, on: BusNames.manager, interface: ManagerInterface.name)
                }
                #expect(error?.name == errorName(code), "\(method)")
                #expect(error?.message.utf8.allSatisfy { (0x20..<0x7f).contains($0) } == true, "\(method)")
            }
            #expect(rig.fake.calls.map(\.step) == [.listVMs])
        }
    }

    /// Who parses a definition with that many processors aborts, which would be libvirtd.
    @Test(arguments: [
        DBusValue.uint32(.max), .uint64(UInt64(UInt32.max)), .int64(Int64(UInt32.max)), .uint64(1 << 32), .uint64(.max),
        .uint32(1 << 31), .int32(.max), .int64(-1), .int32(-1), .int16(-1), .uint32(0), .byte(0),
    ])
    func numbersOfProcessorsThatLibvirtMustNotSee(_ number: DBusValue) async throws {
        try await ServiceRig.with { rig async throws in
            for options in [
                DBusValue.options(("vcpus", number)), .options(("parameters", .options(("vcpus", number)))),
            ] {
                for (method, arguments) in [
                    ("CreateVM", [DBusValue.string("a"), options]),
                    ("RenderTemplate", [.string("linux-basic"), .string("a"), options]),
                ] {
                    let error = await rig.failure {
                        try await rig.call(method, arguments, on: BusNames.manager, interface: ManagerInterface.name)
                    }
                    #expect(error?.name == errorName(.invalidArgument), "\(method)")
                }
            }
            #expect(rig.fake.calls.map(\.step) == [.listVMs])
        }
    }

    @Test func anOptionGivenTwiceIsRefused() async throws {
        let vm = machine("a", .running)
        try await ServiceRig.with(vm) { rig async throws in
            let both = await rig.failure {
                try await rig.call(.stop, vm.uuid, .options(("force", .boolean(true)), ("force", .boolean(false))))
            }
            #expect(both?.name == errorName(.invalidArgument))
            let inside = await rig.failure {
                try await rig.call(
                    "CreateVM", .string("b"),
                    .options(("vcpus", .uint32(1)), ("parameters", .options(("vcpus", .uint32(2))))))
            }
            #expect(inside?.name == errorName(.invalidArgument))
            #expect(rig.fake.changes.isEmpty)
        }
    }

    @Test func aWrongSignatureIsRefused() async throws {
        let vm = machine("a", .running)
        try await ServiceRig.with(vm) { rig async throws in
            let calls: [[DBusValue]] = [
                [], [.string("a")], [.options(), .options()], [.dictionary(key: .string, value: .string, [])],
            ]
            for arguments in calls {
                let error = await rig.failure {
                    try await rig.call("Pause", arguments, on: BusNames.path(of: vm.uuid), interface: VMInterface.name)
                }
                #expect(error?.name == DBusError.Name.invalidArgs)
            }
            #expect(rig.fake.changes.isEmpty)
        }
    }
}
