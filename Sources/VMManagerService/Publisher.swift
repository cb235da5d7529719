import DBus
import Logging
import Synchronization
import VMCore
import VMManagerAPI
import VMModel

/// Keeps the objects on the bus equal to the inventory, and sends the manager's own signals. Everything here runs on the bus's loop.
final class Publisher: Sendable {
    private let objects: ObjectServer
    private let logger: Logger
    private let hypervisorURI: String
    private let managerInterface: Interface
    private let vmInterface: Interface
    private let jobInterface: Interface
    /// False until the service has its name: nobody can know yet whom signals would come from.
    private let isAnnouncing = Atomic(false)

    init(
        objects: ObjectServer, logger: Logger, hypervisorURI: String, managerInterface: Interface,
        vmInterface: Interface, jobInterface: Interface
    ) {
        self.objects = objects
        self.logger = logger
        self.hypervisorURI = hypervisorURI
        self.managerInterface = managerInterface
        self.vmInterface = vmInterface
        self.jobInterface = jobInterface
    }

    func exportManager(_ status: HypervisorStatus) throws(DBusError) {
        objects.onUnexpectedError = { [logger] call, error in
            logger.error("\(call.member) from \(call.sender) failed unexpectedly: \(error)")
        }
        objects.addObjectManager(at: BusNames.manager)
        try objects.export(
            BusNames.manager, managerInterface,
            properties: [
                ManagerProperty.version.rawValue: .string(ServiceVersion.current),
                ManagerProperty.hypervisorURI.rawValue: .string(hypervisorURI),
                ManagerProperty.hypervisorVersion.rawValue: .string(status.version),
                ManagerProperty.hypervisorConnected.rawValue: .boolean(status.isConnected),
                ManagerProperty.features.rawValue: .strings(ServiceVersion.features),
            ])
    }

    func startAnnouncing() {
        isAnnouncing.store(true, ordering: .relaxed)
    }

    /// Brings one change of the inventory to the bus.
    func tell(_ change: InventoryChange) {
        do throws(DBusError) {
            guard isAnnouncing.load(ordering: .relaxed) else {
                return try objects.withoutAnnouncements { () throws(DBusError) in try publish(change) }
            }
            try publish(change)
            try signal(change)
        } catch {
            logger.error("cannot publish a change: \(error)")
        }
    }

    /// Brings one change of the jobs to the bus.
    func tell(_ change: JobChange) {
        do throws(DBusError) {
            switch change {
            case .added(let job):
                try objects.export(
                    BusNames.path(of: job.id), jobInterface,
                    properties: Dictionary(job.busProperties, uniquingKeysWith: { _, last in last }))
            case .changed(let job):
                try objects.setProperties(BusNames.path(of: job.id), interface: JobInterface.name, job.busProperties)
            case .ended(let job):
                let path = BusNames.path(of: job.id)
                try objects.setProperties(path, interface: JobInterface.name, job.busProperties)
                try objects.emit(
                    path, interface: JobInterface.name, signal: JobSignal.completed.rawValue, job.busOutcome ?? [])
            case .removed(let job):
                objects.unexport(BusNames.path(of: job.id))
            }
        } catch {
            logger.error("cannot publish a change of a job: \(error)")
        }
    }

    /// What callers may do can be different from before.
    func tellPermissionsChanged() {
        do throws(DBusError) {
            try objects.emit(
                BusNames.manager, interface: ManagerInterface.name, signal: ManagerSignal.permissionsChanged.rawValue,
                [])
        } catch {
            logger.error("cannot tell that permissions have changed: \(error)")
        }
    }

    private func publish(_ change: InventoryChange) throws(DBusError) {
        switch change {
        case .added(let vm):
            try objects.export(
                BusNames.path(of: vm.uuid), vmInterface,
                properties: Dictionary(vm.busProperties, uniquingKeysWith: { _, last in last }))
        case .changed(_, let vm):
            try objects.setProperties(BusNames.path(of: vm.uuid), interface: VMInterface.name, vm.busProperties)
        case .removed(let vm):
            objects.unexport(BusNames.path(of: vm.uuid))
        case .hypervisor(let status):
            try objects.setProperties(
                BusNames.manager, interface: ManagerInterface.name,
                [
                    (ManagerProperty.hypervisorVersion.rawValue, .string(status.version)),
                    (ManagerProperty.hypervisorConnected.rawValue, .boolean(status.isConnected)),
                ])
        }
    }

    /// The manager's signals, after those of ObjectManager and Properties, so that who acts on one finds the properties changed.
    private func signal(_ change: InventoryChange) throws(DBusError) {
        switch change {
        case .added(let vm): try emit(.vmAdded, vm, vm.busIdentity)
        case .removed(let vm): try emit(.vmRemoved, vm, vm.busIdentity)
        case .changed(let old, let vm) where old.state != vm.state:
            let states: [DBusValue] = [
                .string(vm.state.rawValue), .string(old.state.rawValue), .string(vm.stateReason),
            ]
            try emit(.vmStateChanged, vm, [.string(vm.uuid.description)] + states)
        case .changed, .hypervisor: break
        }
    }

    private func emit(_ signal: ManagerSignal, _ vm: VM, _ arguments: [DBusValue]) throws(DBusError) {
        try objects.emit(
            BusNames.manager, interface: ManagerInterface.name, signal: signal.rawValue,
            [.objectPath(BusNames.path(of: vm.uuid))] + arguments)
    }
}
