import DBus
import Synchronization
import VMManagerAPI

/// polkit, asked over the bus who may do what: `org.freedesktop.PolicyKit1.Authority`, polkit(8).
///
/// The subject is always the connection that sent the message, by its unique name on the bus, which is never given to another one.
/// A process id could be another process's by the time that polkit looks.
struct PolkitAuthority: Sendable {
    static let name = "org.freedesktop.PolicyKit1"
    static let path: ObjectPath = "/org/freedesktop/PolicyKit1/Authority"
    static let interface = "org.freedesktop.PolicyKit1.Authority"

    /// How long polkit may take. What takes longer is a no.
    struct Patience: Sendable {
        /// For an answer that nobody has to be asked for.
        var answer: Duration = .seconds(10)
        /// For somebody to find a password and type it.
        var prompt: Duration = .seconds(300)
    }

    /// Whether a connection may do something, with what rules and prompts are to know about it.
    struct Question: Sendable {
        let sender: String
        let action: String
        let details: [(String, String)]
    }

    enum Answer: Sendable, Hashable {
        case authorized
        /// Somebody who authenticates could.
        case needsAuthentication
        /// The prompt was closed, or the password was wrong.
        case dismissed
        case refused
    }

    /// The one who asked left the bus before there was an answer.
    struct CallerHasLeft: Error {}

    let connection: DBusConnection
    let patience: Patience
    /// For names of questions that can be taken back; polkit tells them apart by connection and name.
    private let lastQuestion = Counter()
    private let prompts = Prompts()

    init(connection: DBusConnection, patience: Patience = Patience()) {
        self.connection = connection
        self.patience = patience
    }

    /// Asks without disturbing anybody. D-Bus: `CheckAuthorization` without flags.
    /// - Throws: anything but an answer: polkit is not there, is silent, or says what nobody understands.
    func check(_ question: Question) async throws -> Answer {
        try Self.answer(in: try await connection.call(message(question), timeout: patience.answer))
    }

    /// Whether it answers at all: asks whether this service may make VMs, and does not mind the answer.
    /// - Throws: as the other.
    func probe(within limit: Duration) async throws {
        let question = Question(
            sender: connection.uniqueName, action: Action.create.identifier(ownVM: true),
            details: Authorizer.Target().details)
        _ = try Self.answer(in: try await connection.call(message(question), timeout: limit))
    }

    /// Asks, and has polkit show a prompt if it takes one. The prompt is closed when the one who asked leaves the bus, and when
    /// the time is up. D-Bus: `CheckAuthorization` with `AllowUserInteraction`, `CancelCheckAuthorization`.
    /// - Throws: `CallerHasLeft`; else as the other.
    func checkWithPrompt(_ question: Question) async throws -> Answer {
        let cancellationID = "neuron-vmd-\(lastQuestion.next())"
        let message = message(question, cancellationID: cancellationID)
        do {
            let reply = try await withThrowingTaskGroup(of: DBusMessage.self) { [connection, patience, prompts] group in
                group.addTask { try await connection.call(message, timeout: patience.prompt) }
                group.addTask {
                    try await connection.waitForDeparture(of: question.sender)
                    throw CallerHasLeft()
                }
                group.addTask {
                    await prompts.waitForEnd()
                    throw CancellationError()
                }
                defer { group.cancelAll() }
                guard let reply = try await group.next() else { throw CancellationError() }
                return reply
            }
            return try Self.answer(in: reply)
        } catch {
            // Also where polkit has answered, but with an error: what is not there cannot be taken back, and no harm is done.
            try? await connection.send(
                .methodCall(
                    destination: Self.name, path: Self.path, interface: Self.interface,
                    member: "CancelCheckAuthorization", body: [.string(cancellationID)]))
            throw error
        }
    }

    /// Closes all prompts, those to come as well: nobody is left who would act on the answers.
    func end() { prompts.end() }

    private func message(_ question: Question, cancellationID: String = "") -> DBusMessage {
        let subject = DBusValue.structure([
            .string("system-bus-name"), .options([("name", .string(question.sender))]),
        ])
        let details = question.details.map { DBusValue.Entry(key: .string($0.0), value: .string($0.1)) }
        // POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
        let flags: UInt32 = cancellationID.isEmpty ? 0 : 1
        return .methodCall(
            destination: Self.name, path: Self.path, interface: Self.interface, member: "CheckAuthorization",
            body: [
                subject, .string(question.action), .dictionary(key: .string, value: .string, details), .uint32(flags),
                .string(cancellationID),
            ])
    }

    /// `(bba{ss})`: is authorized, is challenge, details.
    private static func answer(in reply: DBusMessage) throws(DBusError) -> Answer {
        guard reply.body.count == 1, let fields = reply.body.first?.structureValue, fields.count == 3,
            let isAuthorized = fields[0].boolValue, let isChallenge = fields[1].boolValue,
            case .dictionary(key: .string, value: .string, let details) = fields[2]
        else { throw .failed("polkit answered with '\(reply.bodySignature)'") }
        if isAuthorized { return .authorized }
        if details.contains(where: { $0.key.stringValue == "polkit.dismissed" }) { return .dismissed }
        return isChallenge ? .needsAuthentication : .refused
    }
}

/// Numbers that no two get.
private final class Counter: Sendable {
    private let last = Atomic<UInt64>(0)

    func next() -> UInt64 { last.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// The end of the service, as prompts wait for it.
private final class Prompts: Sendable {
    private struct State {
        var hasEnded = false
        var lastID: UInt64 = 0
        var open: [UInt64: AsyncStream<Never>.Continuation] = [:]
    }

    private let state = Mutex(State())

    /// Returns at the end, and when the task is cancelled.
    func waitForEnd() async {
        let (stream, continuation) = AsyncStream.makeStream(of: Never.self)
        let id = state.withLock { state in
            state.lastID &+= 1
            if !state.hasEnded { state.open[state.lastID] = continuation }
            return state.hasEnded ? nil : state.lastID
        }
        guard let id else { return }
        for await _ in stream {}
        _ = state.withLock { $0.open.removeValue(forKey: id) }
    }

    func end() {
        let open = state.withLock { state in
            state.hasEnded = true
            return state.open.values.map(\.self)
        }
        for continuation in open { continuation.finish() }
    }
}
