import DBus
import Glibc
import Testing
import VMCore
import VMManagerAPI
import VMModel
import VMTestSupport

@testable import VMManagerService

/// What polkit says decides, for everybody but root.
@Suite(.timeLimit(.minutes(2)), .enabled(if: getuid() == 0, "needs root to become another user"))
struct ServiceAuthorizationTests {
    static let denied = DBusError.Name.accessDenied
    static let required = DBusError.Name.interactiveAuthorizationRequired
    private static let own: UInt32 = 65534

    func vm(_ name: String = "win11", owner: UInt32? = nil, _ state: VMState = .running) -> VM {
        VM(uuid: .random(), name: name, state: state, template: "linux-basic", ownerUID: owner)
    }

    /// A service with one VM, polkit, and a caller who is not root.
    func with(
        _ vm: VM, _ answer: FakePolkit.Answer, within limit: Duration = .seconds(2),
        _ body: (ServiceRig, FakePolkit, Caller) async throws -> Void
    ) async throws {
        try await ServiceRig.with(vm, answer: limit) { rig async throws in
            let polkit = try await FakePolkit(rig.bus, answer)
            let caller = try await Caller(rig)
            do {
                try await body(rig, polkit, caller)
            } catch {
                await caller.end()
                await polkit.end()
                throw error
            }
            await caller.end()
            await polkit.end()
        }
    }

    func pause(_ vm: VM, _ caller: Caller, mayPrompt: Bool = false) async throws -> Caller.Outcome {
        try await caller.call(
            BusNames.path(of: vm.uuid), VMInterface.name, "Pause", "(@a{sv} {},)", mayPrompt: mayPrompt)
    }

    struct Row: Sendable, CustomStringConvertible {
        let answer: FakePolkit.Answer
        let mayPrompt: Bool
        let error: String?
        let questions: Int
        var description: String { "\(answer), \(mayPrompt ? "may" : "may not") prompt" }
    }

    static let rows = [
        Row(answer: .yes, mayPrompt: false, error: nil, questions: 1),
        Row(answer: .yes, mayPrompt: true, error: nil, questions: 1),
        Row(answer: .no, mayPrompt: false, error: denied, questions: 1),
        Row(answer: .no, mayPrompt: true, error: denied, questions: 1),
        Row(answer: .challenge, mayPrompt: false, error: required, questions: 1),
        Row(answer: .challenge, mayPrompt: true, error: required, questions: 2),
        Row(answer: .dismissed, mayPrompt: true, error: denied, questions: 1),
        Row(answer: .error, mayPrompt: true, error: denied, questions: 1),
        Row(answer: .later(Gate(), .yes), mayPrompt: true, error: denied, questions: 1),
    ]

    @Test(arguments: rows)
    func theAnswerDecides(_ row: Row) async throws {
        let vm = vm()
        try await with(vm, row.answer) { rig, polkit, caller in
            let outcome = try await pause(vm, caller, mayPrompt: row.mayPrompt)
            #expect(outcome.error == row.error, "\(outcome.text)")
            #expect(rig.fake.changes == (row.error == nil ? [.suspend] : []))
            #expect(polkit.questions.map(\.flags) == Array([0, 1].prefix(row.questions)))
        }
    }

    static let nonsense: [([DBusType], [DBusValue])] = [
        ([], []),
        ([.string], [.string("yes")]),
        ([.boolean], [.boolean(true)]),
        ([.boolean, .boolean], [.boolean(true), .boolean(true)]),
        ([.structure([.boolean, .boolean])], [.structure([.boolean(true), .boolean(true)])]),
        (
            [.structure([.boolean, .boolean, .options])],
            [.structure([.boolean(true), .boolean(false), .options([])])]
        ),
        ([.structure([.uint32, .uint32, .string])], [.structure([.uint32(1), .uint32(1), .string("")])]),
        (
            [.structure([.boolean, .boolean, .dictionary(key: .string, value: .string), .boolean])],
            [
                .structure([
                    .boolean(true), .boolean(false), .dictionary(key: .string, value: .string, []), .boolean(false),
                ])
            ]
        ),
        (
            FakePolkit.outputs + [.string], FakePolkit.reply(true, false) + [.string("")]
        ),
    ]

    @Test(arguments: nonsense)
    func nonsenseIsANo(_ types: [DBusType], _ values: [DBusValue]) async throws {
        let vm = vm()
        try await ServiceRig.with(vm) { rig async throws in
            let polkit = try await FakePolkit(rig.bus, outputs: types) { _ in .nonsense(values) }
            let caller = try await Caller(rig)
            #expect(try await pause(vm, caller).error == Self.denied)
            #expect(polkit.questions.count == 1)
            #expect(rig.fake.changes.isEmpty)
            await caller.end()
            await polkit.end()
        }
    }

    @Test func withoutPolkitNobodyMayButRootAndWithItAgainAllIsWell() async throws {
        let vm = vm()
        try await ServiceRig.with(vm) { rig async throws in
            let caller = try await Caller(rig)
            #expect(try await pause(vm, caller).error == Self.denied)
            #expect(rig.fake.changes.isEmpty)
            _ = try await rig.call(.pause, vm.uuid, .options())
            _ = try await rig.call(.resume, vm.uuid, .options())
            let polkit = try await FakePolkit(rig.bus, .yes)
            #expect(try await pause(vm, caller).error == nil)
            await polkit.end()
            await caller.end()
        }
    }

