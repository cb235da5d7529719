import DBus
import Synchronization
import VMManagerAPI
import VMModel

/// The contract with answers that a test chooses, and a record of the calls.
final class FakeService: Sendable {
    typealias Answer = @Sendable (MethodCall) async throws -> [DBusValue]

    let connection: DBusConnection
    private let recorded = Mutex<[MethodCall]>([])
    private let answer: Answer

    var calls: [MethodCall] { recorded.withLock { $0 } }

    /// Exports the manager and one VM, and takes the name.
    init(
        on bus: TestBus, vms: [VM] = [.sample],
        answer: @escaping Answer = { FakeService.usualAnswer($0) }
    ) async throws {
        connection = try await bus.connect()
        self.answer = answer
        let manager = try interface(ManagerInterface.description)
        let vm = try interface(VMInterface.description)
        try await connection.loop.run { [connection] in
            connection.objects.addObjectManager(at: BusNames.manager)
            try connection.objects.export(
                BusNames.manager, manager,
                properties: [
                    "Version": .string("1"), "HypervisorURI": .string("test:///default"),
                    "HypervisorVersion": .string(""), "HypervisorConnected": .boolean(true), "Features": .strings([]),
                ])
            for each in vms {
                try connection.objects.export(
                    BusNames.path(of: each.uuid), vm,
                    properties: Dictionary(each.busProperties) { $1 })
            }
        }
        try await connection.requestName(BusNames.service)
    }

    /// Leaves the bus, as the end of the process would.
    func end() async {
        await connection.close()
    }

    func emit(_ signal: ManagerSignal, _ body: [DBusValue]) async throws {
        try await connection.loop.run { [connection] in
            try connection.objects.emit(
                BusNames.manager, interface: ManagerInterface.name, signal: signal.rawValue, body)
        }
    }

    func set(_ path: ObjectPath, _ interface: String, _ property: String, _ value: DBusValue) async throws {
        try await connection.loop.run { [connection] in
            try connection.objects.setProperties(path, interface: interface, [(property, value)])
        }
    }

    func interface(_ description: InterfaceDescription) throws -> Interface {
        var handlers: [String: MethodHandler] = [:]
        for method in description.methods {
            handlers[method.name] = .task { [weak self] call in
                guard let self else { return [] }
                recorded.withLock { $0.append(call) }
                return try await answer(call)
            }
        }
        return try Interface(description, methods: handlers)
    }

    /// What a service with the sample VM and one template would say.
    @Sendable static func usualAnswer(_ call: MethodCall) -> [DBusValue] {
        let path = DBusValue.objectPath(BusNames.path(of: VM.sample.uuid))
        switch call.member {
        case "ListVMs":
            let row: [DBusType] = [.objectPath, .string, .string, .string, .uint64, .uint32, .boolean]
            return [.array(of: .structure(row), [VM.sample.busSummary])]
        case "GetVM", "GetVMByUUID", "CreateVM": return [path]
        case "ListTemplates":
            return [.array(of: .structure([.string, .string, .string, .options]), [sampleTemplate])]
        case "CheckHost":
            let row: [DBusValue] = ["kvm", "warn", "not usable", "load it"].map(DBusValue.string)
            return [.array(of: .structure([.string, .string, .string, .string]), [.structure(row)])]
        case "RenderTemplate", "GetXML": return [.string("<domain/>")]
        case "Delete", "DeleteVM": return [.strings(["/kept.qcow2"])]
        default: return []
        }
    }
}

extension VM {
    static let sample = VM(
        uuid: VMUUID(high: 0x0123_4567_89ab_4def, low: 0x8123_4567_89ab_cdef), name: "sample", state: .running,
        stateReason: "booted", memoryMB: 2048, vcpus: 2, autostart: true, template: "linux-basic", osType: "linux",
        ownerUID: 1000, createdAt: 1_700_000_000_000_000)
}

let sampleTemplate = DBusValue.structure([
    .string("linux-basic"), .string("linux"), .string("Linux"),
    .options([
        (
            "vcpus",
            .options([
                ("type", .string("t")), ("allowed", .string("an integer from 1 to 288")), ("unit", .string("")),
                ("required", .boolean(false)), ("description", .string("Virtual CPUs.")), ("default", .uint64(2)),
            ])
        ),
        ("ssh_keys", .options([("type", .string("as")), ("required", .boolean(true)), ("new", .byte(1))])),
    ]),
])
