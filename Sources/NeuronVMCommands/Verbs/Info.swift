import ArgumentParser
import VMManagerClient

struct Info: VMAction {
    static let configuration = CommandConfiguration(
        commandName: "info",
        abstract: "Show everything about VMs.",
        discussion: """
            EXAMPLES:
              neuron-vm info win11
              neuron-vm info win11 --json
            """)

    @OptionGroup var targets: Targets
    @OptionGroup var format: JSONOption
    @OptionGroup var service: ServiceOptions

    func act(on vm: VMReference, through client: VMManagerClient) async throws -> String {
        let details = try await client.details(of: vm)
        if format.json { return details.json }
        return details.text(colours: Output.hasColours) + (targets.vms.count > 1 ? "\n" : "")
    }
}
