import ArgumentParser
import VMManagerClient

struct Autostart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autostart",
        abstract: "Set whether a VM is started when the host starts.",
        discussion: """
            EXAMPLES:
              neuron-vm autostart win11 on
            """)

    enum Setting: String, ExpressibleByArgument, CaseIterable {
        case on, off
    }

    @OptionGroup var target: Target

    @Argument(help: "Whether it is.")
    var setting: Setting

    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try await service.connect()
        try await target.act { try await client.setAutostart($0, setting == .on) }
    }
}
