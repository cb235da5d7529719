import ArgumentParser
import VMManagerClient

/// What concerns templates, under one name; `templates` and `render` are short for two of them.
struct Template: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "template",
        abstract: "List, explain and try templates.",
        discussion: """
            EXAMPLES:
              neuron-vm template list
              neuron-vm template show windows11-passthrough
              neuron-vm template render linux-basic web --memory 2
            """,
        subcommands: [List.self, Show.self, Render.self])

    func run() async throws {
        try Output.write(NeuronVM.helpMessage(for: Self.self) + "\n")
        throw ExitCode.failure
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the templates for VMs.",
            discussion: """
                EXAMPLES:
                  neuron-vm template list --json
                """)

        @OptionGroup var format: JSONOption

        func run() async throws {
            let templates = try await VMManagerClient.connect().templates()
            try Output.write(
                format.json ? TemplateList.json(templates) : TemplateList.table(templates, colours: Output.hasColours))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show what a template is for, what the host must have, and its parameters.",
            discussion: """
                EXAMPLES:
                  neuron-vm template show macos-sonoma-basic
                """)

        @Argument(help: "The template's name.", completion: .template)
        var name: String

        @OptionGroup var format: JSONOption

        func run() async throws {
            let templates = try await VMManagerClient.connect().templates()
            guard let template = templates.first(where: { $0.name == name }) else {
                throw Failure("there is no template '\(name)'; 'neuron-vm templates' lists them")
            }
            try Output.write(format.json ? template.json.text + "\n" : template.text)
        }
    }

    struct Render: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "render",
            abstract: "Print the definition that a template makes, and change nothing.",
            discussion: """
                EXAMPLES:
                  neuron-vm template render windows11-passthrough work --cpus 4 \\
                      --parameter cpu_pinning=2,3,4,5
                """)

        @OptionGroup var rendering: RenderingOptions

        func run() async throws {
            try await rendering.render()
        }
    }
}

/// A template with what a VM of it is to have.
struct RenderingOptions: ParsableArguments {
    @Argument(help: "The template's name.", completion: .template)
    var template: String

    @Argument(help: "A name for the VM.")
    var name: String

    @OptionGroup var hardware: HardwareOptions
    @OptionGroup var service: ServiceOptions

    /// Prints the definition.
    func render() async throws {
        let client = try await service.connect()
        let templates = hardware.parameters.isEmpty ? [] : try await client.templates().filter { $0.name == template }
        var vm = NewVM(name: name)
        vm.template = template
        try hardware.apply(to: &vm, templates: templates)
        switch try hardware.iso.map(MediumArgument.init) {
        case .shared(let medium): vm.isoPath = medium
        // Nothing is copied; it is shown as if it were used where it is.
        case .own(let file): vm.isoPath = file.path
        case nil: break
        }
        try Output.writeDocument(try await client.render(vm))
    }
}

extension CompletionKind {
    /// The names of the templates that there are; nothing where the service cannot be asked.
    static let template = CompletionKind.custom { _, _, _ in
        guard let client = try? await VMManagerClient.connect(allowsPrompts: false) else { return [] }
        return (try? await client.templates().map(\.name)) ?? []
    }
}
