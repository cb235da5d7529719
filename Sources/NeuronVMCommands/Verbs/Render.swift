import ArgumentParser
import VMManagerClient

struct Render: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the definition that a template makes, and change nothing.",
        discussion: """
            EXAMPLES:
              neuron-vm render linux-basic web --memory 2
            """)

    @Argument(help: "The template's name.")
    var template: String

    @Argument(help: "A name for the VM.")
    var name: String

    @OptionGroup var hardware: HardwareOptions
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try await service.connect()
        let templates = hardware.parameters.isEmpty ? [] : try await client.templates().filter { $0.name == template }
        var vm = NewVM(name: name)
        vm.template = template
        try hardware.apply(to: &vm, templates: templates)
        try Output.writeDocument(try await client.render(vm))
    }
}
