/// A template that can be rendered, as its header describes it.
public struct Template: Sendable, Hashable {
    /// Its name, which is that of its file without `.xml.j2`.
    public let name: String
    /// The guest's family: `linux`, `windows` or `macos`.
    public let guest: String
    /// What it is, in one line.
    public let summary: String
    /// What it is, in full.
    public let documentation: String
    /// What it can be given, in the order of the header; those of the shared parts come first.
    public let parameters: [TemplateParameter]
    /// What the host must have, one per line.
    public let hostRequirements: [String]

    /// Summary, documentation and what the host must have, in paragraphs; the first line is the summary.
    public var description: String {
        let host = hostRequirements.map { "\n- \($0)" }.joined()
        return [summary, documentation, host.isEmpty ? "" : "The host must have:" + host]
            .filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    /// The parameter of that name, if the template has it.
    public func parameter(named name: String) -> TemplateParameter? {
        parameters.first { $0.name == name }
    }
}
