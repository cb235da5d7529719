import ArgumentParser
import VMManagerClient

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List all VMs.",
        discussion: """
            EXAMPLES:
              neuron-vm list
              neuron-vm list --json
              neuron-vm start $(neuron-vm list --quiet)
            """)

    @OptionGroup var format: JSONOption

    @Flag(name: .shortAndLong, help: "Print names only; the UUID where a name cannot be typed.")
    var quiet = false

    func validate() throws {
        if quiet, format.json { throw ValidationError("--quiet and --json exclude each other.") }
    }

    func run() async throws {
        let client = try await VMManagerClient.connect()
        async let isConnected = client.isHypervisorConnected()
        let vms = try await client.vms()
        if format.json {
            try Output.write(VMList.json(vms))
        } else if quiet {
            try Output.write(VMList.words(vms))
        } else {
            try Output.write(VMList.table(vms, colours: Output.hasColours))
        }
        if try await !isConnected {
            Output.note("the service has no connection to libvirt at present; this is what it knew last")
        }
    }
}
