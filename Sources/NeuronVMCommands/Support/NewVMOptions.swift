public import ArgumentParser
import VMManagerClient
public import VMModel

extension GuestOS: ExpressibleByArgument {}

/// Memory as it is written on the command line.
struct MemorySize: ExpressibleByArgument, Hashable {
    let mebibytes: UInt64

    init?(argument: String) {
        guard let size = Sizes.mebibytes(argument) else { return nil }
        mebibytes = size
    }
}

/// The size of a disk as it is written on the command line.
struct DiskSize: ExpressibleByArgument, Hashable {
    let gibibytes: UInt64

    init?(argument: String) {
        guard let size = Sizes.gibibytes(argument) else { return nil }
        gibibytes = size
    }
}

/// A template's own parameter, `KEY=VALUE`.
struct ParameterArgument: ExpressibleByArgument, Hashable {
    let key: String
    let value: String

    init?(argument: String) {
        guard let separator = argument.firstIndex(of: "="), separator != argument.startIndex else { return nil }
        key = String(argument[..<separator])
        value = String(argument[argument.index(after: separator)...])
    }
}

/// What a VM is to have.
struct HardwareOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Memory in GiB, or with a unit: 512M, 8G.", valueName: "size"))
    var memory: MemorySize?

    @Option(help: ArgumentHelp("Number of virtual CPUs.", valueName: "number"))
    var cpus: UInt32?

    @Option(help: ArgumentHelp("Size of the disk in GiB, or with a unit: 64G, 2T.", valueName: "size"))
    var disk: DiskSize?

    @Option(
        help: ArgumentHelp(
            "The medium to install from: an ISO file, which is copied into the library, or the name of one in there.",
            valueName: "file"),
        completion: .file(extensions: ["iso"]))
    var iso: String?

    @Option(
        name: .customLong("parameter"),
        help: ArgumentHelp(
            "A parameter of the template's own; may be given several times. See 'neuron-vm templates'.",
            valueName: "key=value"))
    var parameters: [ParameterArgument] = []

    func validate() throws {
        if cpus == 0 { throw ValidationError("--cpus is at least 1.") }
        var keys: Set<String> = []
        for parameter in parameters where !keys.insert(parameter.key).inserted {
            throw ValidationError("The parameter '\(parameter.key)' is given twice.")
        }
    }

    /// Sets what was given. The template's declarations, where there are any, say of which type its parameters are.
    func apply(to vm: inout NewVM, templates: [TemplateSummary]) throws {
        vm.memoryMB = memory?.mebibytes
        vm.vcpus = cpus
        vm.diskSizeGB = disk?.gibibytes
        for parameter in parameters {
            let declared = templates.lazy.flatMap(\.parameters).first { $0.name == parameter.key }
            vm.parameters[parameter.key] = try ParameterValue(parameter, declared: declared)
        }
    }
}

extension ParameterValue {
    /// The value in the declared type; text where there is no declaration, which the service then refuses by name.
    init(_ parameter: ParameterArgument, declared: TemplateSummary.Parameter?) throws {
        let value = parameter.value
        switch declared?.type {
        case "t":
            guard let number = UInt64(value) else { throw Self.failure(parameter, "a whole number") }
            self = .integer(number)
        case "b":
            switch value {
            case "true", "yes", "on", "1": self = .boolean(true)
            case "false", "no", "off", "0": self = .boolean(false)
            default: throw Self.failure(parameter, "true or false")
            }
        case "as": self = .strings(value.split(separator: ",").map(String.init))
        default: self = .string(value)
        }
    }

    private static func failure(_ parameter: ParameterArgument, _ expected: String) -> Failure {
        Failure("the parameter '\(parameter.key)' must be \(expected)")
    }
}
