import Glibc
public import VMModel

/// The service's directory for what it has to remember, which no other process uses as long as this object lives.
public final class StateDirectory: Sendable {
    public let path: String
    /// Held open, with a lock on it.
    private let lock: Int32

    /// Takes the directory (`flock(2)`), makes it if it is absent, and removes scratch files of a process that was killed.
    /// - Throws: `busy` when another process has it; `failed`.
    public init(_ path: String) throws(VMError) {
        self.path = path
        try Self.makeDirectory(path)
        lock = try Self.retrying("open", path) { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        do throws(VMError) {
            try Self.retrying("lock", path) { [lock] in flock(lock, LOCK_EX | LOCK_NB) }
            if access(scratch, F_OK) == 0 {
                for name in try Self.names(in: scratch) { Self.removeScratch("\(scratch)/\(name)") }
            }
        } catch {
            // Everything has its value, so that `deinit` closes the directory.
            throw error.cause?.code == EWOULDBLOCK ? VMError(.busy, "another process uses \(path)") : error
        }
    }

    deinit {
        close(lock)
    }

    private var scratch: String { path + "/scratch" }

    /// Makes an empty directory for files of the moment; `removeScratch` takes it away.
    /// - Throws: `noSpace`, `failed`.
    func makeScratch() throws(VMError) -> String {
        try Self.makeDirectory(scratch)
        var name = Array("\(scratch)/XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw .system("make", scratch) }
        return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes such a directory with the files in it.
    static func removeScratch(_ directory: String) {
        for name in (try? names(in: directory)) ?? [] { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }

    /// Makes a directory for this user alone, if it is absent.
    static func makeDirectory(_ path: String) throws(VMError) {
        try retrying("make", path) { mkdir(path, 0o700) == 0 || errno == EEXIST ? 0 : -1 }
    }

    /// The names in a directory, but for itself and the one above.
    static func names(in directory: String) throws(VMError) -> [String] {
        guard let stream = opendir(directory) else { throw .system("list", directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        guard errno == 0 else { throw .system("list", directory) }
        return names.filter { $0 != "." && $0 != ".." }
    }

    /// Writes a new file with all of its bytes, on disk when it returns if `isSynced`.
    static func write(_ bytes: [UInt8], to path: String, isSynced: Bool) throws(VMError) {
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
                throw .system("write", path)
            }
        }
        if isSynced { try sync(descriptor, path) }
    }

    /// Has the disk take what was written (`fsync(2)`).
    static func sync(_ descriptor: Int32, _ path: String) throws(VMError) {
        try retrying("sync", path) { fsync(descriptor) }
    }

    /// What a call gives, made again as long as a signal gets in its way.
    @discardableResult
    static func retrying(_ operation: String, _ path: String, _ call: () -> Int32) throws(VMError) -> Int32 {
        while true {
            let result = call()
            guard result < 0 else { return result }
            guard errno == EINTR else { throw .system(operation, path) }
        }
    }
}

extension VMError {
    /// What `errno` says of a call on a file of the service's own. The caller is not told the path, the log is.
    static func system(_ operation: String, _ path: String) -> VMError {
        let number = errno
        let isFull = number == ENOSPC || number == EDQUOT
        return VMError(
            isFull ? .noSpace : .failed,
            "the service cannot write what it has to remember\(isFull ? ", the disk is full" : "")",
            cause: Cause(
                domain: -1, code: number, operation: operation, text: "\(path): \(String(cString: strerror(number)))"))
    }
}
