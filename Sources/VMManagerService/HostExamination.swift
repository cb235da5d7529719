import DBus
import VMCore

/// `CheckHost`: one examination at a time, whose result goes to all who ask while it runs, and never more than two a second. So that a
/// caller, of whom there may be many, cannot keep libvirt and polkit busy.
actor HostExamination {
    /// What libvirt and polkit may take; the answer is to be there within five seconds.
    private static let patience = Duration.seconds(4)
    /// From the end of one examination to the beginning of the next.
    private static let pause = Duration.milliseconds(500)

    private let manager: VMManager
    private let polkit: PolkitAuthority
    private var running: Task<[HostCheck], Never>?
    private var earliest = ContinuousClock.now

    init(manager: VMManager, polkit: PolkitAuthority) {
        self.manager = manager
        self.polkit = polkit
    }

    func checks() async -> [HostCheck] {
        if let running { return await running.value }
        let task = Task { await examine() }
        running = task
        return await task.value
    }

    private func examine() async -> [HostCheck] {
        try? await Task.sleep(until: earliest)
        async let host = manager.checkHost(within: Self.patience)
        async let authority = polkit.hostCheck(within: Self.patience)
        let checks = await host + [authority]
        // In one turn, so that who comes now has a new one, and nobody an old one.
        running = nil
        earliest = .now + Self.pause
        return checks
    }
}

extension PolkitAuthority {
    /// Whether anybody but root can have something allowed.
    fileprivate func hostCheck(within limit: Duration) async -> HostCheck {
        let effect = "only root may do anything"
        do {
            try await probe(within: limit)
            return HostCheck("polkit", .pass, "it answers")
        } catch let error as DBusError where error.name == DBusError.Name.noReply {
            return HostCheck(
                "polkit", .fail, "it does not answer: \(effect)", advice: "'sudo systemctl restart polkit'")
        } catch let error as DBusError where error.name.hasPrefix("org.freedesktop.PolicyKit1.Error.") {
            return HostCheck(
                "polkit", .fail, "it does not know this service's actions: \(effect)",
                advice: "install the package of this service anew")
        } catch let error as DBusError where error.name == DBusError.Name.failed {
            return HostCheck(
                "polkit", .fail, "it gives no proper answer: \(effect)", advice: "'journalctl -u polkit' may say why")
        } catch {
            return HostCheck(
                "polkit", .fail, "it is not there: \(effect)",
                advice: "install the package polkitd, and 'sudo systemctl start polkit'")
        }
    }
}

extension HostCheck {
    /// A row of the reply of `CheckHost`.
    var busValue: DBusValue {
        .structure([.string(name), .string(outcome.rawValue), .string(found), .string(advice)])
    }
}
