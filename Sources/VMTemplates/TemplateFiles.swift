internal import Glibc

/// Reads the template files of a directory that only trusted users can change.
enum TemplateFiles {
    /// How the name of a template's file ends.
    static let suffix = ".xml.j2"
    /// Longest file, in bytes.
    static let maximumBytes = 64 * 1024

    /// The text of a file, or why it was refused.
    typealias Contents = Result<String, TemplateError>

    /// `NAME.xml.j2` with a name of letters, digits and `._-`.
    static func isTemplateFile(_ name: String) -> Bool {
        guard name.hasSuffix(suffix) else { return false }
        let others = [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")]
        var stem = name.utf8.dropLast(suffix.utf8.count)
        if stem.first == UInt8(ascii: "_") { stem = stem.dropFirst() }
        guard (1...63).contains(stem.count), stem.first.map(TemplateText.isAlphanumeric) == true else { return false }
        return stem.allSatisfy { TemplateText.isAlphanumeric($0) || others.contains($0) }
    }

    /// The name that a file's template goes by; a shared part keeps its whole file name.
    static func templateName(ofFile file: String) -> String {
        file.hasPrefix("_") || !file.hasSuffix(suffix) ? file : String(file.dropLast(suffix.count))
    }

    /// All template files of a directory, by file name. Other files are left alone.
    /// - Throws: ``TemplateError``: `notFound` if the directory does not exist, `unsafeFile` if others could change it,
    ///   `unreadableFile` for any other failure.
    static func contents(of directory: String, trustedOwner: UInt32?) throws(TemplateError) -> [String: Contents] {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw cannotOpen(directory: directory, errno) }
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            throw TemplateError(
                .unreadableFile, "the template directory \(TemplateText.quoted(directory)) cannot be read")
        }
        defer { closedir(stream) }
        if let distrust = reasonToDistrust(descriptor, type: S_IFDIR, trustedOwner: trustedOwner) {
            throw TemplateError(
                distrust.kind, "the template directory \(TemplateText.quoted(directory)) \(distrust.reason)")
        }
        var contents: [String: Contents] = [:]
        while let entry = try next(stream, directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(suffix) else { continue }
            func read() -> Contents {
                Result { () throws(TemplateError) in
                    try text(ofFile: name, in: descriptor, trustedOwner: trustedOwner)
                }
            }
            contents[name] = read()
            // Once more, since it may be an error of the moment: what is refused here stays so as long as the service runs.
            if case .failure(let error) = contents[name], error.kind == .unreadableFile { contents[name] = read() }
        }
        return contents
    }

    /// The next entry of a directory; nil at its end. A list that is not whole is none.
    private static func next(
        _ stream: OpaquePointer, _ directory: String
    ) throws(TemplateError) -> UnsafeMutablePointer<dirent>? {
        errno = 0
        if let entry = readdir(stream) { return entry }
        guard errno == 0 else {
            throw TemplateError(
                .unreadableFile, "the template directory \(TemplateText.quoted(directory)) cannot be read")
        }
        return nil
    }

    /// The text of one file in an open directory.
    private static func text(
        ofFile name: String, in directory: Int32, trustedOwner: UInt32?
    ) throws(TemplateError) -> String {
        let template = isTemplateFile(name) ? templateName(ofFile: name) : TemplateText.quoted(name)
        func refused(_ kind: TemplateError.Kind, _ reason: String) -> TemplateError {
            TemplateError(kind, template: template, "the file \(reason)")
        }
        guard isTemplateFile(name) else { throw refused(.unsafeFile, "has a name that no template may have") }
        // O_NONBLOCK: opening a FIFO must not wait for a writer.
        let descriptor = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw errno == ELOOP
                ? refused(.unsafeFile, "is a symbolic link") : refused(.unreadableFile, "cannot be opened")
        }
        defer { close(descriptor) }
        if let distrust = reasonToDistrust(descriptor, type: S_IFREG, trustedOwner: trustedOwner) {
            throw refused(distrust.kind, distrust.reason)
        }
        guard let bytes = readAll(descriptor) else { throw refused(.unreadableFile, "cannot be read") }
        guard bytes.count <= maximumBytes else { throw refused(.unsafeFile, "is longer than \(maximumBytes) bytes") }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw refused(.malformed, "is not UTF-8") }
        guard !text.unicodeScalars.contains(where: { TemplateText.isControl($0) && $0 != "\n" }) else {
            throw refused(.malformed, "contains control characters; lines end with a line feed, and tabs are not used")
        }
        return text
    }

    /// Why an open file or directory is not to be trusted, or nil.
    private static func reasonToDistrust(
        _ descriptor: Int32, type: mode_t, trustedOwner: UInt32?
    ) -> (kind: TemplateError.Kind, reason: String)? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return (.unreadableFile, "cannot be examined") }
        if status.st_mode & S_IFMT != type {
            return (.unsafeFile, type == S_IFDIR ? "is not a directory" : "is not a regular file")
        }
        if status.st_uid != 0, status.st_uid != trustedOwner {
            return (.unsafeFile, "belongs to user \(status.st_uid), not to root")
        }
        if status.st_mode & (S_IWGRP | S_IWOTH) != 0 {
            return (.unsafeFile, "may be written by others than its owner")
        }
        return nil
    }

    /// Up to one byte more than allowed, or nil if reading fails.
    private static func readAll(_ descriptor: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count <= maximumBytes {
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { break }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            bytes += buffer.prefix(count)
        }
        return bytes
    }

    private static func cannotOpen(directory: String, _ code: Int32) -> TemplateError {
        let name = "the template directory \(TemplateText.quoted(directory))"
        return switch code {
        case ENOENT: TemplateError(.notFound, "\(name) does not exist")
        case ELOOP, ENOTDIR: TemplateError(.unsafeFile, "\(name) is not a directory, or is a symbolic link")
        default: TemplateError(.unreadableFile, "\(name) cannot be opened")
        }
    }
}
