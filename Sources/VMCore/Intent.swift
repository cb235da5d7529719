public import VMModel

/// What is about to be done and must not stay half done, as it is kept on disk until it is.
///
/// As text it is a line for each field, and a last one with the checksum of those before.
public struct Intent: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// To make a VM: until the intent is gone, what there is of it is taken back.
        case create
        /// To remove a VM: once its definition is gone, so go its volumes.
        case delete
        /// To copy something into the library: until the intent is gone, so is the volume.
        case importMedia = "import-media"
    }

    public let kind: Kind
    /// The VM's; for an import a random one. No two intents have the same.
    public let uuid: VMUUID
    /// For people who read the file or the log.
    public let name: String
    /// Whether somebody chose the UUID, so that a VM that has it may be another one.
    public let isChosen: Bool
    /// What the VM's metadata says of when it was made, microseconds since the epoch.
    public let createdAt: UInt64
    /// The paths of volumes that belong to it alone.
    public let volumes: [String]

    public init(
        _ kind: Kind, _ uuid: VMUUID, name: String, isChosen: Bool = false, createdAt: UInt64 = 0, volumes: [String]
    ) {
        self.kind = kind
        self.uuid = uuid
        self.name = name
        self.isChosen = isChosen
        self.createdAt = createdAt
        self.volumes = volumes
    }

    private static let heading = "neuron-vm intent 1"

    /// - Throws: `failed` for a text with a line break in it, which no name or path of this service's has.
    func text() throws(VMError) -> String {
        var lines = [
            Self.heading, kind.rawValue, uuid.description, name, isChosen ? "chosen" : "random", String(createdAt),
        ]
        lines += volumes
        guard !lines.contains(where: { $0.utf8.contains { $0 < 0x20 || $0 == 0x7f } }) else {
            throw VMError(.failed, "a name or path has control characters and cannot be noted")
        }
        let body = lines.map { $0 + "\n" }.joined()
        return body + Self.checksum(body) + "\n"
    }

    /// nil for anything that `text` has not written, to the byte.
    init?(text: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.popLast() == "", let checksum = lines.popLast(), lines.count >= 6, lines[0] == Self.heading,
            checksum == Self.checksum(lines.map { $0 + "\n" }.joined()), let kind = Kind(rawValue: lines[1]),
            let uuid = VMUUID(lines[2]), ["chosen", "random"].contains(lines[4]), let createdAt = UInt64(lines[5])
        else { return nil }
        self.init(
            kind, uuid, name: lines[3], isChosen: lines[4] == "chosen", createdAt: createdAt,
            volumes: Array(lines.dropFirst(6)))
    }

    /// CRC-32 (ISO 3309) in hexadecimal digits: it finds every error in up to four neighbouring bytes, and torn ends.
    private static func checksum(_ text: String) -> String {
        var remainder = UInt32.max
        for byte in text.utf8 {
            remainder ^= UInt32(byte)
            for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 0 ? 0 : 0xedb8_8320) }
        }
        let digits = String(~remainder, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

/// Where intents are kept.
public protocol IntentStore: Sendable {
    /// Keeps an intent, in the place of one with the same UUID; when it returns, the intent outlives a loss of power.
    /// - Throws: `noSpace`, `failed`; then there is none.
    func keep(_ intent: Intent) async throws(VMError)
    /// Forgets the intent with this one's UUID, for good when it returns. One that is not there is no error.
    /// - Throws: `failed`; then it may be there after a loss of power.
    func forget(_ intent: Intent) async throws(VMError)
    /// Those that are kept, oldest first.
    func all() async throws(VMError) -> [Intent]
}
