import ArgumentParser
import VMManagerClient
import VMModel

struct Stop: VMAction {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Shut VMs down, and wait until they are off.",
        discussion: """
            The guest is asked to shut down. When it takes longer than the timeout the \
            command fails and the VM runs on. With --force the VM is switched off at once \
            and not asked; with --force and --timeout it is asked first, and switched off \
            when the time is up. ctrl-C gives up waiting: the guest has been asked, and \
            nothing is switched off.

            EXAMPLES:
              neuron-vm stop win11
              neuron-vm stop win11 --timeout 120 --force
              neuron-vm stop hung --force
            """)

    @OptionGroup var targets: Targets

    @Flag(help: "Switch the VM off, at once or when the timeout is over.")
    var force = false

    @Option(help: ArgumentHelp("How long the guest may take. (default: 60)", valueName: "seconds"))
    var timeout: UInt32?

    @OptionGroup var service: ServiceOptions

    func validate() throws {
        if let timeout, timeout > 86_400 { throw ValidationError("--timeout is at most 86400 seconds, a day.") }
    }

    func act(on vm: VMReference, through client: VMManagerClient) async throws -> String {
        try await client.following(.stop, "stopping \(vm)", on: vm) {
            try await client.stop(vm, timeout: timeout ?? (force ? 0 : 60), force: force)
        }
        return ""
    }
}
