import Foundation

/// Programs that the tests compare with. Where the environment says `CI`, their absence is a failure and not a reason to
/// skip.
enum Tools {
    static let python = "/usr/bin/python3"
    static let validator = "/usr/bin/virt-xml-validate"
    static let isRequired = ProcessInfo.processInfo.environment["CI"] != nil

    /// Whether Python has Jinja2 (Debian package python3-jinja2).
    static let hasJinja2 = (try? run(python, ["-c", "import jinja2"]).status) == 0
    /// Whether libvirt's schema can be asked (Debian packages libvirt-clients and libxml2-utils).
    static let hasValidator = FileManager.default.isExecutableFile(atPath: validator)

    /// Runs a program to its end; its standard error goes with its output.
    static func run(_ program: String, _ arguments: [String], input: Data = Data()) throws -> (
        status: Int32, output: Data
    ) {
        let directory = try TemporaryDirectory()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle(forReadingAtPath: try directory.write("input", input))
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, data)
    }
}

extension Tools {
    /// What libvirt's schema has to say against domains: the validator's output for each that is not valid.
    ///
    /// The tool takes one file. It runs `xmllint` on the schema, which takes many and is then read but once.
    static func faultyDomains(_ documents: [String]) throws -> [String] {
        let directory = try TemporaryDirectory()
        let files = try documents.enumerated().map { try directory.write("\($0.offset).xml", $0.element) }
        guard let first = files.first else { return [] }
        let (status, output) = try run(validator, [first, "domain"])
        guard status == 0 else { return [String(decoding: output, as: UTF8.self)] }
        let (_, all) = try run("/usr/bin/xmllint", ["--noout", "--relaxng", schema] + files)
        let lines = String(decoding: all, as: UTF8.self).split(separator: "\n")
        guard lines.filter({ $0.hasSuffix(" validates") }).count < files.count else { return [] }
        return lines.filter { !$0.hasSuffix(" validates") }.prefix(10).map(String.init) + ["not all validate"]
    }

    private static let schema = "/usr/share/libvirt/schemas/domain.rng"
}
