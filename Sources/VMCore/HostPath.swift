import VMModel

/// A path on the host that a caller names.
enum HostPath {
    /// The medium in the library that a caller means: a word that is no path but may be a name.
    static func medium(_ text: String) -> MediaName? {
        text.utf8.prefix(256).contains(UInt8(ascii: "/")) ? nil : try? MediaName(text)
    }

    /// The medium of a path in the library's directory.
    static func medium(inLibrary path: String) -> MediaName? {
        let elements = path.utf8.split(separator: UInt8(ascii: "/"))
        guard let last = elements.last, let name = try? MediaName(String(Substring(last))),
            elements.dropLast().elementsEqual(
                MediaName.directories[0].utf8.split(separator: UInt8(ascii: "/")), by: { $0.elementsEqual($1) })
        else { return nil }
        return name
    }

    /// Where the library's media are, unless the administrator has put its pool elsewhere.
    static func usualPath(of name: MediaName) -> String { "\(MediaName.directories[0])/\(name)" }

    /// A checked path with single slashes: two spellings of it would be two files to whoever looks for its users.
    static func plain(_ path: String) -> String {
        path.utf8.split(separator: UInt8(ascii: "/")).map { "/" + String(Substring($0)) }.joined()
    }

    /// Whether a checked path lies in one of the directories of media.
    static func isMedia(_ path: String) -> Bool {
        MediaName.directories.contains { path.utf8.starts(with: ($0 + "/").utf8) }
    }

    /// Checks the text alone; the file itself is looked at by nobody but libvirt.
    /// - Throws: `pathNotAllowed` for what is not an absolute, plain path.
    static func check(_ path: String, option: String) throws(VMError) {
        // The length first: the elements of a long text would take far more memory than the text.
        let bytes = Array(path.utf8.prefix(4096))
        let elements = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true)
        guard bytes.first == UInt8(ascii: "/"), bytes.count < 4096, !elements.isEmpty,
            !bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }),
            !elements.contains(where: { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) })
        else {
            throw VMError(
                .pathNotAllowed,
                "\(option) must be the name of a medium in the library, or an absolute path without '.' or '..' elements and "
                    + "without control characters")
        }
    }
}
