public import DBus
public import Logging
public import VMCore
import VMManagerAPI
import VMModel

/// The service on the bus: decodes calls, has them authorized, lets the core do the work, and tells what changed.
///
/// The inventory must live on the connection's loop: then a read is answered where it arrives, and a change is on the bus before anybody
/// is told that it is done.
public final class VMManagerService: Sendable {
    private let connection: DBusConnection
    let manager: VMManager
    private let publisher: Publisher
    private let polkit: PolkitAuthority
    private let logger: Logger

    /// - Throws: `DBusError` when a method of the contract has no handler here.
    public convenience init(
        connection: DBusConnection, manager: VMManager, hypervisorURI: String, logger: Logger
    ) throws {
        try self.init(
            connection: connection, manager: manager, hypervisorURI: hypervisorURI, logger: logger,
            polkit: PolkitAuthority(connection: connection))
    }

    init(
        connection: DBusConnection, manager: VMManager, hypervisorURI: String, logger: Logger, polkit: PolkitAuthority
    ) throws {
        self.connection = connection
        self.manager = manager
        self.logger = logger
        self.polkit = polkit
        let authorizer = Authorizer(connection: connection, polkit: polkit)
        let handlers = Handlers(
            manager: manager, authorizer: authorizer, examination: HostExamination(manager: manager, polkit: polkit),
            mediaList: MediaList(manager: manager), logger: logger)
        publisher = Publisher(
            objects: connection.objects, logger: logger, hypervisorURI: hypervisorURI,
            managerInterface: try handlers.managerInterface(), vmInterface: try handlers.vmInterface(),
            jobInterface: try handlers.jobInterface())
    }

    /// Puts the manager and every VM that is known on the connection, and follows the inventory from here on.
    public func export() async throws {
        try await manager.inventory.export(to: publisher)
        await manager.jobs.observe { [publisher] in publisher.tell($0) }
    }

    /// Takes the well-known name; from here on changes are announced.
    /// - Throws: `DBusError` when somebody else has the name, or the bus's policy denies it.
    public func requestName() async throws(DBusError) {
        await manager.inventory.announce(through: publisher)
        for rule in [Self.changeOfRules, Self.changeOfPolkit] { await tellPermissionsChanged(at: rule) }
        try await connection.requestName(BusNames.service)
    }

    /// Closes the prompts that wait for a password, because the service is about to end.
    public func endPrompts() { polkit.end() }

    /// polkit says that its rules, its actions or the sessions are not those that they were.
    private static let changeOfRules = MatchRule(
        sender: PolkitAuthority.name, path: PolkitAuthority.path, interface: PolkitAuthority.interface,
        member: "Changed")
    /// polkit has ended, or is there again.
    private static let changeOfPolkit = MatchRule(
        sender: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus",
        member: "NameOwnerChanged", arg0: PolkitAuthority.name)

    /// From when this returns until the connection ends.
    private func tellPermissionsChanged(at rule: MatchRule) async {
        do {
            let signals = try await connection.signals(rule)
            Task { [publisher, loop = connection.loop] in
                for try await _ in signals { await loop.run { publisher.tellPermissionsChanged() } }
            }
        } catch {
            logger.error("changes of permissions will not be told: \(error)")
        }
    }
}

/// The bus's loop, so that whoever is on it reads the inventory without waiting.
extension EventLoop: InventoryExecutor {}

extension Inventory {
    /// In one turn of the inventory, so that no change falls between what is exported and what is observed.
    fileprivate func export(to publisher: Publisher) throws {
        try publisher.exportManager(status)
        for vm in vms { publisher.tell(.added(vm)) }
        observe { publisher.tell($0) }
    }

    fileprivate func announce(through publisher: Publisher) {
        publisher.startAnnouncing()
    }
}
