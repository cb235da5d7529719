import Glibc
import VMTemplates

/// A file of the administrator's that a template relies on, at a path that the template names.
enum RootFile {
    /// Longest file, in bytes.
    private static let maximumBytes = 4096

    /// Why it is not to be relied on, in words that follow its path; nil if it is.
    ///
    /// What it holds is looked at only where the service may read it: QEMU's user has to, and the administrator may want it to
    /// be nobody else.
    /// - Parameter owner: who must own it; root, but for tests.
    static func problem(with path: String, matching check: (String) -> Bool, owner: UInt32 = 0) -> String? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            return errno == ENOENT || errno == ENOTDIR ? "does not exist" : "cannot be examined by the service"
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return "is not a regular file" }
        guard status.st_uid == owner else { return "belongs to user \(status.st_uid), not to root" }
        guard status.st_mode & (S_IWGRP | S_IWOTH) == 0 else { return "may be written by others than root" }
        guard status.st_size > 0 else { return "is empty" }
        guard status.st_size <= maximumBytes else { return "is longer than \(maximumBytes) bytes" }
        guard let text = text(of: path) else { return nil }
        return check(text) ? nil : "does not hold what it must"
    }

    /// The file's text; nil where it may not be read. Bytes that are not UTF-8 are replaced, and then match nothing.
    private static func text(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: maximumBytes + 1)
        let count = read(descriptor, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
