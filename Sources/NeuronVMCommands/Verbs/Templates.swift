import ArgumentParser

/// `template list`, or with a name `template show`.
struct Templates: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "templates",
        abstract: "List the templates for VMs, or explain one.",
        discussion: """
            EXAMPLES:
              neuron-vm templates
              neuron-vm templates linux-basic
            """)

    @Argument(help: "The template that is explained.", completion: .template)
    var name: String?

    @OptionGroup var format: JSONOption

    func run() async throws {
        guard let name else {
            var list = Template.List()
            list.format = format
            return try await list.run()
        }
        var show = Template.Show()
        (show.name, show.format) = (name, format)
        try await show.run()
    }
}
