import ArgumentParser

/// `template render`.
struct Render: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "render",
        abstract: "Print the definition that a template makes, and change nothing.",
        discussion: """
            EXAMPLES:
              neuron-vm render linux-basic web --memory 2
            """)

    @OptionGroup var rendering: RenderingOptions

    func run() async throws {
        try await rendering.render()
    }
}
