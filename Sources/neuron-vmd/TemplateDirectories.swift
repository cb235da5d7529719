import Glibc

/// Where templates are looked for when nobody says otherwise.
enum TemplateDirectories {
    /// The installation's own, and the administrator's, which go first where there is one.
    static func usual() -> [String] {
        let administrators = "/etc/neuron-vm/templates"
        return ["\(prefix())/share/neuron-vm/templates"] + (access(administrators, F_OK) == 0 ? [administrators] : [])
    }

    /// The directory under which this program is installed, as in `PREFIX/libexec/neuron-vmd`.
    private static func prefix() -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        let elements = buffer.prefix(max(0, length)).map { UInt8(bitPattern: $0) }.split(separator: UInt8(ascii: "/"))
        guard elements.count > 2, elements.dropLast().last?.elementsEqual("libexec".utf8) == true else { return "/usr" }
        return elements.dropLast(2).map { "/" + String(decoding: $0, as: UTF8.self) }.joined()
    }
}
