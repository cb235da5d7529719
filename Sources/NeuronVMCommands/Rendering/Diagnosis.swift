import VMManagerClient

/// What `doctor` has to tell.
enum Diagnosis {
    /// A line for each check; below it what to do, if there is something.
    static func text(_ checks: [HostCheck], colours: Bool) -> String {
        let width = checks.map { Printable.width(Printable.escape($0.name)) }.max() ?? 0
        return checks.map { check in
            let name = Printable.escape(check.name)
            let outcome = Printable.escape(check.outcome)
            let padding = String(repeating: " ", count: width - Printable.width(name))
            let line = "\(colours ? style(of: check).apply(to: outcome) : outcome)  \(name)\(padding)  "
            let advice = check.advice.isEmpty ? "" : "      -> \(Printable.escape(check.advice))\n"
            return line + Printable.escape(check.found) + "\n" + advice
        }.joined()
    }

    static func json(_ checks: [HostCheck]) -> String {
        JSON.lines(
            checks.map { check in
                .object([
                    ("check", .string(check.name)), ("result", .string(check.outcome)), ("found", .string(check.found)),
                    ("advice", .string(check.advice)),
                ])
            })
    }

    /// Why the service could not be asked, and how that is mended.
    static func check(ofServiceWith error: any Error) -> HostCheck {
        let found = Failure(error).description
        let advice: String =
            switch (error as? ClientError)?.kind {
            case .busUnreachable: "'sudo systemctl start dbus'"
            case .serviceNotRunning:
                "'sudo systemctl enable --now libvirtd neuron-vmd'; 'journalctl -u neuron-vmd' says why it ended"
            case .noReply: "'sudo systemctl restart neuron-vmd'; VMs run on meanwhile"
            case .protocolMismatch:
                "install service and command line of one version, and 'sudo systemctl restart neuron-vmd'"
            case .accessDenied, .authorizationRequired:
                "install the package of this service anew, and 'sudo systemctl reload dbus'"
            case .other, nil: "'journalctl -u neuron-vmd' may say why"
            }
        return HostCheck("service", "fail", found, advice: advice)
    }

    private static func style(of check: HostCheck) -> Style {
        switch check.outcome {
        case "pass": .good
        case "warn": .attention
        case "fail": .bad
        default: .plain
        }
    }
}
