public import ArgumentParser
import Glibc
import VMManagerClient

/// The command `neuron-vm`.
public struct NeuronVM: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "neuron-vm",
        abstract: "Make and run virtual machines on this host.",
        discussion: """
            EXAMPLES:
              neuron-vm create work --type linux --memory 4 --cpus 2 --disk 20 \\
                  --iso debian.iso --start
              neuron-vm list
              neuron-vm stop work

            A VM is named by its name or its UUID. It exits with 0 when everything was \
            done, with 1 when something failed, and with 64 for wrong usage.
            """,
        version: VMManagerClient.version,
        subcommands: [
            List.self, Info.self, Create.self, Start.self, Stop.self, Pause.self, Resume.self, Reboot.self, Reset.self,
            Delete.self, Autostart.self, XML.self, Watch.self, Media.self, Template.self, Templates.self, Render.self,
            Doctor.self,
        ])

    public init() {}

    /// Without a verb there is nothing to do: shows what there is.
    public func run() async throws {
        try Output.write(Self.helpMessage() + "\n")
        throw ExitCode.failure
    }

    /// Keeps the numbers of standard descriptors that are closed from going to something else: a connection to the bus that
    /// had the number 1 would be sent the output. Writing to the stand-in fails, as it should.
    ///
    /// To be called before anything else.
    public static func reserveStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is the one that is missing.
            _ = open("/dev/null", O_RDONLY)
        }
    }

    /// Runs the command line.
    /// - Returns: the exit code of the process.
    public static func run(_ arguments: [String]? = nil) async -> Int32 {
        defer { TextAgent.stop() }
        let command: any ParsableCommand
        do {
            command = try await asyncParseAsRoot(arguments)
        } catch {
            return explain(error)
        }
        do {
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                var command = command
                try command.run()
            }
            return 0
        } catch let code as ExitCode {
            return code.rawValue
        } catch let error where exitCode(for: error) != .failure {
            // Help and completion scripts are asked for with commands of the parser's own.
            return explain(error)
        } catch {
            Output.note(Failure(error).description)
            return 1
        }
    }

    /// Prints what the parser has to say: help that was asked for, or what is wrong with the arguments.
    private static func explain(_ error: any Error) -> Int32 {
        let code = exitCode(for: error)
        let text = fullMessage(for: error)
        if code.isSuccess {
            do {
                try Output.write(text + "\n")
            } catch {
                Output.note(Failure(error).description)
                return 1
            }
        } else if !text.isEmpty {
            Output.tell(Printable.escape(text, keeping: ["\n"]) + "\n")
        }
        return code.rawValue
    }
}
