import ArgumentParser
import VMManagerClient

struct Start: VMAction {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "Start VMs that are off.",
        discussion: """
            EXAMPLES:
              neuron-vm start win11
              neuron-vm start web database
            """)

    @OptionGroup var targets: Targets
    @OptionGroup var service: ServiceOptions

    func act(on vm: VMReference, through client: VMManagerClient) async throws -> String {
        try await client.start(vm)
        return ""
    }
}
