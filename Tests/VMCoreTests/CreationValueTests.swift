import Testing
import VMModel
import VMTemplates
import VMTestSupport

@testable import VMCore

/// What a caller may ask for. What is refused never reaches the hypervisor.
@Suite(.timeLimit(.minutes(1))) struct CreationValueTests {
    private func refusal(_ rig: Rig, _ request: CreateRequest) async throws -> VMError {
        rig.fake.forgetCalls()
        let error = try #require(await rig.failureCreating(request))
        #expect(rig.fake.calls.isEmpty)
        #expect(await rig.inventory.vms.isEmpty)
        #expect(error.message.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f })
        #expect(await failure { _ = try await rig.manager.render(request, owner: 0) }?.code == error.code)
        #expect(await failure { _ = try rig.manager.check(request) }?.code == error.code)
        return error
    }

    static let numbers: [(String, ClosedRange<UInt64>)] = [
        ("memory_mb", 256...65536), ("vcpus", 1...288), ("disk_size_gb", 1...65536),
    ]
    static let edges: [UInt64] = [
        0, 1, 2, 255, 256, 287, 288, 289, 65535, 65536, 65537, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 53 + 1,
        1 << 63 - 1, 1 << 63, .max - 1, .max,
    ]

    @Test(arguments: numbers, edges)
    func numbersOutsideTheirRangeAreRefused(_ option: (String, ClosedRange<UInt64>), _ number: UInt64) async throws {
        let rig = try await Rig()
        var request = linuxRequest()
        request.values[option.0] = .integer(number)
        guard !option.1.contains(number) else {
            _ = try await rig.manager.create(request, owner: 0)
            return
        }
        let error = try await refusal(rig, request)
        #expect(error.code == .invalidArgument)
        #expect(error.message.contains(option.0))
        #expect(error.message.contains("from \(option.1.lowerBound) to \(option.1.upperBound)"))
    }

    /// Also where a template forgets to say what is reasonable.
    @Test(arguments: ["memory_mb", "vcpus", "disk_size_gb"], [0, 1 << 31, 1 << 53 + 1, 1 << 62])
    func absurdNumbersAreRefusedWhateverTheTemplateSays(_ option: String, _ number: UInt64) async throws {
        var text = TestTemplates.text(guest: "linux")
        for limit in ["minimum: 256", "minimum: 1"] { text = text.replacing(limit + ",", with: "minimum: 0,") }
        for limit in ["65536", "288"] {
            text = text.replacing("maximum: \(limit),", with: "maximum: 9223372036854775807,")
        }
        let templates = try TestTemplates(["wide": text])
        #expect(templates.library.rejected.isEmpty)
        let rig = try await Rig()
        let manager = VMManager(
            inventory: rig.inventory, hypervisor: rig.fake, templates: templates.library, intents: MemoryIntents(),
            seeds: FakeSeeds())
        var request = CreateRequest(name: "a")
        request.template = "wide"
        request.values[option] = .integer(number)
        rig.fake.forgetCalls()
        let error = await failure { [request] in _ = try await manager.create(request, owner: 0) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.hasPrefix(option) == true)
        #expect(rig.fake.calls.isEmpty)
    }

    @Test func noMoreCPUsThanTheHostAllows() async throws {
        let rig = try await Rig()
        rig.fake.change { world in
            world.facts = World.facts(maximumVCPUs: 4)
        }
        var request = linuxRequest()
        request.values["vcpus"] = .integer(5)
        let error = await rig.failureCreating(request)
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "cannot create 'debian': vcpus must be from 1 to 4 on this host")
        #expect(rig.fake.changes.isEmpty)
        #expect(await rig.inventory.vms.isEmpty)
        request.values["vcpus"] = .integer(4)
        _ = try await rig.manager.create(request, owner: 0)
    }

    @Test(arguments: [
        "rel ative", "./x", "../x", "/", "//", "/a/../b", "/a/..", "/..", "/a/./b", "/.", "/a\nb", "/a\u{1b}[2J",
        "/a\u{7f}",
        "/a\u{0}b", "/a\u{85}b", "file:///etc/passwd", "~/x.iso", "http://host/x.iso", " /a", "{{ name }}",
        "/{{ name }}",
        "/" + String(repeating: "a", count: 4096), "",
    ])
    func badPathsAreRefused(_ path: String) async throws {
        var request = linuxRequest()
        request.values["iso_path"] = .string(path)
        let code = try await refusal(Rig(), request).code
        #expect([.pathNotAllowed, .invalidArgument].contains(code))
    }

    @Test(arguments: ["/a", "/srv/a b.iso", "/srv//a", "/.hidden/x", "/...", "/a/..b", "/a]]>", "/%s%n", "/caf\u{e9}"])
    func plainAbsolutePathsAreTaken(_ path: String) async throws {
        var request = linuxRequest()
        request.values["iso_path"] = .string(path)
        _ = try await Rig().manager.create(request, owner: 0)
    }

    @Test(arguments: [
        ("memory_mb", ParameterValue.string("1024")), ("memory_mb", .boolean(true)), ("memory_mb", .strings(["1024"])),
        ("vcpus", .string("2")), ("vcpus", .boolean(false)), ("disk_size_gb", .string("20G")),
        ("iso_path", .integer(1)),
        ("iso_path", .boolean(true)), ("iso_path", .strings(["/a"])), ("secure_boot", .integer(1)),
        ("secure_boot", .string("true")), ("network", .integer(0)), ("accelerator", .integer(1)),
        ("accelerator", .string("xen")), ("accelerator", .string("")), ("accelerator", .string("KVM")),
        ("accelerator", .strings(["kvm"])),
    ])
    func wrongTypesAreRefused(_ option: String, _ value: ParameterValue) async throws {
        var request = linuxRequest()
        request.values[option] = value
        let error = try await refusal(Rig(), request)
        #expect(error.code == .invalidArgument)
        #expect(error.message.contains(option))
    }

    @Test(arguments: [
        "disk_path", "owner_uid", "template", "name", "uuid", "", "Memory_mb", "memory_mb ", "nothing", "x\u{1b}[31m",
        "\u{202e}x",
        String(repeating: "k", count: 10_000),
    ])
    func whatIsNotTheCallersToSayIsUnknown(_ option: String) async throws {
        var request = linuxRequest()
        for value in [
            ParameterValue.string("x"), .string("/pool/x"), .integer(0), .string(VMUUID.random().description),
        ] {
            request.values = [option: value]
            let error = try await refusal(Rig(), request)
            #expect(error.code == .invalidArgument)
            #expect(error.message.hasPrefix("unknown option '"))
            #expect(error.message.utf8.count < 200)
        }
    }

    @Test(arguments: [
        "", "..", ".", "a/b", "a\n", "1234", "-x", VMUUID.random().description, String(repeating: "a", count: 64),
    ])
    func badNamesAreRefused(_ name: String) async throws {
        #expect(try await refusal(Rig(), linuxRequest(name)).code == .invalidArgument)
    }

    @Test func aNameOrUUIDThatIsTakenIsRefusedBeforeAnythingIsDone() async throws {
        let vm = machine("debian")
        let rig = try await Rig(vm)
        rig.fake.forgetCalls()
        let byName = await rig.failureCreating(linuxRequest())
        #expect(byName?.code == .alreadyExists)
        #expect(byName?.message == "cannot create 'debian': there is a VM of that name")
        var request = linuxRequest("other")
        request.uuid = vm.uuid
        let byUUID = await rig.failureCreating(request)
        #expect(byUUID?.code == .alreadyExists)
        #expect(byUUID?.message == "cannot create 'other': there is a VM with that UUID")
        #expect(rig.fake.calls.isEmpty)
        #expect(await rig.inventory.vms == [vm])
    }
}

/// The check of a path by itself: the templates' own, which comes after it, is not relied on.
@Suite struct HostPathTests {
    @Test(arguments: [
        "", "a", "./a", "a/", "/", "//", "/.", "/./a", "/a/.", "/a/./b", "/..", "/../a", "/a/..", "/a/../b", "/a\u{0}",
        "/a\nb", "/\u{1b}[2J", "/a\u{1f}", "/a\u{7f}", "/" + String(repeating: "a", count: 4095),
        "/" + String(repeating: "a/", count: 100_000),
    ])
    func whatIsNoPlainPathIsRefused(_ path: String) {
        let error = #expect(throws: VMError.self) { try HostPath.check(path, option: "iso_path") }
        #expect(error?.code == .pathNotAllowed)
        #expect(error?.message.hasPrefix("iso_path must be ") == true)
    }

    @Test(arguments: ["/a", "//a", "/a/", "/...", "/.a/..b", "/a b", "/" + String(repeating: "a", count: 4094)])
    func aPlainPathIsTaken(_ path: String) throws {
        try HostPath.check(path, option: "iso_path")
    }
}
