import DBus
import Synchronization
import VMTestSupport

/// An `org.freedesktop.PolicyKit1` with the answers that a test chooses. The real one is asked in the end-to-end tests.
final class FakePolkit: Sendable {
    /// What `CheckAuthorization` was asked.
    struct Question: Hashable, Sendable {
        let subject: String
        let action: String
        let details: [String: String]
        let flags: UInt32
        let cancellationID: String
    }

    enum Answer: Sendable {
        case yes, no, challenge, dismissed
        case nonsense([DBusValue])
        case error
        /// None until the gate is open, and then this one.
        indirect case later(Gate, Answer)
    }

    typealias Rule = @Sendable (Question) -> Answer

    static let name = "org.freedesktop.PolicyKit1"
    static let path: ObjectPath = "/org/freedesktop/PolicyKit1/Authority"
    private static let interface = "org.freedesktop.PolicyKit1.Authority"

    let connection: DBusConnection
    private let asked = Mutex<[Question]>([])
    private let cancelled = Mutex<[String]>([])
    private let rule: Mutex<Rule>

    /// What has been asked so far, in order.
    var questions: [Question] { asked.withLock { $0 } }
    /// The names of the questions that were taken back.
    var cancellations: [String] { cancelled.withLock { $0 } }

    /// - Parameter outputs: the types of its replies, where they are to be others than polkit's.
    init(_ bus: TestBus, outputs: [DBusType] = FakePolkit.outputs, _ rule: @escaping Rule) async throws {
        connection = try await DBusConnection.connect(to: .address(bus.address), loop: EventLoop(name: "polkit"))
        self.rule = Mutex(rule)
        let interface = try Interface(
            Self.description(outputs),
            methods: [
                "CheckAuthorization": .task { [weak self] call in
                    guard let self else { throw DBusError.failed("ended") }
                    return try await answer(call)
                },
                "CancelCheckAuthorization": .immediate { [weak self] call in
                    self?.cancelled.withLock { $0.append(call.arguments.first?.stringValue ?? "") }
                    return []
                },
            ])
        try await connection.loop.run { [connection] in try connection.objects.export(Self.path, interface) }
        try await connection.requestName(Self.name)
    }

    convenience init(_ bus: TestBus, _ answer: Answer) async throws {
        try await self.init(bus) { _ in answer }
    }

    func answer(with rule: @escaping Rule) {
        self.rule.withLock { $0 = rule }
    }

    func end() async {
        await connection.close()
        connection.loop.shutdown()
    }

    /// Says that its rules have changed.
    func tellChanged() async throws {
        try await connection.loop.run { [connection] in
            try connection.objects.emit(Self.path, interface: Self.interface, signal: "Changed", [])
        }
    }

    private func answer(_ call: MethodCall) async throws -> [DBusValue] {
        let subject = call.arguments[0].structureValue ?? []
        let question = Question(
            subject: "\(subject[0].stringValue ?? "") \(subject[1].optionsValue?["name"]?.stringValue ?? "")",
            action: call.arguments[1].stringValue ?? "",
            details: Dictionary(
                (call.arguments[2].entriesValue ?? []).map { ($0.key.stringValue ?? "", $0.value.stringValue ?? "") }
            ) { $1 },
            flags: call.arguments[3].uint32Value ?? 0, cancellationID: call.arguments[4].stringValue ?? "")
        asked.withLock { $0.append(question) }
        return try await reply(rule.withLock { $0 }(question))
    }

    private func reply(_ answer: Answer) async throws -> [DBusValue] {
        switch answer {
        case .yes: return Self.reply(true, false)
        case .no: return Self.reply(false, false)
        case .challenge: return Self.reply(false, true)
        case .dismissed: return Self.reply(false, true, ["polkit.dismissed": "true"])
        case .nonsense(let values): return values
        case .error: throw DBusError(name: "org.freedesktop.PolicyKit1.Error.Failed", message: "no")
        case .later(let gate, let answer):
            await gate.pass()
            return try await reply(answer)
        }
    }

    static func reply(
        _ isAuthorized: Bool, _ isChallenge: Bool, _ details: [String: String] = [:]
    ) -> [DBusValue] {
        let entries = details.map { DBusValue.Entry(key: .string($0), value: .string($1)) }
        return [
            .structure([
                .boolean(isAuthorized), .boolean(isChallenge), .dictionary(key: .string, value: .string, entries),
            ])
        ]
    }

    private static let details = DBusType.dictionary(key: .string, value: .string)
    static let outputs = [DBusType.structure([.boolean, .boolean, details])]

    private static func description(_ outputs: [DBusType]) -> InterfaceDescription {
        InterfaceDescription(
            name: interface,
            methods: [
                MethodDescription(
                    name: "CheckAuthorization",
                    inputs: [
                        .init("subject", .structure([.string, .options])), .init("action_id", .string),
                        .init("details", details), .init("flags", .uint32), .init("cancellation_id", .string),
                    ],
                    outputs: outputs.map { .init("result", $0) }),
                MethodDescription(name: "CancelCheckAuthorization", inputs: [.init("cancellation_id", .string)]),
            ],
            signals: [SignalDescription(name: "Changed")])
    }
}
