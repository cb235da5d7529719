import DBus
import Logging
import VMCore
import VMManagerAPI
import VMModel

extension Handlers {
    func prepareImport(_ call: MethodCall) async throws(VMError) -> Prepared {
        guard call.arguments.count == 3, let file = call.arguments[1].unixFDValue else {
            throw VMError(.invalidArgument, "file must be a file descriptor")
        }
        let name = try MediaName(call.arguments[0].stringValue ?? "")
        var options = try OptionReader(call.arguments[2])
        let isInBackground = try options.bool("background") ?? false
        try options.finish()
        return Prepared("import", name) { [manager] caller throws(VMError) in
            [
                .string(
                    try await manager.importMedium(
                        name, from: ImportFile(file), by: caller.uid, inBackground: isInBackground))
            ]
        }
    }

    func prepareRemoval(_ call: MethodCall) async throws(VMError) -> Prepared {
        let name = try MediaName(call.arguments.first?.stringValue ?? "")
        return Prepared("remove", name) { [manager] _ throws(VMError) in
            try await manager.removeMedium(name)
            return []
        }
    }

    /// The media for anybody who asks.
    var listMedia: MethodHandler {
        .task { [mediaList, failures, logger] call in
            do throws(VMError) {
                let rows = try await mediaList.media().map { medium in
                    DBusValue.structure([.string(medium.name), .uint64(medium.sizeBytes)])
                }
                return .success([.array(of: .structure([.string, .uint64]), rows)])
            } catch {
                failures.log("\(call.member) for \(call.sender) failed: \(error)") { logger.notice("\($0)") }
                return .failure(error.busError)
            }
        }
    }
}

/// `ListMedia`, which asks libvirt: however many ask at a time, there is one question under way, and one for all who came after it
/// was asked. So an answer is never older than its question.
actor MediaList {
    private let manager: VMManager
    private var running: Task<Result<[Medium], VMError>, Never>?
    private var next: Task<Result<[Medium], VMError>, Never>?
    /// How many have asked so far.
    private(set) var askers = 0

    init(manager: VMManager) {
        self.manager = manager
    }

    /// - Throws: as `VMManager.media`.
    func media() async throws(VMError) -> [Medium] {
        askers += 1
        if let next { return try await next.value.get() }
        let isNext = running != nil
        let task = Task { [running] in
            _ = await running?.value
            return await ask(isNext: isNext)
        }
        if isNext { next = task } else { running = task }
        return try await task.value.get()
    }

    private func ask(isNext: Bool) async -> Result<[Medium], VMError> {
        // In one turn, so that who comes from here on waits for another answer.
        if isNext { (running, next) = (next, nil) }
        let result: Result<[Medium], VMError>
        do throws(VMError) { result = .success(try await manager.media()) } catch { result = .failure(error) }
        if next == nil { running = nil }
        return result
    }
}
