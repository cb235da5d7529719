import ArgumentParser
import VMManagerClient

struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Print the changes of VMs as they happen.",
        discussion: """
            It goes on until it is interrupted, also when the service restarts; what \
            changed meanwhile is printed when the service is back.

            EXAMPLES:
              neuron-vm watch
              neuron-vm watch --json
            """)

    @Flag(help: "Print each change as JSON, one per line.")
    var json = false

    func run() async throws {
        let client = try await VMManagerClient.connect()
        // The first call starts the service if need be, so that its start is no news.
        _ = try await client.vms()
        let changes = try await client.changes()
        var log = WatchLog(try await client.vms(), asJSON: json)
        for try await change in changes {
            try Self.show(log.lines(for: change))
            guard change == .serviceBack else { continue }
            // It may be gone again already; then its next return is told too.
            guard let vms = try? await client.vms() else { continue }
            try Self.show(log.lines(comparedWith: vms))
        }
    }

    private static func show(_ lines: [WatchLog.Line]) throws {
        for line in lines {
            switch line {
            case .change(let text): try Output.write(text)
            case .note(let text): Output.note(text)
            }
        }
    }
}
