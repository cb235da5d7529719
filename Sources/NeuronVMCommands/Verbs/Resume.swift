import ArgumentParser
import VMManagerClient

struct Resume: VMAction {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Let paused VMs go on, and wake those that sleep.",
        discussion: """
            EXAMPLES:
              neuron-vm resume win11
            """)

    @OptionGroup var targets: Targets
    @OptionGroup var service: ServiceOptions

    func act(on vm: VMReference, through client: VMManagerClient) async throws -> String {
        try await client.resume(vm)
        return ""
    }
}
