import DBus
import Glibc
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
struct NeuronVMDaemon {
    let options: DaemonOptions

    static func main() async {
        do throws(DaemonOptions.WrongUsage) {
            switch try DaemonOptions.parse(CommandLine.arguments.dropFirst()) {
            case .text(let text): print(text)
            case .serve(let options): await NeuronVMDaemon(options: options).run()
            }
        } catch {
            Self.logger(level: .info).critical("\(error)")
            exit(EX_USAGE)
        }
    }

    private static func logger(level: Logger.Level) -> Logger {
        LoggingSystem.bootstrap { label in JournalLogHandler(label: label, level: level) }
        return Logger(label: "neuron-vmd")
    }

    private func run() async {
        let logger = Self.logger(level: options.logLevel)
        do {
            try await serve(logger)
        } catch {
            logger.critical("cannot go on: \(error)")
            exit(EXIT_FAILURE)
        }
    }

    private func serve(_ logger: Logger) async throws {
        let templates = try loadTemplates(logger)
        let loop = EventLoop(name: "bus")
        let connection = try await DBusConnection.connect(to: .system, loop: loop)
        let hypervisor = LibvirtHypervisor(uri: options.uri)
        let inventory = Inventory(hypervisor: hypervisor, executor: loop) { logger.warning("\($0)") }
        let state = try StateDirectory(options.stateDirectory)
        let manager = VMManager(
            inventory: inventory, hypervisor: hypervisor, templates: templates,
            intents: try IntentLog(state) { logger.error("\($0)") }, seeds: Xorriso(state)
        ) { logger.warning("\($0)") }
        let service = try VMManagerService(
            connection: connection, manager: manager, hypervisorURI: options.uri, logger: logger)
        let daemon = DaemonService(
            connection: connection, hypervisor: hypervisor, inventory: inventory, manager: manager, service: service,
            logger: logger)
        let group = ServiceGroup(
            services: [daemon], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await group.run()
    }

    private func loadTemplates(_ logger: Logger) throws -> TemplateLibrary {
        let library = try TemplateLibrary(
            directories: options.templateDirectories.isEmpty ? TemplateDirectories.usual() : options.templateDirectories
        )
        for error in library.rejected { logger.error("template refused: \(error)") }
        return library
    }
}
