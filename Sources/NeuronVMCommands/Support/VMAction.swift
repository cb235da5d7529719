import ArgumentParser
import Glibc
import VMManagerClient

/// A command that does the same to each VM that it names.
protocol VMAction: AsyncParsableCommand, Sendable {
    var targets: Targets { get }
    var service: ServiceOptions { get }

    /// Acts on one VM.
    /// - Returns: what there is to print.
    func act(on vm: VMReference, through client: VMManagerClient) async throws -> String
}

extension VMAction {
    func run() async throws {
        let client = try await service.connect()
        try await act(on: targets.references, through: client)
    }

    /// Acts on several VMs, a few at a time, and reports in the order in which they were named.
    /// - Throws: `ExitCode.failure` when one failed; the reason has been told.
    func act(on vms: [VMReference], through client: VMManagerClient) async throws {
        var report = Report()
        try await withThrowingTaskGroup(of: (Int, Result<String, Failure>).self) { group in
            for (position, vm) in vms.enumerated() {
                if position >= Report.atOnce, let done = try await group.next() { try report.add(done) }
                group.addTask {
                    do {
                        return (position, .success(try await act(on: vm, through: client)))
                    } catch {
                        return (position, .failure(Failure(error, about: vm)))
                    }
                }
            }
            while let done = try await group.next() { try report.add(done) }
        }
        if report.hasFailures { throw ExitCode.failure }
    }
}

/// Results that come in any order, told in the order of the command line.
private struct Report {
    /// How many VMs are worked on at a time: the bus allows 128 calls without a reply for each connection, and the service 4
    /// authorizations of a user that are waited for.
    static let atOnce = geteuid() == 0 ? 16 : 4

    private(set) var hasFailures = false
    private var waiting: [Int: Result<String, Failure>] = [:]
    private var next = 0
    private var lastFailure: Failure?

    mutating func add(_ done: (position: Int, result: Result<String, Failure>)) throws {
        waiting[done.position] = done.result
        while let result = waiting.removeValue(forKey: next) {
            next += 1
            switch result {
            case .success(let text):
                if !text.isEmpty { try Output.write(text) }
            case .failure(let failure):
                hasFailures = true
                // What is wrong with the service is wrong for each VM, and said once.
                if failure != lastFailure { Output.note(failure.description) }
                lastFailure = failure
            }
        }
    }
}
