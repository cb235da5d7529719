import Dispatch
import Glibc
public import VMModel

/// Intents as files of a directory, one each, that no other process uses.
///
/// A file gets its name when all of it is on disk, so that what is torn has none, or was damaged later: such a file is put aside, and
/// that is told.
public actor IntentLog: IntentStore {
    private let directory: String
    /// Held open, with a lock on it, as long as this object lives.
    private let lock: Int32
    private let log: @Sendable (String) -> Void
    private let queue = FileQueue()

    public nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    /// Takes the directory `intents` in the state directory for itself (`flock(2)`).
    /// - Parameters:
    ///   - stateDirectory: a directory of the service's own, made if it is absent.
    ///   - log: told of files that had to be put aside, one line each.
    /// - Throws: `busy` when another process has it; `failed`.
    public init(stateDirectory: String, log: @escaping @Sendable (String) -> Void) throws(VMError) {
        directory = stateDirectory + "/intents"
        self.log = log
        // systemd makes it; whoever starts the service by hand need not.
        _ = mkdir(stateDirectory, 0o700)
        let directory = directory
        try Self.retrying("make", directory) { mkdir(directory, 0o700) == 0 || errno == EEXIST ? 0 : -1 }
        lock = try Self.retrying("open", directory) { open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        do throws(VMError) {
            try Self.retrying("lock", directory) { [lock] in flock(lock, LOCK_EX | LOCK_NB) }
        } catch {
            close(lock)
            throw error.cause?.code == EWOULDBLOCK ? VMError(.busy, "another process uses \(directory)") : error
        }
    }

    deinit {
        close(lock)
    }

    public func keep(_ intent: Intent) throws(VMError) {
        let bytes = Array(try intent.text().utf8)
        let (path, unfinished) = (path(of: intent), path(of: intent) + Self.unfinished)
        do throws(VMError) {
            try Self.write(bytes, to: unfinished)
            try Self.retrying("name", unfinished) { rename(unfinished, path) }
            try syncDirectory()
        } catch {
            unlink(unfinished)
            unlink(path)
            throw error
        }
    }

    public func forget(_ intent: Intent) throws(VMError) {
        let path = path(of: intent)
        try Self.retrying("remove", path) { unlink(path) == 0 || errno == ENOENT ? 0 : -1 }
        try syncDirectory()
    }

    public func all() throws(VMError) -> [Intent] {
        var found: [(Intent, Int)] = []
        for name in try names() where name.hasSuffix(Self.suffix) || name.hasSuffix(Self.unfinished) {
            let path = "\(directory)/\(name)"
            guard !name.hasSuffix(Self.unfinished) else {
                // What it was to note has not begun.
                unlink(path)
                continue
            }
            // Once more, since an error of the moment is no damage.
            if let intent = Self.read(path) ?? Self.read(path), self.path(of: intent) == path {
                var status = stat()
                lstat(path, &status)
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

    private func names() throws(VMError) -> [String] {
        guard let stream = opendir(directory) else { throw Self.failure("list", directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        guard errno == 0 else { throw Self.failure("list", directory) }
        return names
    }

    private func syncDirectory() throws(VMError) {
        try Self.retrying("sync", directory) { fsync(lock) }
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(VMError) {
        // Left over from a process that was killed here.
        unlink(path)
        let descriptor = try retrying("make", path) {
            open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count == 0 || errno != EINTR {
                throw failure("write", path)
            }
        }
        try retrying("sync", path) { fsync(descriptor) }
    }

    private static func read(_ path: String) -> Intent? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: maximumBytes)
        var bytes: [UInt8] = []
        while bytes.count < maximumBytes {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return String(validating: bytes, as: UTF8.self).flatMap(Intent.init(text:)) }
            guard count > 0 || errno == EINTR else { return nil }
            bytes += buffer.prefix(max(0, count))
        }
        return nil
    }

    /// What a call gives, made again as long as a signal gets in its way.
    @discardableResult
    private static func retrying(
        _ action: String, _ path: String, _ call: () -> Int32
    ) throws(VMError) -> Int32 {
        while true {
            let result = call()
            guard result < 0 else { return result }
            guard errno == EINTR else { throw failure(action, path) }
        }
    }

    /// The caller is not told the path, the log is.
    private static func failure(_ action: String, _ path: String) -> VMError {
        let number = errno
        let words = String(cString: strerror(number))
        let isFull = number == ENOSPC || number == EDQUOT
        return VMError(
            isFull ? .noSpace : .failed,
            "what is to be done cannot be noted on disk\(isFull ? ", which is full" : "")",
            cause: VMError.Cause(domain: -1, code: number, operation: action, text: "\(path): \(words)"))
    }
}

/// A thread's worth of file system calls, which may block, off the threads that tasks run on.
private final class FileQueue: SerialExecutor {
    private let queue = DispatchQueue(label: "intents")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
