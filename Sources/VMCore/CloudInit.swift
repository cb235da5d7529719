public import VMModel

/// What a cloud image is to do with itself at its first start, for cloud-init's NoCloud data source.
public struct CloudInit: Hashable, Sendable {
    /// A user that is made, may become root without a password, and logs in with `sshKeys`.
    public let user: String?
    /// Public keys as in `authorized_keys`; without a user they are for the image's own.
    public let sshKeys: [String]
    /// The user data, for everything else; where it says the same things it goes first.
    public let userData: String?

    /// Longest user data, in bytes.
    public static let maximumUserData = 256 << 10
    private static let maximumKeys = 64
    private static let maximumKey = 16 << 10
    /// How user data begins that cloud-init does not pass over in silence.
    private static let beginnings = [
        "#cloud-config", "#!", "#include", "#cloud-boothook", "#part-handler", "## template: jinja", "Content-Type:",
        "MIME-Version:",
    ]

    /// - Throws: `invalidArgument`; it names the option and says what is allowed.
    public init(user: String?, sshKeys: [String], userData: String?) throws(VMError) {
        if let user {
            guard Self.isUserName(user) else {
                throw VMError(
                    .invalidArgument,
                    "user must be 1 to 32 lower-case ASCII letters, digits, '_' or '-', beginning with a letter or '_'")
            }
            guard !sshKeys.isEmpty || userData != nil else {
                throw VMError(.invalidArgument, "user needs ssh_keys, or nobody could log in")
            }
        }
        guard sshKeys.count <= Self.maximumKeys, sshKeys.allSatisfy(Self.isKey) else {
            throw VMError(
                .invalidArgument,
                "ssh_keys must be at most \(Self.maximumKeys) public keys, each a line such as 'ssh-ed25519 AAAA… name'"
            )
        }
        if let userData {
            guard userData.utf8.count <= Self.maximumUserData, !userData.utf8.contains(0),
                Self.beginnings.contains(where: { userData.utf8.starts(with: $0.utf8) })
            else {
                throw VMError(
                    .invalidArgument,
                    "cloud_init must be user data of at most \(Self.maximumUserData >> 10) KiB that begins with "
                        + "'#cloud-config', '#!' or another heading that cloud-init knows")
            }
        }
        self.user = user
        self.sshKeys = sshKeys
        self.userData = userData
    }

    private static func isUserName(_ name: String) -> Bool {
        let bytes = Array(name.utf8.prefix(33))
        func isLetter(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte
        }
        func isDigit(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte
        }
        guard let first = bytes.first, bytes.count <= 32 else { return false }
        return isLetter(first) && bytes.allSatisfy { isLetter($0) || isDigit($0) }
    }

    private static func isKey(_ key: String) -> Bool {
        let kinds = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        return key.utf8.count <= maximumKey && key.utf8.contains(UInt8(ascii: " "))
            && !key.utf8.contains { $0 < 0x20 || $0 == 0x7f } && kinds.contains { key.utf8.starts(with: $0.utf8) }
    }

    // MARK: The documents

    /// The files of the seed, by name.
    func files(for name: VMName, _ uuid: VMUUID) -> [(name: String, text: String)] {
        let own = "#cloud-config\n" + configuration + "\n"
        // A host has no '_' in its name.
        let host = name.rawValue.replacing("_", with: "-")
        let metaData = "{\"instance-id\": \(Self.json("\(uuid)")), \"local-hostname\": \(Self.json(host))}\n"
        return [("meta-data", metaData), ("user-data", userData ?? own)]
            + (userData == nil ? [] : [("vendor-data", own)])
    }

    /// cloud-config as JSON, which is YAML.
    private var configuration: String {
        let keys = "\"ssh_authorized_keys\": [\(sshKeys.map(Self.json).joined(separator: ", "))]"
        guard let user else { return "{\(sshKeys.isEmpty ? "" : keys)}" }
        return """
            {"users": [{"name": \(Self.json(user)), "sudo": "ALL=(ALL) NOPASSWD:ALL", "groups": "sudo, adm", \
            "shell": "/bin/bash", "lock_passwd": true, \(keys)}], "ssh_pwauth": false}
            """
    }

    private static func json(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case " "..."~": result.unicodeScalars.append(scalar)
            default:
                // YAML does not take every character that JSON takes; of ASCII both take all.
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        return result + "\""
    }
}
