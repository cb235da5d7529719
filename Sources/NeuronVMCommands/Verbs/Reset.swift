import ArgumentParser
import VMManagerClient

struct Reset: VMAction {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Press the reset button of VMs.",
        discussion: """
            The guest is not asked, and loses what it had not written.

            EXAMPLES:
              neuron-vm reset win11
            """)

    @OptionGroup var targets: Targets
    @OptionGroup var service: ServiceOptions

    func act(on vm: VMReference, through client: VMManagerClient) async throws -> String {
        try await client.reset(vm)
        return ""
    }
}
