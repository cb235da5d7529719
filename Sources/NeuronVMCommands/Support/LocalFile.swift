import Glibc
import VMManagerClient
import VMModel

/// A file of the caller's that the service is given: opened here, with the rights that the caller has.
struct LocalFile {
    /// Absolute, without links and `..` (`realpath(3)`).
    let path: String
    let file: OpenFile

    /// Opens it for reading.
    /// - Parameters:
    ///   - text: as it was written; `~/` is the home directory also where the shell has left it.
    ///   - use: what it was to be used for, for the message: "use the ISO file".
    /// - Throws: `Failure` unless it is a regular file that can be read.
    init(_ text: String, to use: String) throws {
        func failure(_ reason: String) -> Failure { Failure("cannot \(use) '\(text)': \(reason)") }
        guard let resolved = realpath(Self.expanded(text), nil) else { throw failure(String(cString: strerror(errno))) }
        defer { free(resolved) }
        // Opening a pipe would wait for somebody who writes.
        let descriptor = open(resolved, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure(String(cString: strerror(errno))) }
        file = OpenFile(owning: descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(String(cString: strerror(errno))) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure("it is not a regular file") }
        guard status.st_size > 0 else { throw failure("it is empty") }
        guard let text = String(validatingCString: resolved) else { throw failure("its path is not UTF-8") }
        path = text
    }

    /// Whether there is something of that name.
    static func exists(_ text: String) -> Bool { access(expanded(text), F_OK) == 0 }

    private static func expanded(_ text: String) -> String {
        guard text.utf8.starts(with: "~/".utf8), access(text, F_OK) != 0, let home = getenv("HOME") else { return text }
        return String(cString: home) + text.dropFirst()
    }
}

/// What is given as a medium: one that is on the host for every VM, or a file of the caller's.
enum MediumArgument {
    /// By its name in the library, or its path in a directory of media.
    case shared(String)
    case own(LocalFile)

    /// A file that is there comes before a medium of the same name; `./` says that a file is meant.
    /// - Throws: `Failure` for a file that cannot be used.
    init(_ text: String) throws {
        if !text.utf8.contains(UInt8(ascii: "/")), !LocalFile.exists(text), (try? MediaName(text)) != nil {
            self = .shared(text)
            return
        }
        let file = try LocalFile(text, to: "use the ISO file")
        let isShared = MediaName.directories.contains { file.path.utf8.starts(with: "\($0)/".utf8) }
        self = isShared ? .shared(file.path) : .own(file)
    }
}
