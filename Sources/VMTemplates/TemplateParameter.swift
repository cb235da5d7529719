/// A parameter as a template's header declares it.
public struct TemplateParameter: Sendable, Hashable {
    /// What values a parameter takes.
    public indirect enum Kind: Sendable, Hashable {
        /// Text without control characters. All of it must match `pattern`, a regular expression, if there is one.
        case string(pattern: String?, maximumBytes: Int)
        /// A whole number within the range.
        case integer(ClosedRange<UInt64>)
        /// Yes or no.
        case boolean
        /// One of these words.
        case choice([String])
        /// An absolute path without `.` and `..` components.
        case path
        /// The name of a VM: ASCII `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`, not all digits, not shaped like a UUID.
        case name
        /// A UUID, written `8-4-4-4-12` in hexadecimal digits.
        case uuid
        /// A unicast MAC address, written as six pairs of hexadecimal digits with colons.
        case macAddress
        /// A list of texts, each of the given kind.
        case list(of: Kind, maximumCount: Int)
        /// One of these numbers.
        case number([UInt64])
        /// A file that only root can change, by its path. Where the service may read it, what it holds must match `pattern`.
        case rootFile(pattern: String?)
        /// CPUs of the host, such as `0-3,8`.
        case cpuSet
        /// A list of sets of the host's CPUs: one for each of what the integer parameter `counter` counts, or none at all.
        case cpuSets(counter: String)
        /// PCI devices of the host by address, such as `0000:01:00.0`, each once.
        case pciAddresses(maximumCount: Int)
    }

    /// The variable's name in the template, for example `memory_mb`.
    public let name: String
    /// What values it takes.
    public let kind: Kind
    /// Unit of the value (`MiB`, `GiB`, `µs`); empty where there is none.
    public let unit: String
    /// The value when none is given; `nil` if there is none, and then an optional parameter is left out.
    public let defaultValue: ParameterValue?
    /// Whether a value has to be given.
    public let isRequired: Bool
    /// Whether a value has to be given for a VM to be made; what it would be can be seen without.
    public let isRequiredToCreate: Bool
    /// Whether the service alone sets it (owner, creation time, own volumes…): not for a caller's free parameters.
    public let isReserved: Bool
    /// Whether a value names what belongs to the host and is not everybody's to give. For a path that depends on where it leads.
    public let isOfTheHost: Bool
    /// What it means, in a sentence or two.
    public let documentation: String

    /// The value that the template sees when none is given.
    var fallback: ParameterValue {
        if let defaultValue { return defaultValue }
        return switch kind {
        case .integer(let range): .integer(range.lowerBound)
        case .number(let numbers): .integer(numbers.first ?? 0)
        case .boolean: .boolean(false)
        case .list, .cpuSets, .pciAddresses: .strings([])
        case .string, .choice, .path, .name, .uuid, .macAddress, .rootFile, .cpuSet: .string("")
        }
    }
}

extension TemplateParameter.Kind {
    /// Whether every value of the kind belongs to the host: its devices, its CPUs, a file of root's. Of other kinds the header says it.
    public var isOfTheHost: Bool {
        switch self {
        case .pciAddresses, .cpuSets, .cpuSet, .rootFile: true
        default: false
        }
    }

    /// Whether a value takes a device away from the host.
    public var givesHostDevices: Bool {
        if case .pciAddresses = self { true } else { false }
    }

    /// The allowed values in words, for messages and for documentation: "an integer from 1 to 288".
    public var allowedValues: String {
        switch self {
        case .string(let pattern?, let maximum): "text of at most \(maximum) bytes that matches \(pattern)"
        case .string(nil, let maximum): "text of at most \(maximum) bytes without control characters"
        case .integer(let range): "an integer from \(range.lowerBound) to \(range.upperBound)"
        case .boolean: "true or false"
        case .choice(let words): "one of " + words.joined(separator: ", ")
        case .path: "an absolute path without control characters and '..'"
        case .name:
            "1 to 63 characters of A-Z a-z 0-9 . _ - that begin with a letter or digit, "
                + "are not all digits and not shaped like a UUID"
        case .uuid: "a UUID such as 3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f"
        case .macAddress: "a unicast MAC address such as 52:54:00:12:34:56"
        case .list(let element, let count): "a list of at most \(count), each \(element.allowedValues)"
        case .number(let numbers): "one of " + numbers.map(String.init).joined(separator: ", ")
        case .rootFile: "the absolute path of a file that only root can change"
        case .cpuSet: "CPUs of the host such as 0-3,8"
        case .cpuSets(let counter): "a list of CPUs of the host such as 4 or 4-5, one for each of \(counter)"
        case .pciAddresses(let count):
            "a list of at most \(count) different PCI addresses such as 0000:01:00.0, as 'lspci -D' writes them"
        }
    }
}
