public import DBus
import VMManagerAPI

/// The service `org.neuronos.VMManager`, with a method for each of its own.
///
/// Every method throws `VMError` when the service refused or failed, `ClientError` when the call did not get that far, and
/// `CancellationError` when the task was cancelled. The service is started by the bus if it is not running and can be.
public struct VMManagerClient: Sendable {
    public let connection: DBusConnection
    /// Whether calls carry `ALLOW_INTERACTIVE_AUTHORIZATION`, so that the user may be asked for a password.
    public let allowsPrompts: Bool
    /// Called when somebody would have to authenticate and there is no agent of polkit's that could ask. When it gives true, there
    /// is one now, and the call is made once more.
    public var provideAgent: @Sendable () async -> Bool = { false }
    private let ownsLoop: Bool

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
    func call(_ call: Call) async throws -> [DBusValue] {
        let message = DBusMessage.methodCall(
            destination: BusNames.service, path: call.path, interface: call.interface, member: call.member,
            body: call.arguments, allowInteractiveAuthorization: allowsPrompts && call.access != .public)
        let timeout = call.timeout(mayPrompt: allowsPrompts)
        do {
            do {
                return try await connection.call(message, timeout: timeout).body
            } catch let error as DBusError where error.name == DBusError.Name.interactiveAuthorizationRequired {
                // Nothing has been done: authorization comes first.
                guard allowsPrompts, await provideAgent() else { throw error }
                return try await connection.call(message, timeout: timeout).body
            }
        } catch let error as DBusError {
            throw call.failure(error)
        }
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
