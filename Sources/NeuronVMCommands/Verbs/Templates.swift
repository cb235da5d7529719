import ArgumentParser
import VMManagerClient

struct Templates: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the templates for VMs, or the parameters of one.",
        discussion: """
            EXAMPLES:
              neuron-vm templates
              neuron-vm templates linux-basic
            """)

    @Argument(help: "The template whose parameters are shown.")
    var name: String?

    @OptionGroup var format: JSONOption

    func run() async throws {
        let templates = try await VMManagerClient.connect().templates()
        guard let name else {
            return try Output.write(
                format.json ? TemplateList.json(templates) : TemplateList.table(templates, colours: Output.hasColours))
        }
        guard let template = templates.first(where: { $0.name == name }) else {
            throw Failure("there is no template '\(name)'; 'neuron-vm templates' lists them")
        }
        try Output.write(format.json ? template.json.text + "\n" : template.text)
    }
}
