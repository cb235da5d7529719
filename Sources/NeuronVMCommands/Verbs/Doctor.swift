import ArgumentParser
import VMManagerClient

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check whether this host has what VMs need.",
        discussion: """
            EXAMPLES:
              neuron-vm doctor
              neuron-vm doctor --json

            Prints a line for each check, and below it what to do where it is not 'pass'. \
            With 'warn' VMs can be used; it exits with 1 when something fails.
            """)

    @OptionGroup var format: JSONOption

    func run() async throws {
        let checks = await Self.checks()
        try Output.write(format.json ? Diagnosis.json(checks) : Diagnosis.text(checks, colours: Output.hasColours))
        if checks.contains(where: \.hasFailed) { throw ExitCode.failure }
    }

    /// The service's checks after that of the service itself, or that alone.
    private static func checks() async -> [HostCheck] {
        do {
            let checks = try await VMManagerClient.connect(allowsPrompts: false).checkHost()
            return [HostCheck("service", "pass", "it answers")] + checks
        } catch {
            return [Diagnosis.check(ofServiceWith: error)]
        }
    }
}
