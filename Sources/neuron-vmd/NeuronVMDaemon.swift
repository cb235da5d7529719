import ArgumentParser
import DBus
import LibvirtHypervisor
import Logging
import ServiceLifecycle
import UnixSignals
import VMCore
import VMManagerAPI
import VMManagerService
import VMTemplates

/// The service's process: puts the parts together, and takes them apart in reverse.
@main
struct NeuronVMDaemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "neuron-vmd",
        abstract: "Offers the virtual machines of this host on the system bus as \(BusNames.service).",
        discussion: "It is started by systemd or by the bus. VMs run on when it ends.",
        version: ServiceVersion.current)

    @Option(help: "The hypervisor, as a libvirt URI.")
    var uri = "qemu:///system"

    @Option(
        name: .customLong("template-dir"),
        help: ArgumentHelp(
            "A directory of templates, instead of the usual ones; may be given several times, and later ones go first.",
            valueName: "dir"))
    var templateDirectories: [String] = []

    @Option(
        name: .customLong("state-dir"),
        help: ArgumentHelp(
            "Where it notes what must not stay half done; no two services share it.", valueName: "dir"))
    var stateDirectory = "/var/lib/neuron-vm"

    @Option(
        name: .customLong("log-level"),
        help: "The least level that is logged: trace, debug, info, notice, warning, error or critical.",
        transform: { text in
            guard let level = Logger.Level(rawValue: text) else { throw ValidationError("there is no such level") }
            return level
        })
    var logLevel = Logger.Level.info

    func run() async throws {
        let level = logLevel
        LoggingSystem.bootstrap { label in JournalLogHandler(label: label, level: level) }
        let logger = Logger(label: "neuron-vmd")
        do {
            try await serve(logger)
        } catch {
            logger.critical("cannot go on: \(error)")
            throw ExitCode.failure
        }
    }

    private func serve(_ logger: Logger) async throws {
        let templates = try loadTemplates(logger)
        let loop = EventLoop(name: "bus")
        let connection = try await DBusConnection.connect(to: .system, loop: loop)
        let hypervisor = LibvirtHypervisor(uri: uri)
        let inventory = Inventory(hypervisor: hypervisor, executor: loop) { logger.warning("\($0)") }
        let state = try StateDirectory(stateDirectory)
        let manager = VMManager(
            inventory: inventory, hypervisor: hypervisor, templates: templates,
            intents: try IntentLog(state) { logger.error("\($0)") }, seeds: Xorriso(state)
        ) { logger.warning("\($0)") }
        let service = try VMManagerService(
            connection: connection, manager: manager, hypervisorURI: uri, logger: logger)
        let daemon = DaemonService(
            connection: connection, hypervisor: hypervisor, inventory: inventory, manager: manager, service: service,
            logger: logger)
        let group = ServiceGroup(
            services: [daemon], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await group.run()
    }

    private func loadTemplates(_ logger: Logger) throws -> TemplateLibrary {
        let library = try TemplateLibrary(
            directories: templateDirectories.isEmpty ? TemplateDirectories.usual() : templateDirectories)
        for error in library.rejected { logger.error("template refused: \(error)") }
        return library
    }
}
