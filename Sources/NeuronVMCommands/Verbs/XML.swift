import ArgumentParser
import VMManagerClient

struct XML: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "xml",
        abstract: "Print a VM's definition in libvirt's XML.",
        discussion: """
            EXAMPLES:
              neuron-vm xml win11 > win11.xml
            """)

    @OptionGroup var target: Target
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try await service.connect()
        try Output.writeDocument(try await target.act { try await client.xml(of: $0) })
    }
}
