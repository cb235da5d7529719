import DBus
import Logging
import Synchronization
import VMCore
import VMManagerAPI
import VMModel
import VMTestSupport

@testable import VMManagerService

/// The service over a fake hypervisor on a private bus, and a client of it that is root.
final class ServiceRig: Sendable {
    let bus: TestBus
    let fake: FakeHypervisor
    let inventory: Inventory
    let service: VMManagerService
    let client: DBusConnection
    let log = LogRecord()
    private let connection: DBusConnection
    let templates: TestTemplates

    /// - Parameters:
    ///   - isNamed: whether the service has its name, so that changes are announced.
    ///   - answer: how long polkit may take for an answer.
    static func with(
        _ vms: VM..., isNamed: Bool = true, answer: Duration = .seconds(2), _ body: (ServiceRig) async throws -> Void
    ) async throws {
        try await TestBus.with { bus in
            let rig = try await ServiceRig(bus, vms, answer)
            do {
                try await rig.service.export()
                if isNamed { try await rig.service.requestName() }
                try await body(rig)
            } catch {
                await rig.end()
                throw error
            }
            await rig.end()
        }
    }

    private init(_ bus: TestBus, _ vms: [VM], _ answer: Duration) async throws {
        self.bus = bus
        let loop = EventLoop(name: "bus")
        connection = try await DBusConnection.connect(to: .address(bus.address), loop: loop)
        client = try await DBusConnection.connect(to: .address(bus.address), loop: EventLoop(name: "client"))
        fake = FakeHypervisor()
        for vm in vms { fake.put(vm) }
        inventory = Inventory(hypervisor: fake, executor: loop)
        templates = try TestTemplates()
        let manager = VMManager(
            inventory: inventory, hypervisor: fake, templates: templates.library, intents: MemoryIntents(),
            seeds: FakeSeeds())
        let logger = Logger(label: "test") { [log] _ in LogRecorder(record: log) }
        let patience = PolkitAuthority.Patience(answer: answer, prompt: .seconds(60))
        service = try VMManagerService(
            connection: connection, manager: manager, hypervisorURI: fake.uri, logger: logger,
            polkit: PolkitAuthority(connection: connection, patience: patience))
        try await within("the first listing") { [inventory] in await inventory.start() }
    }

    private func end() async {
        for connection in [client, connection] {
            await connection.close()
            connection.loop.shutdown()
        }
    }

    /// The unique name of the service's connection.
    var serviceName: String { connection.uniqueName }

    // MARK: Calls

    func call(
        _ member: String, _ arguments: DBusValue..., on path: ObjectPath = BusNames.manager,
        interface: String = ManagerInterface.name
    ) async throws -> [DBusValue] {
        try await call(member, arguments, on: path, interface: interface)
    }

    func call(
        _ member: String, _ arguments: [DBusValue], on path: ObjectPath, interface: String
    ) async throws -> [DBusValue] {
        try await client.call(
            .methodCall(
                destination: serviceName, path: path, interface: interface, member: member, body: arguments)
        ).body
    }

    /// A method of the VM's own object.
    func call(_ method: VMMethod, _ vm: VMUUID, _ arguments: DBusValue...) async throws -> [DBusValue] {
        try await call(method.rawValue, arguments, on: BusNames.path(of: vm), interface: VMInterface.name)
    }

    func property(_ name: String, of path: ObjectPath, _ interface: String) async throws -> DBusValue? {
        try await call(
            "Get", .string(interface), .string(name), on: path, interface: "org.freedesktop.DBus.Properties"
        ).first?.unwrapped
    }

    func property(_ property: VMProperty, of vm: VMUUID) async throws -> DBusValue? {
        try await self.property(property.rawValue, of: BusNames.path(of: vm), VMInterface.name)
    }

    /// The error that a call ends with; nil when it succeeds.
    func failure(_ call: () async throws -> [DBusValue]) async -> DBusError? {
        do {
            _ = try await call()
            return nil
        } catch {
            return error as? DBusError ?? .failed("unexpected: \(error)")
        }
    }
}

extension DBusValue {
    /// `a{sv}`, for the arguments of a call.
    static func options(_ entries: (String, DBusValue)...) -> DBusValue { .options(entries) }
}

/// A VM for a test.
func machine(_ name: String, _ state: VMState = .shutOff, uuid: VMUUID = .random()) -> VM {
    VM(uuid: uuid, name: name, state: state, memoryMB: 1024, vcpus: 2)
}

/// An error name of the service.
func errorName(_ code: VMError.Code) -> String { BusNames.errorPrefix + code.rawValue }

/// The log lines of the service, with their levels.
final class LogRecord: Sendable {
    private let lines = Mutex<[(Logger.Level, String)]>([])

    func add(_ level: Logger.Level, _ text: String) {
        lines.withLock { $0.append((level, text)) }
    }

    /// What is an error of the service itself, not of a caller.
    var errors: [String] { lines.withLock { $0.filter { $0.0 >= .error }.map(\.1) } }
    var all: [String] { lines.withLock { $0.map(\.1) } }
}

private struct LogRecorder: LogHandler {
    let record: LogRecord
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        record.add(event.level, "\(event.message)")
    }
}
