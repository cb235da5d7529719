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
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .system("make", path) }
        lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard lock >= 0 else { throw .system("open", path) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let error =
                errno == EWOULDBLOCK ? VMError(.busy, "another process uses \(path)") : VMError.system("lock", path)
            close(lock)
            throw error
        }
        for name in Self.names(in: scratch) { Self.removeScratch("\(scratch)/\(name)") }
    }

    deinit {
        close(lock)
    }

    private var scratch: String { path + "/scratch" }

    /// Makes an empty directory for files of the moment; `removeScratch` takes it away.
    /// - Throws: `noSpace`, `failed`.
    func makeScratch() throws(VMError) -> String {
        guard mkdir(scratch, 0o700) == 0 || errno == EEXIST else { throw .system("make", scratch) }
        var name = Array("\(scratch)/XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw .system("make", scratch) }
        return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes such a directory with the files in it.
    static func removeScratch(_ directory: String) {
        for name in names(in: directory) { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }

    /// The names in a directory, but for itself and the one above; none if it cannot be read.
    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names.filter { $0 != "." && $0 != ".." }
    }

    /// Writes a new file with all of its bytes, on disk when it returns if `isSynced`.
    static func write(_ bytes: [UInt8], to path: String, isSynced: Bool) throws(VMError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("make", path) }
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
        while fsync(descriptor) != 0 {
            guard errno == EINTR else { throw .system("sync", path) }
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
