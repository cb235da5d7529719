import DBus

/// Something that was looked at on the host, as `CheckHost` tells of it.
public struct HostCheck: Hashable, Sendable {
    /// What was looked at: a word, such as `kvm`.
    public let name: String
    /// `pass`, `warn` or `fail`; or what a later version says.
    public let outcome: String
    /// What was found, for people.
    public let found: String
    /// What to do; empty where all is well.
    public let advice: String

    public init(_ name: String, _ outcome: String, _ found: String, advice: String = "") {
        self.name = name
        self.outcome = outcome
        self.found = found
        self.advice = advice
    }

    /// Whether VMs cannot be made or started as they should.
    public var hasFailed: Bool { outcome == "fail" }

    /// A row of the reply of `CheckHost`; nil for what is not one.
    init?(_ row: DBusValue) {
        guard let fields = row.structureValue, fields.count == 4 else { return nil }
        let texts = fields.compactMap(\.stringValue)
        guard texts.count == 4 else { return nil }
        self.init(texts[0], texts[1], texts[2], advice: texts[3])
    }
}
