import ArgumentParser
import VMManagerClient
import VMModel

/// The library of media, from which VMs install.
struct Media: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "media",
        abstract: "List, import and remove the media that VMs install from.",
        discussion: """
            EXAMPLES:
              neuron-vm media import ~/Downloads/debian.iso
              neuron-vm media list
              neuron-vm media remove debian.iso
            """,
        subcommands: [Import.self, List.self, Remove.self])

    func run() async throws {
        try Output.write(NeuronVM.helpMessage(for: Self.self) + "\n")
        throw ExitCode.failure
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import",
            abstract: "Copy a file into the library.",
            discussion: """
                The file may be anywhere: it is read with your rights. Its name in the library is \
                its own, with '-' for what may not be in a name. ctrl-C cancels it, and \
                nothing is left.

                EXAMPLES:
                  neuron-vm media import ~/Downloads/debian-12-amd64-netinst.iso --name debian.iso
                """)

        @Argument(help: "The file.", completion: .file(extensions: ["iso"]))
        var file: String

        @Option(help: ArgumentHelp("Its name in the library.", valueName: "name"))
        var name: String?

        @OptionGroup var service: ServiceOptions

        func validate() throws {
            guard let name else { return }
            do throws(VMError) { _ = try MediaName(name) } catch { throw ValidationError(error.message) }
        }

        func run() async throws {
            // What is wrong with the file is told before anything is started for it.
            let local = try LocalFile(file, to: "import")
            let medium = try name ?? Self.name(for: local.path)
            let client = try await service.connect()
            let path = try await client.following(.importMedia, "importing \(medium)", on: .name(medium)) {
                try await client.importMedium(medium, from: local.file)
            }
            try Output.write("imported \(medium) (\(Printable.escape(path)))\n")
        }

        static func name(for path: String) throws -> String {
            let fileName = path.split(separator: "/").last.map(String.init) ?? ""
            guard let name = MediaName.suggested(for: fileName) else {
                throw Failure("'\(fileName)' cannot be a name in the library; choose one with --name")
            }
            return name.rawValue
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List the media in the library.",
            discussion: """
                EXAMPLES:
                  neuron-vm media list --json
                """)

        @OptionGroup var format: JSONOption

        func run() async throws {
            let media = try await VMManagerClient.connect().media()
            try Output.write(
                format.json ? MediaTable.json(media) : MediaTable.text(media, colours: Output.hasColours))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove",
            abstract: "Remove media that no VM has.",
            discussion: """
                EXAMPLES:
                  neuron-vm media remove debian.iso
                """)

        @Argument(help: "Names of media.", completion: .medium)
        var names: [String]

        @OptionGroup var service: ServiceOptions

        func validate() throws {
            for name in names {
                do throws(VMError) { _ = try MediaName(name) } catch { throw ValidationError(error.message) }
            }
        }

        func run() async throws {
            let client = try await service.connect()
            var failed = false
            for name in names {
                do {
                    try await client.removeMedium(name)
                } catch {
                    failed = true
                    Output.note(Failure(error).description)
                }
            }
            if failed { throw ExitCode.failure }
        }
    }
}

extension CompletionKind {
    /// The names of the media in the library; nothing where the service cannot be asked.
    static let medium = CompletionKind.custom { _, _, _ in
        guard let client = try? await VMManagerClient.connect(allowsPrompts: false) else { return [] }
        return (try? await client.media().map(\.name)) ?? []
    }
}
