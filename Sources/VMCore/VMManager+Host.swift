import VMModel
import VMTemplates

extension VMManager {
    /// Whether the host has what VMs need: an answer to each question, always the same ones in the same order. Changes nothing.
    ///
    /// - Parameter budget: how long libvirt may take for all of it; what it has not said by then is not known.
    public func checkHost(within budget: Duration) async -> [HostCheck] {
        let checks: [HostCheck]
        do throws(VMError) {
            checks = try await hypervisor.survey(within: budget).checks
        } catch {
            log("the host cannot be looked at: \(error)")
            checks = HostSurvey.checks(without: error)
        }
        return checks + [templateCheck]
    }

    /// Files are named, and nothing of what is in them is told.
    private var templateCheck: HostCheck {
        let count = templates.templates.count
        guard !templates.rejected.isEmpty else {
            return count > 0
                ? HostCheck("templates", .pass, "\(count), and none was refused")
                : HostCheck("templates", .fail, "there are none", advice: "install the package of this service anew")
        }
        let names = Set(templates.rejected.map { $0.template.isEmpty ? "a directory" : $0.template }).sorted()
        let named = names.prefix(Self.mostNamed).map({ ForeignText.quotable($0) }).joined(separator: ", ")
        let more = names.count > Self.mostNamed ? " and \(names.count - Self.mostNamed) more" : ""
        return HostCheck(
            "templates", count > 0 ? .warn : .fail, "\(count); refused: \(named)\(more)",
            advice: "'journalctl -u neuron-vmd' says why; then 'sudo systemctl restart neuron-vmd'")
    }

    /// How many refused files are named.
    private static let mostNamed = 10
}
