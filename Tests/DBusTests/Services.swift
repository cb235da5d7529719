import DBus
import Synchronization

let serviceName = "org.example.Test"
let testInterface = "org.example.Test1"
let objectPath: ObjectPath = "/org/example/Test"

/// A gate that a slow handler waits at.
actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private(set) var arrived = 0
    private var arrivals: [(Int, CheckedContinuation<Void, Never>)] = []

    func wait() async {
        arrived += 1
        let reached = arrivals.filter { $0.0 <= arrived }
        arrivals.removeAll { $0.0 <= arrived }
        for (_, continuation) in reached { continuation.resume() }
        if isOpen { return }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// Returns when `count` have arrived.
    func waitForArrivals(_ count: Int) async {
        if arrived >= count { return }
        await withCheckedContinuation { arrivals.append((count, $0)) }
    }

    func open() {
        isOpen = true
        for continuation in waiting { continuation.resume() }
        waiting = []
    }
}

struct OrdinaryError: Error {}

let testDescription = InterfaceDescription(
    name: testInterface, documentation: "An interface with one of each; \"quotes\" & <angles>.",
    methods: [
        MethodDescription(
            name: "Echo", documentation: "Gives back what it gets.", inputs: [.init("values", .array(.variant), "any")],
            outputs: [.init("values", .array(.variant))]),
        MethodDescription(
            name: "Add", inputs: [.init("a", .int32), .init("b", .int32)], outputs: [.init("sum", .int32)]),
        MethodDescription(name: "Slow", outputs: [.init("done", .boolean)]),
        MethodDescription(name: "Fail", inputs: [.init("name", .string)]),
        MethodDescription(name: "FailOrdinary"),
        MethodDescription(name: "FailInTask", inputs: [.init("name", .string)]),
        MethodDescription(name: "WrongReply", outputs: [.init("text", .string)]),
        MethodDescription(name: "NulReply", outputs: [.init("text", .string)]),
        MethodDescription(
            name: "Table", inputs: [.init("rows", .uint32)],
            outputs: [
                .init(
                    "rows",
                    .array(.structure([.objectPath, .string, .string, .string, .uint64, .uint32, .boolean])))
            ]),
        MethodDescription(name: "Who", outputs: [.init("sender", .string), .init("interactive", .boolean)]),
        MethodDescription(
            name: "Old", annotations: [("org.freedesktop.DBus.Deprecated", "true")]),
    ],
    signals: [
        SignalDescription(
            name: "Happened", documentation: "It did.", arguments: [.init("what", .string), .init("n", .uint32)])
    ],
    properties: [
        PropertyDescription(name: "Name", documentation: "The name.", type: .string),
        PropertyDescription(name: "Count", type: .uint64),
        PropertyDescription(name: "Tags", type: .strings),
        PropertyDescription(name: "Options", type: .options),
        PropertyDescription(name: "Secret", type: .string, emitsChangedSignal: .invalidates),
        PropertyDescription(name: "Fixed", type: .uint32, emitsChangedSignal: .const),
        PropertyDescription(name: "Quiet", type: .uint32, emitsChangedSignal: .false),
    ])

let testProperties: [String: DBusValue] = [
    "Name": .string("one"), "Count": .uint64(1), "Tags": .strings(["a", "b"]),
    "Options": .options([("k", .string("v"))]), "Secret": .string("s"), "Fixed": .uint32(7), "Quiet": .uint32(0),
]

/// The handlers of `testDescription`; `Slow` waits at the gate.
func makeTestInterface(gate: Gate = Gate()) throws -> Interface {
    try Interface(
        testDescription,
        methods: [
            "Echo": .immediate { $0.arguments },
            "Add": .task { call in
                guard let a = call.arguments[0].int32Value, let b = call.arguments[1].int32Value else { return [] }
                return [.int32(a &+ b)]
            },
            "Slow": .task { _ in
                await gate.wait()
                return [.boolean(true)]
            },
            "Fail": .immediate { throw DBusError(name: $0.arguments[0].stringValue ?? "", message: "as asked") },
            "FailOrdinary": .immediate { _ in throw OrdinaryError() },
            "FailInTask": .task { throw DBusError(name: $0.arguments[0].stringValue ?? "", message: "as asked") },
            "WrongReply": .immediate { _ in [.uint32(1)] },
            "NulReply": .immediate { _ in [.string("a\0b")] },
            "Table": .immediate { call in
                let count = Int(call.arguments[0].uint32Value ?? 0)
                let row: [DBusType] = [.objectPath, .string, .string, .string, .uint64, .uint32, .boolean]
                let rows = try (0..<count).map { index -> DBusValue in
                    .structure([
                        .objectPath(try objectPath.appending("vm\(index)")), .string("vm-\(index)"),
                        .string("6f1c2f5e-0000-4000-8000-\(index)"), .string("running"), .uint64(2048), .uint32(2),
                        .boolean(false),
                    ])
                }
                return [.array(of: .structure(row), rows)]
            },
            "Who": .immediate { [.string($0.sender), .boolean($0.allowsInteractiveAuthorization)] },
            "Old": .immediate { _ in [] },
        ])
}

/// A connection that owns `serviceName` and has the test object.
func startService(_ bus: TestBus, gate: Gate = Gate(), on loop: EventLoop? = nil) async throws -> DBusConnection {
    let service = try await bus.connect(on: loop)
    let interface = try makeTestInterface(gate: gate)
    let objects = service.objects
    try await service.loop.run { () throws(DBusError) in
        try objects.export(objectPath, interface, properties: testProperties)
    }
    try await service.requestName(serviceName)
    return service
}

extension DBusConnection {
    /// Calls the test service.
    func callTest(
        _ member: String, _ body: [DBusValue] = [], interface: String = testInterface, path: ObjectPath = objectPath,
        interactive: Bool = false, timeout: Duration = .seconds(25)
    ) async throws -> [DBusValue] {
        try await call(
            .methodCall(
                destination: serviceName, path: path, interface: interface, member: member, body: body,
                allowInteractiveAuthorization: interactive), timeout: timeout
        ).body
    }

    /// The name of the error that a call of the test service ends with; empty if it succeeds.
    func errorOfTest(
        _ member: String, _ body: [DBusValue] = [], interface: String = testInterface, path: ObjectPath = objectPath,
        timeout: Duration = .seconds(25)
    ) async throws -> String {
        do {
            _ = try await callTest(member, body, interface: interface, path: path, timeout: timeout)
            return ""
        } catch let error as DBusError {
            return error.name
        }
    }
}
