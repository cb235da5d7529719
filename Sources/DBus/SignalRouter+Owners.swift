// Anyone on the bus can send a signal that looks like a service's, broadcast or straight to us. Only the bus knows who
// owns a name, so its NameOwnerChanged is followed for each name that a rule speaks of.
extension SignalRouter {
    /// What is known of the owner of a well-known name.
    struct Owner {
        var users = 1
        /// The unique name; nil while nobody owns it.
        var name: String?
        /// Those who wait for the first answer; nil once it is there.
        var waiting: [Completion]?
    }

    /// Whether `sender` is who `name` means now.
    func isFromOwner(_ sender: String?, of name: String?) -> Bool {
        guard let name else { return true }
        if let owner = owners[name] { return sender != nil && owner.name == sender }
        // The bus itself and unique names are nobody else's; of other names nothing is known yet.
        return (name == BusLink.busName || NameSyntax.isUnique(name)) && sender == name
    }

    /// Follows the owner of a name; `completion` runs when it is known.
    func acquireOwner(of name: String, completion: @escaping Completion) {
        loop.checkIsolated()
        if var owner = owners[name] {
            owner.users += 1
            owner.waiting?.append(completion)
            owners[name] = owner
            if owner.waiting == nil { completion(.success(())) }
            return
        }
        owners[name] = Owner(waiting: [completion])
        acquireMatch(Self.ownerRule(name)) { [weak self] result in
            guard let self else { return }
            if case .failure(let error) = result { return self.ownerKnown(name, .failure(error)) }
            self.askBus("GetNameOwner", [.string(name)]) { [weak self] reply in
                switch reply.flatMap({ $0.singleString }) {
                case .success(let owner): self?.ownerKnown(name, .success(owner))
                case .failure(let error) where error.name == DBusError.Name.nameHasNoOwner:
                    self?.ownerKnown(name, .success(nil))
                case .failure(let error): self?.ownerKnown(name, .failure(error))
                }
            }
        }
    }

    /// Runs in the order of the wire: what NameOwnerChanged says after this reply is newer.
    private func ownerKnown(_ name: String, _ result: Result<String?, DBusError>) {
        guard let owner = owners[name], let waiting = owner.waiting else { return }
        switch result {
        case .success(let current):
            owners[name]?.name = current
            owners[name]?.waiting = nil
            if owner.users <= 0 { removeOwner(name) }
        case .failure:
            removeOwner(name)
        }
        for completion in waiting { completion(result.map { _ in }) }
    }

    func releaseOwner(of name: String) {
        guard var owner = owners[name] else { return }
        owner.users -= 1
        owners[name] = owner
        if owner.users <= 0, owner.waiting == nil { removeOwner(name) }
    }

    func ownerChanged(_ body: [DBusValue]) {
        guard body.count == 3, let name = body[0].stringValue, let owner = body[2].stringValue,
            owners[name] != nil
        else { return }
        owners[name]?.name = owner.isEmpty ? nil : owner
    }

    private func removeOwner(_ name: String) {
        owners[name] = nil
        releaseMatch(Self.ownerRule(name))
    }

    private static func ownerRule(_ name: String) -> String {
        MatchRule(
            sender: BusLink.busName, path: "/org/freedesktop/DBus", interface: BusLink.busName,
            member: "NameOwnerChanged", arg0: name
        ).rule
    }
}

extension MatchRule {
    /// The sender, if it is a name whose owner can change.
    var trackedSender: String? {
        guard let sender, sender != BusLink.busName, !NameSyntax.isUnique(sender) else { return nil }
        return sender
    }
}
