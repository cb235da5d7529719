import ArgumentParser
import Glibc
import VMManagerClient

/// What a Linux cloud image is to do with itself at its first start.
struct CloudInitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Of a Linux cloud image: a user to make, who may become root. Needs --ssh-key.", valueName: "name"))
    var user: String?

    @Option(
        help: ArgumentHelp(
            "Of a Linux cloud image: a file of public keys to log in with; may be given several times.",
            valueName: "file"),
        completion: .file(extensions: ["pub"]))
    var sshKey: [String] = []

    @Option(
        help: ArgumentHelp("Of a Linux cloud image: a file of user data for cloud-init.", valueName: "file"),
        completion: .file())
    var cloudInit: String?

    func validate() throws {
        if user != nil, sshKey.isEmpty, cloudInit == nil {
            throw ValidationError("--user needs --ssh-key, or nobody could log in.")
        }
    }

    /// - Throws: `Failure` for a file that cannot be read, or is not what it must be.
    func apply(to vm: inout NewVM) throws {
        vm.user = user
        vm.sshKeys = try sshKey.flatMap(Self.keys)
        vm.cloudInit = try cloudInit.map { try Self.text(of: $0, to: "use the user data") }
    }

    /// The keys of a file in the form of `authorized_keys`.
    private static func keys(in file: String) throws -> [String] {
        let text = try text(of: file, to: "use the key")
        guard !text.contains("PRIVATE KEY-----") else {
            throw Failure(
                "cannot use the key '\(file)': it is a private one; its public one is in a file that ends in .pub")
        }
        let lines = text.split(whereSeparator: \.isNewline).map { trimmed($0) }
        let keys = lines.filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard !keys.isEmpty else { throw Failure("cannot use the key '\(file)': there is none in it") }
        return keys
    }

    private static func trimmed(_ line: Substring) -> String {
        String(line.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }

    /// No more than the service takes of one.
    private static let maximumBytes = 256 << 10

    private static func text(of name: String, to use: String) throws -> String {
        let file = try LocalFile(name, to: use)
        var bytes = [UInt8](repeating: 0, count: maximumBytes + 1)
        var length = 0
        while length < bytes.count {
            let count = bytes[length...].withUnsafeMutableBytes {
                read(file.file.rawDescriptor, $0.baseAddress, $0.count)
            }
            guard count >= 0 else { throw Failure("cannot \(use) '\(name)': \(String(cString: strerror(errno)))") }
            guard count > 0 else { break }
            length += count
        }
        guard length <= maximumBytes else {
            throw Failure("cannot \(use) '\(name)': it has more than \(maximumBytes >> 10) KiB")
        }
        guard let text = String(validating: bytes.prefix(length), as: UTF8.self) else {
            throw Failure("cannot \(use) '\(name)': it is no text in UTF-8")
        }
        return text
    }
}
