import DBus
import LibvirtHypervisor
import Logging
import ServiceLifecycle
import VMCore
import VMManagerAPI
import VMManagerService

/// From the first connection to the last word: fills the inventory, takes the name, serves, and lets go of everything.
struct DaemonService: Service, CustomStringConvertible {
    let connection: DBusConnection
    let hypervisor: LibvirtHypervisor
    let inventory: Inventory
    let manager: VMManager
    let service: VMManagerService
    let logger: Logger
    let description = "neuron-vmd"

    /// The bus is gone; whoever supervises the service starts it anew.
    struct BusLost: Error, CustomStringConvertible {
        let description = "the connection to the bus is lost"
    }

    func run() async throws {
        let notification = ServiceNotification.fromEnvironment()
        try await manager.recover()
        await inventory.start()
        try await service.export()
        try await service.requestName()
        let count = await inventory.vms.count
        logger.info("serving \(hypervisor.uri), number of VMs: \(count)")
        Watchdog.fromEnvironment()?.start(on: connection.loop, inventory, notification)
        await inventory.tellStatus(to: notification)
        notification.ready()

        let isAskedToEnd = await withGracefulShutdownHandler {
            await connection.waitUntilClosed()
            return Task.isShuttingDownGracefully
        } onGracefulShutdown: {
            notification.stopping()
            Task { await end() }
        }
        // Without the bus nobody waits for libvirt to close the connection.
        guard isAskedToEnd else { throw BusLost() }
        await hypervisor.stop()
        logger.info("ended as asked; the VMs run on")
    }

    /// Takes on nothing new, finishes what is being made or removed, and leaves the bus.
    private func end() async {
        try? await connection.releaseName(BusNames.service)
        service.endPrompts()
        await manager.end()
        await connection.objects.waitForReplies(atMost: .seconds(30))
        await connection.close()
    }
}

extension Inventory {
    /// Says now and from here on whether there is a connection to libvirt.
    fileprivate func tellStatus(to notification: ServiceNotification) {
        notification.status(status.words)
        observe { change in
            if case .hypervisor(let status) = change { notification.status(status.words) }
        }
    }
}

extension HypervisorStatus {
    fileprivate var words: String { isConnected ? "Serving" : "Serving, without a connection to libvirt at present" }
}
