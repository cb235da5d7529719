import ArgumentParser
import VMManagerClient
import VMModel

struct Delete: VMAction {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete VMs that are off.",
        discussion: """
            On a terminal it asks before it deletes; elsewhere it does what it was told. \
            Disks are kept and named, except that --delete-disk deletes those that were \
            made with the VM. Other files are never deleted.

            EXAMPLES:
              neuron-vm delete old
              neuron-vm delete old --delete-disk --yes
            """)

    @OptionGroup var targets: Targets

    @Flag(help: "Delete the disks too that were made with the VM.")
    var deleteDisk = false

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try await service.connect()
        guard !yes, Output.canAsk else { return try await act(on: targets.references, through: client) }
        // What was asked about is what is deleted, also if the name passes to another VM meanwhile.
        let confirmed = try await confirmedVMs(client)
        try await act(on: confirmed.map(VMReference.uuid), through: client)
    }

    func act(on vm: VMReference, through client: VMManagerClient) async throws -> String {
        let kept = try await client.delete(vm, deleteDisks: deleteDisk)
        return kept.map { "kept \(Printable.escape($0))\n" }.joined()
    }

    private func confirmedVMs(_ client: VMManagerClient) async throws -> [VMUUID] {
        var confirmed: [VMUUID] = []
        for vm in targets.references {
            let details: VMDetails
            do {
                details = try await client.details(of: vm)
            } catch {
                throw Failure(error, about: vm)
            }
            Output.tell(Self.question(name: details.name, uuid: details.uuid, deleteDisk: deleteDisk))
            guard Self.isYes(readLine() ?? "") else { throw Failure("nothing was deleted") }
            confirmed.append(details.uuid)
        }
        return confirmed
    }

    static func question(name: String, uuid: VMUUID, deleteDisk: Bool) -> String {
        let disks = deleteDisk ? "with its disks" : "and keep its disks"
        return "Delete the VM '\(Printable.escape(name))' (\(uuid)) \(disks)? [y/N] "
    }

    static func isYes(_ answer: String) -> Bool {
        ["y", "yes"].contains(answer.lowercased())
    }
}
