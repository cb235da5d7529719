/// Puts the changes of the service's owner in order with the signals of its owners, which arrive by two ways.
///
/// A signal of a new owner can be seen before the news of that owner; the news is then given first, and once only.
struct ServiceWatch {
    private var owner: String?
    private var former: String?

    /// - Parameter owner: the unique name of who owns the service's name now; nil for nobody.
    init(owner: String?) {
        self.owner = owner
    }

    /// `NameOwnerChanged` of the service's name; empty texts stand for nobody.
    mutating func ownerChanged(from old: String, to new: String) -> [VMChange] {
        if old.isEmpty || old == former { return take(new) }
        // Already known from a signal of a later owner.
        guard old == owner else { return [] }
        former = old
        owner = nil
        return [.serviceLost] + take(new)
    }

    /// A signal that the service sent.
    mutating func signal(_ change: VMChange, from sender: String) -> [VMChange] {
        if sender == owner || sender == former { return [change] }
        let lost: [VMChange] = owner == nil ? [] : [.serviceLost]
        former = owner ?? former
        return lost + take(sender, replacing: true) + [change]
    }

    private mutating func take(_ new: String, replacing: Bool = false) -> [VMChange] {
        guard !new.isEmpty, new != owner, owner == nil || replacing else { return [] }
        owner = new
        return [.serviceBack]
    }
}