    @Test(arguments: [nil, 65534, 1000] as [UInt32?])
    func polkitIsToldWhoAndWhat(_ owner: UInt32?) async throws {
        let vm = VM(
            uuid: .random(), name: "caf\u{e9}\u{202e}\u{7f}", state: .running, template: "linux\u{1b}", ownerUID: owner)
        try await with(vm, .challenge) { rig, polkit, caller in
            _ = try await pause(vm, caller, mayPrompt: true)
            let questions = polkit.questions
            #expect(questions.count == 2)
            for question in questions {
                #expect(question.subject == "system-bus-name \(caller.uniqueName)")
                #expect(
                    question.action == "org.neuronos.vmmanager.control." + (owner == Self.own ? "own" : "any"))
                #expect(
                    question.details == [
                        "vm.name": "caf???", "vm.uuid": vm.uuid.description, "vm.owner": owner.map(String.init) ?? "",
                        "vm.template": "linux?",
                    ])
            }
            #expect(questions.map { $0.cancellationID.isEmpty } == [true, false])
        }
    }

    /// Who has left the bus before it is asked who that was may have been anybody.
    @Test func whoIsNotKnownIsRefused() async throws {
        try await ServiceRig.with { rig async throws in
            let authorizer = Authorizer(connection: rig.client, polkit: PolkitAuthority(connection: rig.client))
            let call = MethodCall(
                sender: ":1.4711", path: BusNames.manager, interface: ManagerInterface.name, member: "CreateVM",
                arguments: [])
            let error = await #expect(throws: DBusError.self) { _ = try await authorizer.caller(of: call) }
            #expect(error?.name == Self.denied)
        }
    }

    /// libvirt's words may hold paths.
    @Test func rootAloneHearsTheCause() async throws {
        let vm = vm()
        let cause = VMError.Cause(domain: 10, code: 38, operation: "virDomainSuspend", text: "cannot open /secret")
        try await with(vm, .yes) { rig, _, caller in
            rig.fake.fail(.suspend, with: VMError(.failed, "it did not work", cause: cause), times: 2)
            let outcome = try await pause(vm, caller)
            #expect(outcome.error == errorName(.failed))
            #expect(outcome.text.contains("it did not work") && !outcome.text.contains("/secret"))
            let error = await rig.failure { try await rig.call(.pause, vm.uuid, .options()) }
            #expect(error?.message.contains("/secret") == true)
        }
    }

    @Test func rootIsNotAskedFor() async throws {
        let vm = vm()
        try await with(vm, .no) { rig, polkit, _ in
            _ = try await rig.call(.pause, vm.uuid, .options())
            #expect(polkit.questions.isEmpty)
        }
    }

    static let creations: [(String, [String])] = [
        ("{}", ["create"]),
        ("{'iso_path': <'/var/lib/libvirt/neuron-media/a.iso'>}", ["create"]),
        ("{'iso_path': <'/usr/share/neuron-vm/media/sub/a.iso'>}", ["create"]),
        ("{'iso_path': <'/srv/a.iso'>}", ["create", "host-resources"]),
        ("{'iso_path': <'/var/lib/libvirt/neuron-media-evil/a.iso'>}", ["create", "host-resources"]),
        ("{'parameters': <{'iso_path': <'/etc/shadow'>}>}", ["create", "host-resources"]),
        ("{'network': <'lab'>}", ["create", "host-resources"]),
        ("{'network': <'default'>}", ["create"]),
        ("{'uuid': <'3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f'>}", ["create", "host-resources"]),
    ]

    /// Who may make VMs may not therefore take what belongs to the host.
    @Test(arguments: creations)
    func whatBelongsToTheHostNeedsARightOfItsOwn(_ options: String, _ actions: [String]) async throws {
        try await with(vm(), .no) { rig, polkit, caller in
            polkit.answer { $0.action.hasSuffix(".create") ? .yes : .no }
            let outcome = try await caller.call(
                BusNames.manager, ManagerInterface.name, "CreateVM", "('new', @a{sv} \(options))")
            #expect(outcome.error == (actions.count == 1 ? nil : Self.denied), "\(outcome.text)")
            #expect(polkit.questions.map(\.action) == actions.map { "org.neuronos.vmmanager." + $0 })
            for question in polkit.questions {
                #expect(question.details["vm.name"] == "new")
                #expect(question.details["vm.owner"] == String(Self.own))
                #expect(question.details["vm.template"]?.isEmpty == false)
                #expect((question.details["vm.resources"] == nil) == (actions.count == 1))
                #expect(question.details["vm.uuid"]?.isEmpty == !options.contains("uuid"))
            }
            guard actions.count == 1 else {
                #expect(rig.fake.changes.isEmpty)
                return
            }
            // Who makes it owns it.
            let new = try #require(await rig.inventory.vms.first { $0.name == "new" })
            #expect(new.ownerUID == Self.own)
        }
    }

    /// A name that nobody knows is looked for in libvirt for root alone, and is no reason to ask anybody for anything.
    @Test func anUnknownNameIsNoReasonToAsk() async throws {
        try await with(vm(), .challenge) { rig, polkit, caller in
            rig.fake.forgetCalls()
            let outcome = try await caller.call(
                BusNames.manager, ManagerInterface.name, "StartVM", "('nobody', @a{sv} {})", mayPrompt: true)
            #expect(outcome.error == errorName(.notFound))
            #expect(polkit.questions.isEmpty)
            #expect(rig.fake.calls.isEmpty)
        }
    }
}
