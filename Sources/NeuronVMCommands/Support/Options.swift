import ArgumentParser
import VMManagerClient
import VMModel

/// How the service is talked to.
struct ServiceOptions: ParsableArguments {
    @Flag(name: .customLong("no-ask-password"), help: "Fail instead of asking for a password.")
    var noAskPassword = false

    func connect() async throws -> VMManagerClient {
        var client = try await VMManagerClient.connect(allowsPrompts: !noAskPassword)
        client.provideAgent = { await TextAgent.shared.start() }
        return client
    }
}

/// Output for programs instead of people.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print JSON.")
    var json = false
}

/// The VMs that a command is for.
struct Targets: ParsableArguments {
    @Argument(help: "Names or UUIDs of VMs.", completion: .vm)
    var vms: [String]

    func validate() throws {
        try vms.forEach(Target.check)
    }

    var references: [VMReference] { vms.map { VMReference($0) } }
}

/// The one VM that a command is for.
struct Target: ParsableArguments {
    @Argument(help: "Name or UUID of the VM.", completion: .vm)
    var vm: String

    func validate() throws {
        try Self.check(vm)
    }

    /// Acts on the VM; a failure names it.
    func act<Result>(_ body: (VMReference) async throws -> Result) async throws -> Result {
        let reference = VMReference(vm)
        do {
            return try await body(reference)
        } catch {
            throw Failure(error, about: reference)
        }
    }

    static func check(_ name: String) throws {
        guard !name.isEmpty else { throw ValidationError("The name of a VM is empty.") }
    }
}

extension CompletionKind {
    /// The names of the VMs that there are; nothing where the service cannot be asked.
    static let vm = CompletionKind.custom { _, _, _ in
        guard let client = try? await VMManagerClient.connect(allowsPrompts: false), let vms = try? await client.vms()
        else { return [] }
        return VMList.words(vms).split(separator: "\n").map(String.init)
    }
}
