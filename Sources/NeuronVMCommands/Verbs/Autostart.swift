import ArgumentParser
import VMManagerClient

struct Autostart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
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
        try await service.connect().setAutostart(target.reference, setting == .on)
    }
}
