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
    private let manager: VMManager
    private let publisher: Publisher

    /// - Throws: `DBusError` when a method of the contract has no handler here.
    public init(connection: DBusConnection, manager: VMManager, hypervisorURI: String, logger: Logger) throws {
        self.connection = connection
        self.manager = manager
        let handlers = Handlers(manager: manager, authorizer: Authorizer(connection: connection), logger: logger)
        publisher = Publisher(
            objects: connection.objects, logger: logger, hypervisorURI: hypervisorURI,
            managerInterface: try handlers.managerInterface(), vmInterface: try handlers.vmInterface())
    }

    /// Puts the manager and every VM that is known on the connection, and follows the inventory from here on.
    public func export() async throws {
        try await manager.inventory.export(to: publisher)
    }

    /// Takes the well-known name; from here on changes are announced.
    /// - Throws: `DBusError` when somebody else has the name, or the bus's policy denies it.
    public func requestName() async throws(DBusError) {
        await manager.inventory.announce(through: publisher)
        try await connection.requestName(BusNames.service)
    }
}

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
