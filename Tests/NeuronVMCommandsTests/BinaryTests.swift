import ArgumentParser
import Foundation
import Testing

@testable import NeuronVMCommands

/// The program as it was built, without a bus.
struct BinaryTests {
    private struct Result {
        let ending: Child.Ending
        let output: String
        let errors: String

        var status: Int32 { ending.status }
    }

    /// The program stands next to the tests.
    private static let program: URL? = {
        let bundle = CommandLine.arguments.drop { $0 != "--test-bundle-path" }.dropFirst().first
        let tests = URL(fileURLWithPath: bundle ?? CommandLine.arguments[0]).resolvingSymlinksInPath()
        return sequence(first: tests) { $0.path == "/" ? nil : $0.deletingLastPathComponent() }
            .map { $0.appendingPathComponent("neuron-vm") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }()

    private func run(_ arguments: String..., output: Int32? = nil) async throws -> Result {
        let program: URL = try #require(Self.program, "neuron-vm is not built")
        let (out, err) = (try ChildPipe(), try ChildPipe())
        let child = try Child(
            program.path, arguments, environment: ["DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent/bus"],
            output: output ?? out.writing.fileDescriptor, errors: err.writing.fileDescriptor)
        try out.writing.close()
        try err.writing.close()
        // Both are far smaller than a pipe holds, so that one may be read after the other.
        let texts = await offPool { [out, err].map { $0.reading.readDataToEndOfFile() } }
            .map { String(decoding: $0, as: UTF8.self) }
        return Result(ending: await child.ending(), output: texts[0], errors: texts[1])
    }

    private static let verbs = NeuronVM.configuration.subcommands.map { $0._commandName }

    @Test func thereIsEachVerb() {
        #expect(
            Set(Self.verbs) == [
                "list", "info", "create", "start", "stop", "pause", "resume", "reboot", "reset", "delete", "autostart",
                "xml", "watch", "media", "template", "templates", "render", "doctor",
            ])
    }

    @Test func withoutAVerbItHelpsAndFails() async throws {
        let result = try await run()
        #expect(result.status == 1)
        #expect(result.errors == "")
        for verb in Self.verbs { #expect(result.output.contains("\n  \(verb) ")) }
        #expect(try await run("--help").output == result.output)
        #expect(try await run("--help").status == 0)
    }

    @Test(arguments: verbs)
    func eachVerbHelpsWithAnExample(_ verb: String) async throws {
        let result = try await run(verb, "--help")
        #expect(result.status == 0)
        #expect(result.output.contains("USAGE: neuron-vm \(verb)"))
        #expect(result.output.contains("\n  neuron-vm \(verb)"))
        #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.hasPrefix("USAGE") })
    }

    @Test(arguments: [
        ("template", "list"), ("template", "show"), ("template", "render"), ("media", "import"), ("media", "list"),
        ("media", "remove"),
    ])
    func eachVerbOfANounHelpsWithAnExample(_ noun: String, _ verb: String) async throws {
        let result = try await run(noun, verb, "--help")
        #expect(result.status == 0)
        #expect(result.output.contains("USAGE: neuron-vm \(noun) \(verb)"))
        #expect(result.output.contains("\n  neuron-vm \(noun) \(verb)"))
        #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.hasPrefix("USAGE") })
        let bare = try await run(noun)
        #expect(bare.status == 1 && bare.output.contains("\n  \(verb) ") && bare.errors == "")
    }

    @Test func itsVersionIsALine() async throws {
        let result = try await run("--version")
        #expect(result.status == 0)
        #expect(result.output.split(separator: "\n").count == 1)
    }

    @Test func wrongUsageIsToldOnStandardError() async throws {
        let result = try await run("nonsense\u{1b}")
        #expect(result.status == 64)
        #expect(result.output == "")
        #expect(result.errors.contains("Usage:"))
        #expect(!result.errors.contains("\u{1b}"))
    }

    @Test func theDoctorExplainsThatThereIsNoBus() async throws {
        let text = try await run("doctor")
        #expect(text.status == 1 && text.errors == "")
        let lines = text.output.split(separator: "\n")
        #expect(lines.count == 2 && lines.first?.hasPrefix("fail  service  cannot reach the message bus: ") == true)
        #expect(lines.last == "      -> 'sudo systemctl start dbus'")
        let json = try await run("doctor", "--json")
        #expect(json.status == 1 && json.errors == "")
        #expect(
            json.output.hasPrefix(
                #"[\#n  {"check": "service", "result": "fail", "found": "cannot reach the message bus: "#))
    }

    @Test func withoutABusItSaysSo() async throws {
        for arguments in [["list"], ["start", "a"], ["watch"], ["create", "a"]] {
            let result = try arguments.count == 1 ? await run(arguments[0]) : await run(arguments[0], arguments[1])
            #expect(result.status == 1)
            #expect(result.output == "")
            #expect(result.errors.hasPrefix("neuron-vm: cannot reach the message bus: "))
            #expect(result.errors.split(separator: "\n").count == 1)
        }
    }

    @Test func aFileThatIsMissingIsToldBeforeTheBusIsAsked() async throws {
        let result = try await run("create", "a", "--iso", "/nonexistent.iso")
        #expect(result.status == 1)
        #expect(result.errors == "neuron-vm: cannot use the ISO file '/nonexistent.iso': No such file or directory\n")
    }

    @Test func aReaderThatIsGoneEndsItQuietly() async throws {
        let pipe = try ChildPipe()
        try pipe.reading.close()
        let result = try await run("--help", output: pipe.writing.fileDescriptor)
        #expect(result.ending == Child.Ending(status: SIGPIPE, bySignal: true))
        #expect(result.errors == "")
    }

    @Test func closedDescriptorsAreNotReused() async throws {
        let nothing = try #require(FileHandle(forReadingAtPath: "/dev/null"))
        let result = try await run("--help", output: nothing.fileDescriptor)
        #expect(result.status == 1)
        #expect(result.errors == "neuron-vm: cannot write the output: Bad file descriptor\n")
        let shell = try #require(Self.program)
        let err = try ChildPipe()
        let child = try Child(
            "/bin/sh", ["-c", "exec \"$0\" --version >&-", shell.path], output: err.writing.fileDescriptor,
            errors: err.writing.fileDescriptor)
        try err.writing.close()
        let text = await offPool { String(decoding: err.reading.readDataToEndOfFile(), as: UTF8.self) }
        #expect(await child.ending().status == 1)
        #expect(text == "neuron-vm: cannot write the output: Bad file descriptor\n")
    }

    @Test func aFullDiskIsAFailure() async throws {
        let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
        let result = try await run("--help", output: full.fileDescriptor)
        #expect(result.status == 1)
        #expect(result.errors == "neuron-vm: cannot write the output: No space left on device\n")
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func thereAreCompletionScripts(_ shell: String) async throws {
        let result = try await run("--generate-completion-script", shell)
        #expect(result.status == 0)
        #expect(result.output.contains("neuron-vm"))
    }
}
