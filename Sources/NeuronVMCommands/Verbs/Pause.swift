import ArgumentParser
import VMManagerClient

struct Pause: VMAction {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Halt the processors of VMs; their memory stays.",
        discussion: """
            EXAMPLES:
              neuron-vm pause win11
            """)

    @OptionGroup var targets: Targets
    @OptionGroup var service: ServiceOptions

    func act(on vm: VMReference, through client: VMManagerClient) async throws -> String {
        try await client.pause(vm)
        return ""
    }
}
