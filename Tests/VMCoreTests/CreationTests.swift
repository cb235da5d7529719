import Testing
import VMModel
import VMTemplates
import VMTestSupport

@testable import VMCore

/// A request for a Linux VM with what most tests want.
func linuxRequest(_ name: String = "debian") -> CreateRequest {
    var request = CreateRequest(name: name)
    request.guest = .linux
    return request
}

@Suite(.timeLimit(.minutes(1))) struct CreationTests {
    @Test func makesDiskAndDefinitionAndShowsThem() async throws {
        let rig = try await Rig()
        var request = linuxRequest()
        request.autostart = true
        request.values = [
            "memory_mb": .integer(2048), "vcpus": .integer(3), "disk_size_gb": .integer(7),
            "iso_path": .string("/srv/it's <1> & \"2\".iso"),
        ]
        let uuid = try await rig.manager.create(request, owner: 1000)
        let vm = try #require(await rig.vm(uuid))
        #expect(vm.name == "debian")
        #expect(vm.state == .shutOff)
        #expect(vm.memoryMB == 2048)
        #expect(vm.vcpus == 3)
        #expect(vm.autostart)
        #expect(vm.template == "linux-basic")
        #expect(vm.ownerUID == 1000)
        let path = "/pool/debian-\(uuid).qcow2"
        #expect(rig.fake.world.disks == [path: 7 << 30])
        #expect(rig.fake.world.machines[uuid]?.disks == [VMDisk(path: path, isOwn: true)])
        let xml = try #require(rig.fake.world.machines[uuid]?.xml)
        #expect(xml.contains("<source dev='/srv/it&#39;s &lt;1&gt; &amp; &#34;2&#34;.iso'/>"))
        #expect(xml.contains("<source network='default'/>"))
        #expect(xml.contains("<domain type='tcg'>"))
        #expect(rig.fake.changes == [.prepareNetwork, .createDisk, .define, .setAutostart])
        #expect(rig.recorder.states(of: uuid) == [.creating, .shutOff])
        #expect(await rig.isTrue())
    }

    @Test func withStartItRuns() async throws {
        let rig = try await Rig()
        var request = linuxRequest()
        request.start = true
        let uuid = try await rig.manager.create(request, owner: 0)
        #expect(await rig.vm(uuid)?.state == .running)
        #expect(rig.recorder.states(of: uuid) == [.creating, .running])
        #expect(rig.fake.changes.last == .start)
    }

    @Test func itIsReadOnceWhenItIsMade() async throws {
        let rig = try await Rig()
        let define = rig.fake.hold(.define, nil, .after)
        let create = Task { try await rig.manager.create(linuxRequest(), owner: 7) }
        try await define.reached()
        let uuid = try await rig.inventory.vm(named: "debian").uuid
        rig.fake.send(.changed(uuid))
        rig.fake.send(.stateChanged(uuid, .running, reason: ""))
        try await rig.settle()
        define.open()
        #expect(try await create.value == uuid)
        try await rig.settle()
        #expect(rig.fake.calls.filter { $0.step == .readVM && $0.vm == uuid }.count == 1)
    }

    @Test func whileItIsMadeItIsListedAndNotTouched() async throws {
        let rig = try await Rig()
        let define = rig.fake.hold(.define, nil, .after)
        let create = Task { try await rig.manager.create(linuxRequest(), owner: 7) }
        try await define.reached()
        let vm = try await rig.inventory.vm(named: "debian")
        #expect(vm.state == .creating)
        #expect(vm.ownerUID == 7)
        #expect(vm.osType == "linux")
        #expect(vm.createdAt > 1_600_000_000_000_000)
        // What the hypervisor tells of it meanwhile is not shown, nor undone by a listing.
        rig.fake.send(.stateChanged(vm.uuid, .running, reason: ""))
        rig.fake.send(.changed(vm.uuid))
        try await rig.settle()
        rig.fake.disconnect()
        rig.fake.connect(version: "Fake 2.0")
        try await eventually("the connection") { await rig.inventory.status.version == "Fake 2.0" }
        #expect(await rig.vm(vm.uuid) == vm)
        #expect(
            await failure { try await rig.manager.start(vm.uuid) }?.message == "cannot start 'debian': it is creating")
        #expect(await rig.failureCreating(linuxRequest())?.code == .alreadyExists)
        define.open()
        #expect(try await create.value == vm.uuid)
        #expect(await rig.vm(vm.uuid)?.state == .shutOff)
    }

    @Test func aResultThatCannotBeReadIsUnknownAndNotCreatingForEver() async throws {
        let rig = try await Rig()
        rig.fake.fail(.readVM, with: VMError(.timeout, "no answer"), times: .max)
        let uuid = try await rig.manager.create(linuxRequest(), owner: 0)
        #expect(await rig.vm(uuid)?.state == .unknown)
        rig.fake.send(.stateChanged(uuid, .running, reason: "booted"))
        try await rig.settle()
        #expect(await rig.vm(uuid)?.state == .running)
    }

    @Test func theFamilyChoosesTheBasicTemplate() async throws {
        let rig = try await Rig()
        let windows = try await rig.manager.create(CreateRequest(name: "a"), owner: 0)
        #expect(await rig.vm(windows)?.template == "windows11-basic")
        var named = CreateRequest(name: "b")
        named.template = "linux-basic"
        let linux = try await rig.manager.create(named, owner: 0)
        #expect(await rig.vm(linux)?.template == "linux-basic")
        var macos = CreateRequest(name: "c")
        macos.guest = .macos
        #expect(await refusal(rig, macos) == .notFound)
        named.guest = .windows
        #expect(await refusal(rig, named) == .invalidArgument)
        named.guest = nil
        for name in ["", "..", "../linux-basic", "linux-basic.xml.j2", "/etc/passwd", "LINUX-BASIC", "linux-basic\n"] {
            named.template = name
            #expect(await refusal(rig, named) == .notFound)
        }
    }

    private func refusal(_ rig: Rig, _ request: CreateRequest) async -> VMError.Code? {
        await rig.failureCreating(request)?.code
    }

    @Test func theAcceleratorIsWhatTheHostHas() async throws {
        let rig = try await Rig()
        var request = linuxRequest()
        request.values = ["accelerator": .string("kvm")]
        let error = await rig.failureCreating(request)
        #expect(error?.code == .hostUnsupported)
        #expect(rig.fake.changes.isEmpty)
        request.values = ["accelerator": .string("auto")]
        #expect(try await rig.manager.render(request, owner: 0).contains("type='tcg'"))
        rig.fake.change { world in
            world.facts = World.facts(kvmIsUsable: true, maximumVCPUs: 8)
        }
        #expect(try await rig.manager.render(request, owner: 0).contains("type='kvm'"))
        request.values = ["accelerator": .string("tcg")]
        #expect(try await rig.manager.render(request, owner: 0).contains("type='tcg'"))
    }

    @Test func theNetworkIsTheCallersOrTheHostsOrNone() async throws {
        let rig = try await Rig()
        var request = linuxRequest("a")
        request.values = ["network": .string("lab")]
        let own = try await rig.manager.create(request, owner: 0)
        #expect(rig.fake.world.machines[own]?.xml.contains("network='lab'") == true)
        #expect(!rig.fake.changes.contains(.prepareNetwork))
        rig.fake.change { $0.network = nil }
        let none = try await rig.manager.create(linuxRequest("b"), owner: 0)
        #expect(rig.fake.world.machines[none]?.xml.contains("<interface>") == false)
    }

    @Test func renderingChangesNothing() async throws {
        let rig = try await Rig(machine("debian"))
        let before = rig.fake.world
        var request = linuxRequest()
        request.uuid = VMUUID(high: 1, low: 2)
        let xml = try await rig.manager.render(request, owner: 5)
        #expect(xml.contains("<uuid>00000000-0000-0001-0000-000000000002</uuid>"))
        #expect(xml.contains("<owner>5</owner>"))
        #expect(rig.fake.changes.isEmpty)
        #expect(rig.fake.world == before)
        #expect(rig.recorder.all.count == 2)
    }

    @Test func withoutAConnectionNothingIsTried() async throws {
        let rig = try await Rig()
        rig.fake.disconnect()
        try await eventually("the loss") { await !rig.inventory.status.isConnected }
        rig.fake.forgetCalls()
        let error = await rig.failureCreating(linuxRequest())
        #expect(error?.code == .hypervisorUnavailable)
        #expect(error?.message.hasPrefix("cannot create 'debian': ") == true)
        #expect(rig.fake.calls.isEmpty)
        #expect(await rig.inventory.vms.isEmpty)
    }
}
