import Foundation

/// A directory of one test, removed when it is let go.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array(NSTemporaryDirectory().utf8CString.dropLast()) + Array("templates-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CocoaError(.fileWriteUnknown) }
        path = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Writes a file, readable by all and writable by its owner only unless told otherwise.
    @discardableResult
    func write(_ name: String, _ text: String, mode: mode_t = 0o644) throws -> String {
        try write(name, Data(text.utf8), mode: mode)
    }

    /// Writes a file of any bytes.
    @discardableResult
    func write(_ name: String, _ data: Data, mode: mode_t = 0o644) throws -> String {
        let file = path + "/" + name
        try data.write(to: URL(fileURLWithPath: file))
        guard chmod(file, mode) == 0 else { throw CocoaError(.fileWriteNoPermission) }
        return file
    }
}
