import DBus
import VMManagerAPI
import VMModel

/// Decides whether a caller may do what it asks for. Root may; whom else polkit allows it; and when polkit gives no answer, nobody.
struct Authorizer: Sendable {
    let connection: DBusConnection
    let polkit: PolkitAuthority
    let limits = CheckLimits()

    /// Who calls.
    struct Caller: Sendable {
        /// The name of its connection, which the bus has set.
        let sender: String
        /// From the bus, which has it from the kernel.
        let uid: UInt32

        /// Whether libvirt's own words, which may hold paths, are fit for this caller.
        var maySeeCauses: Bool { uid == 0 }
    }

    /// How much of what a VM is given may stand in a prompt, in characters.
    private static let resourcesLimit = 1024

    /// What will be acted on: that and nothing else, whatever happens to it or its name while somebody looks for a password.
    struct Target: Sendable {
        let name: String
        let uuid: String
        /// nil for a VM of another tool.
        let owner: UInt32?
        let template: String
        /// What a new VM takes of the host, as `option=value`.
        var resources: [String] = []
        /// A medium of the library, where no VM is acted on.
        var medium: MediaName?
        /// What is to be done with it, for the prompt.
        var mediumVerb = "import"

        init(_ vm: VM) {
            name = vm.name
            uuid = vm.uuid.description
            owner = vm.ownerUID
            template = vm.template
        }

        /// A job's VM, as if it were its starter's: others need what they need for VMs that are not theirs.
        init(_ job: Job, _ vm: VM?) {
            name = vm?.name ?? job.target
            uuid = vm?.uuid.description ?? ""
            owner = job.startedByUID
            template = vm?.template ?? ""
        }

        /// A VM that is not there yet, or none.
        init(
            newVM name: String = "", uuid: VMUUID? = nil, owner: UInt32? = nil, template: String = "",
            resources: [String] = []
        ) {
            self.resources = resources
            self.name = name
            self.uuid = uuid?.description ?? ""
            self.owner = owner
            self.template = template
        }

        /// For polkit's rules and prompts. Names of other tools' VMs may hold what a terminal would take for commands.
        var details: [(String, String)] {
            let known = [
                ("vm.name", ForeignText.quotable(name)), ("vm.uuid", uuid), ("vm.owner", owner.map(String.init) ?? ""),
                ("vm.template", ForeignText.quotable(template)),
            ]
            if let medium {
                // The action's own words are about a VM.
                let words = "Authentication is required to \(mediumVerb) the medium $(media.name)"
                return known + [("media.name", medium.rawValue), ("polkit.message", words)]
            }
            guard !resources.isEmpty else { return known }
            let text = ForeignText.quotable(resources.joined(separator: " "), limit: Authorizer.resourcesLimit)
            return known + [("vm.resources", text)]
        }
    }

    /// - Throws: `AccessDenied` when the bus does not know the sender, because it has left.
    func caller(of call: MethodCall) async throws(DBusError) -> Caller {
        do {
            return Caller(sender: call.sender, uid: try await connection.credentials(of: call.sender))
        } catch {
            throw .accessDenied("it is not known who calls: \(error)")
        }
    }

    /// Returns when the caller may do all of `actions` to the target.
    ///
    /// polkit asks somebody for a password if the caller is prepared to wait for that.
    /// - Throws: `AccessDenied`; `InteractiveAuthorizationRequired` when authenticating would help; `LimitsExceeded` when too
    ///   many checks are waited for.
    func authorize(
        _ caller: Caller, _ actions: [Action], on target: Target, for call: MethodCall
    ) async throws(DBusError) {
        guard caller.uid != 0 else { return }
        let mayPrompt = call.allowsInteractiveAuthorization
        try await limits.withCheck(for: caller.uid) { () async throws(DBusError) in
            for action in actions {
                let question = question(caller, action, target)
                let answer: PolkitAuthority.Answer
                do {
                    answer = try await ask(question, mayPrompt: mayPrompt)
                } catch {
                    throw .accessDenied("\(call.member) needs \(question.action), and polkit gives no answer")
                }
                try Self.check(answer, question.action, call, mayPrompt: mayPrompt)
            }
            // polkit may have been slow, and what nobody waits for any more is not done.
            guard let _ = try? await connection.nameOwner(caller.sender) else {
                throw .accessDenied("\(call.member) was asked for by somebody who has left the bus")
            }
        }
    }

    /// A prompt is for those questions alone that need one, so that a polkit that hangs is found out soon.
    private func ask(_ question: PolkitAuthority.Question, mayPrompt: Bool) async throws -> PolkitAuthority.Answer {
        let answer = try await polkit.check(question)
        guard answer == .needsAuthentication, mayPrompt else { return answer }
        let decision = try await polkit.checkWithPrompt(question)
        // A wrong password is a plain no to polkit.
        return decision == .refused ? .dismissed : decision
    }

    private static func check(
        _ answer: PolkitAuthority.Answer, _ right: String, _ call: MethodCall, mayPrompt: Bool
    ) throws(DBusError) {
        switch answer {
        case .authorized:
            return
        case .refused:
            throw .accessDenied("\(call.member) needs \(right), which polkit does not give")
        case .dismissed:
            throw .accessDenied("\(call.member) needs \(right), and nobody has authenticated for it")
        case .needsAuthentication:
            throw .interactiveAuthorizationRequired(
                "\(call.member) needs \(right), and somebody has to authenticate for it; "
                    + (mayPrompt ? "there is no agent that could ask" : "the call does not allow to ask"))
        }
    }

    /// What the caller could do, without asking anybody for anything; what polkit says nothing about is a no.
    /// - Throws: `LimitsExceeded` when too many ask.
    func permissions(
        of caller: Caller, for actions: [Action], on target: Target
    ) async throws(DBusError) -> [(String, Permission)] {
        let questions = actions.map { question(caller, $0, target) }
        guard caller.uid != 0 else { return questions.map { ($0.action, .yes) } }
        return try await limits.withQuery(for: caller.uid) { () async throws(DBusError) in
            var permissions: [(String, Permission)] = []
            var isSilent = false
            for question in questions {
                // One question is enough to find out that nobody answers.
                let answer = isSilent ? nil : try? await polkit.check(question)
                isSilent = answer == nil
                permissions.append((question.action, Self.permission(answer)))
            }
            return permissions
        }
    }

    private static func permission(_ answer: PolkitAuthority.Answer?) -> Permission {
        switch answer {
        case .authorized: .yes
        case .needsAuthentication: .auth
        case .refused, .dismissed, nil: .no
        }
    }

    private func question(_ caller: Caller, _ action: Action, _ target: Target) -> PolkitAuthority.Question {
        PolkitAuthority.Question(
            sender: caller.sender, action: action.identifier(ownVM: target.owner == caller.uid),
            details: target.details)
    }
}
