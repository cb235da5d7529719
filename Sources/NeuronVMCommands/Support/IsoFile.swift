import Glibc

/// A medium that a VM is to be installed from.
enum IsoFile {
    /// The absolute path of a file, without links and `..`, as the service wants it (`realpath(3)`).
    /// - Throws: `Failure` unless it is a regular file that can be read.
    static func absolutePath(of path: String) throws -> String {
        func failure(_ reason: String) -> Failure { Failure("cannot use the ISO file '\(path)': \(reason)") }
        guard let resolved = realpath(path, nil) else { throw failure(String(cString: strerror(errno))) }
        defer { free(resolved) }
        var status = stat()
        guard stat(resolved, &status) == 0 else { throw failure(String(cString: strerror(errno))) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure("it is not a regular file") }
        guard access(resolved, R_OK) == 0 else { throw failure(String(cString: strerror(errno))) }
        guard let text = String(validatingCString: resolved) else { throw failure("its path is not UTF-8") }
        return text
    }
}
