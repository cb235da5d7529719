public import DBus
import Synchronization
import VMManagerAPI

/// The service `org.neuronos.VMManager`, with a method for each of its own.
///
/// Every method throws `VMError` when the service refused or failed, `ClientError` when the call did not get that far, and
/// `CancellationError` when the task was cancelled. The service is started by the bus if it is not running and can be.
public struct VMManagerClient: Sendable {
    public let connection: DBusConnection
    /// Whether the user may be asked for a password (`ALLOW_INTERACTIVE_AUTHORIZATION`).
    public let allowsPrompts: Bool
    /// Called when somebody would have to authenticate and there is no agent of polkit's that could ask. When it gives true, there
    /// is one now, and the call is made once more.
    public var provideAgent: @Sendable () async -> Bool = { false }
    private let ownsLoop: Bool
    private let prompts = Turns()

    /// A client on a connection that is there already, and that stays its maker's to close.
    public init(connection: DBusConnection, allowsPrompts: Bool = true) {
        self.init(connection: connection, allowsPrompts: allowsPrompts, ownsLoop: false)
    }

    private init(connection: DBusConnection, allowsPrompts: Bool, ownsLoop: Bool) {
        self.connection = connection
        self.allowsPrompts = allowsPrompts
        self.ownsLoop = ownsLoop
    }

    /// Connects to the bus; the service is not called yet.
    /// - Throws: `busUnreachable`.
    public static func connect(
        bus: DBusConnection.Bus = .system, allowsPrompts: Bool = true
    ) async throws(ClientError) -> VMManagerClient {
        let loop = EventLoop(name: "vm-client")
        do throws(DBusError) {
            let connection = try await DBusConnection.connect(to: bus, loop: loop)
            return VMManagerClient(connection: connection, allowsPrompts: allowsPrompts, ownsLoop: true)
        } catch {
            loop.shutdown()
            throw ClientError(
                .busUnreachable, "cannot reach the message bus: \(error.message.orName(of: error))", cause: error)
        }
    }

    /// Ends the connection if `connect` made it; calls that still wait fail.
    public func close() async {
        guard ownsLoop else { return }
        await connection.close()
        connection.loop.shutdown()
    }

    /// Makes a call and gives the values of its reply.
    ///
    /// At first nobody is asked for a password. Calls for which somebody has to be asked follow one after the other: an agent shows one
    /// prompt at a time, and refuses what comes meanwhile.
    func call(_ call: Call) async throws -> [DBusValue] {
        do {
            do {
                return try await send(call, mayPrompt: false)
            } catch let error as DBusError where Self.needsPrompt(error) && allowsPrompts {
                // Nothing has been done: authorization comes first.
                await prompts.take()
                defer { prompts.giveBack() }
                return try await sendWithPrompt(call)
            }
        } catch let error as DBusError {
            throw call.failure(error)
        }
    }

    private func sendWithPrompt(_ call: Call) async throws -> [DBusValue] {
        do {
            return try await send(call, mayPrompt: true)
        } catch let error as DBusError where Self.needsPrompt(error) {
            guard await provideAgent() else { throw error }
            return try await send(call, mayPrompt: true)
        }
    }

    private func send(_ call: Call, mayPrompt: Bool) async throws -> [DBusValue] {
        let message = DBusMessage.methodCall(
            destination: BusNames.service, path: call.path, interface: call.interface, member: call.member,
            body: call.arguments, allowInteractiveAuthorization: mayPrompt)
        return try await connection.call(message, timeout: call.timeout(mayPrompt: mayPrompt)).body
    }

    private static func needsPrompt(_ error: DBusError) -> Bool {
        error.name == DBusError.Name.interactiveAuthorizationRequired
    }

    /// Makes a call whose reply is one value.
    /// - Throws: `protocolMismatch` when the value is of another type.
    func call<Value>(_ call: Call, _ value: (DBusValue) -> Value?) async throws -> Value {
        guard let first = try await self.call(call).first, let value = value(first) else {
            throw call.unexpectedReply
        }
        return value
    }
}

extension VMManagerClient {
    /// The version of this program; client and service are released together.
    public static let version = ServiceVersion.current
}

/// One after the other, in the order of coming.
private final class Turns: Sendable {
    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func take() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                defer { state.isTaken = true }
                if state.isTaken { state.waiting.append(continuation) }
                return !state.isTaken
            }
            if isFree { continuation.resume() }
        }
    }

    func giveBack() {
        let next = state.withLock { state in
            if state.waiting.isEmpty { state.isTaken = false }
            return state.waiting.isEmpty ? nil : state.waiting.removeFirst()
        }
        next?.resume()
    }
}
