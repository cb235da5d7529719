import Dispatch
import Glibc
public import VMModel

/// Intents as files of a directory, one each, that no other process uses.
///
/// A file gets its name when all of it is on disk, so that what is torn has none, or was damaged later: such a file is put aside, and
/// that is told.
public actor IntentLog: IntentStore {
    /// Held, so that no other process has it.
    private let state: StateDirectory
    private let directory: String
    private let log: @Sendable (String) -> Void
    private let queue = FileQueue()

    public nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    /// Keeps them in the directory `intents` of the service's own.
    /// - Parameter log: told of files that had to be put aside, one line each.
    /// - Throws: `failed`.
    public init(_ state: StateDirectory, log: @escaping @Sendable (String) -> Void) throws(VMError) {
        self.state = state
        directory = state.path + "/intents"
        self.log = log
        try StateDirectory.makeDirectory(directory)
    }

    public func keep(_ intent: Intent) throws(VMError) {
        let bytes = Array(try intent.text().utf8)
        let (path, unfinished) = (path(of: intent), path(of: intent) + Self.unfinished)
        do throws(VMError) {
            // Left over from a process that was killed here.
            unlink(unfinished)
            try StateDirectory.write(bytes, to: unfinished, isSynced: true)
            try StateDirectory.retrying("name", unfinished) { rename(unfinished, path) }
            try syncDirectory()
        } catch {
            unlink(unfinished)
            unlink(path)
            throw error
        }
    }

    public func forget(_ intent: Intent) throws(VMError) {
        let path = path(of: intent)
        try StateDirectory.retrying("remove", path) { unlink(path) == 0 || errno == ENOENT ? 0 : -1 }
        try syncDirectory()
    }

    public func all() throws(VMError) -> [Intent] {
        var found: [(Intent, Int)] = []
        for name in try StateDirectory.names(in: directory)
        where name.hasSuffix(Self.suffix) || name.hasSuffix(Self.unfinished) {
            let path = "\(directory)/\(name)"
            guard !name.hasSuffix(Self.unfinished) else {
                // What it was to note has not begun.
                unlink(path)
                continue
            }
            var status = stat()
            try StateDirectory.retrying("examine", path) { lstat(path, &status) }
            let isFile = status.st_mode & S_IFMT == S_IFREG
            if isFile, let intent = try Self.read(path), self.path(of: intent) == path {
                found.append((intent, status.st_mtim.tv_sec))
            } else {
                putAside(path)
            }
        }
        return found.sorted { ($0.1, $0.0.uuid.description) < ($1.1, $1.0.uuid.description) }.map(\.0)
    }

    // MARK: Files

    private static let suffix = ".intent"
    private static let unfinished = ".new"
    private static let aside = ".unreadable"
    /// Far more than any intent has.
    private static let maximumBytes = 1 << 16

    private func path(of intent: Intent) -> String { "\(directory)/\(intent.uuid)\(Self.suffix)" }

    private func putAside(_ path: String) {
        let isAside = rename(path, path + Self.aside) == 0
        log(
            "what was to be done cannot be read from \(path), and something may be left of it; the file is "
                + (isAside ? "now \(path)\(Self.aside)" : "still there"))
    }

    private func syncDirectory() throws(VMError) {
        let directory = directory
        let descriptor = try StateDirectory.retrying("open", directory) {
            open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        defer { close(descriptor) }
        try StateDirectory.sync(descriptor, directory)
    }

    /// - Returns: nil for what is no intent. - Throws: `failed` for what cannot be read now: that says nothing of what it is.
    private static func read(_ path: String) throws(VMError) -> Intent? {
        let descriptor = try StateDirectory.retrying("open", path) {
            open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: maximumBytes)
        var bytes: [UInt8] = []
        while bytes.count < maximumBytes {
            let count = try StateDirectory.retrying("read", path) {
                Int32(clamping: Glibc.read(descriptor, &buffer, buffer.count))
            }
            if count == 0 { return String(validating: bytes, as: UTF8.self).flatMap(Intent.init(text:)) }
            bytes += buffer.prefix(Int(count))
        }
        return nil
    }
}

/// A thread's worth of file system calls, which may block, off the threads that tasks run on.
final class FileQueue: SerialExecutor {
    private let queue = DispatchQueue(label: "files")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
