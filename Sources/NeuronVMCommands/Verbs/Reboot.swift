import ArgumentParser
import VMManagerClient

struct Reboot: VMAction {
    static let configuration = CommandConfiguration(
        commandName: "reboot",
        abstract: "Ask guests to reboot.",
        discussion: """
            The guest may ignore it; see 'neuron-vm reset'.

            EXAMPLES:
              neuron-vm reboot win11
            """)

    @OptionGroup var targets: Targets
    @OptionGroup var service: ServiceOptions

    func act(on vm: VMReference, through client: VMManagerClient) async throws -> String {
        try await client.reboot(vm)
        return ""
    }
}
