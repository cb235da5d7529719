import Subprocess
import SystemPackage
public import VMModel

/// Makes the medium on which cloud-init finds what it is to do.
public protocol SeedBuilder: Sendable {
    /// - Returns: the bytes of an ISO image with the volume name `CIDATA`.
    /// - Throws: `hostUnsupported` where the program for it is missing; `noSpace`, `timeout`, `failed`.
    func image(of files: [(name: String, text: String)]) async throws(VMError) -> [UInt8]
}

/// Makes it with Debian's xorriso (`xorriso(1)`), which sees nothing but these files: no environment, no other descriptors.
public actor Xorriso: SeedBuilder {
    private static let program = "/usr/bin/xorriso"
    /// Beyond the files themselves it takes less than one.
    private static let maximumBytes = 4 << 20
    private static let patience = Duration.seconds(60)

    private let state: StateDirectory
    private let queue = FileQueue()

    public nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    /// - Parameter state: where the files are for the moment.
    public init(_ state: StateDirectory) {
        self.state = state
    }

    public func image(of files: [(name: String, text: String)]) async throws(VMError) -> [UInt8] {
        let directory = try state.makeScratch()
        defer { StateDirectory.removeScratch(directory) }
        for file in files {
            try StateDirectory.write(Array(file.text.utf8), to: "\(directory)/\(file.name)", isSynced: false)
        }
        do {
            return try await Self.run(on: directory)
        } catch let error as VMError {
            throw error
        } catch let error as SubprocessError where error.code == .executableNotFound {
            throw VMError(.hostUnsupported, "cloud-init data need the program xorriso, which this host does not have")
        } catch {
            throw Self.failure("\(error)")
        }
    }

    private static func run(on directory: String) async throws -> [UInt8] {
        try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                let result = try await Subprocess.run(
                    .path(FilePath(program)),
                    arguments: [
                        "-as", "genisoimage", "-quiet", "-output", "-", "-volid", "CIDATA", "-joliet",
                        "-rational-rock", directory,
                    ],
                    environment: .custom(["LC_ALL": "C"]), workingDirectory: "/", output: .bytes(limit: maximumBytes),
                    error: .string(limit: 4096))
                guard case .exited(0) = result.terminationStatus, !result.standardOutput.isEmpty else {
                    throw failure("\(result.terminationStatus): \(result.standardError)")
                }
                return result.standardOutput
            }
            group.addTask {
                try await Task.sleep(for: patience)
                throw VMError(.timeout, "making the medium for cloud-init takes too long")
            }
            // Whichever is first ends the other; the program is killed then.
            defer { group.cancelAll() }
            return try await group.next() ?? []
        }
    }

    private static func failure(_ words: String) -> VMError {
        VMError(
            .failed, "the medium for cloud-init cannot be made",
            cause: VMError.Cause(domain: -1, code: 0, operation: program, text: words))
    }
}
