import Logging
import VMManagerAPI

/// The command line of the service: so little that a parser library, which would stay in memory, is not worth it.
struct DaemonOptions {
    /// The hypervisor, as a libvirt URI.
    var uri = "qemu:///system"
    /// Directories of templates, instead of the usual ones.
    var templateDirectories: [String] = []
    /// Where the service notes what must not stay half done; no two services share it.
    var stateDirectory = "/var/lib/neuron-vm"
    var logLevel = Logger.Level.info

    static let help = """
        usage: neuron-vmd [--uri URI] [--template-dir DIR]... [--state-dir DIR] [--log-level LEVEL]

        Offers the virtual machines of this host on the system bus as \(BusNames.service).
        It is started by systemd or by the bus. VMs run on when it ends.

          --uri URI           the hypervisor, as a libvirt URI (qemu:///system)
          --template-dir DIR  a directory of templates, instead of the usual ones; may be given several times, and
                              later ones go first
          --state-dir DIR     where it notes what must not stay half done (/var/lib/neuron-vm); no two services share it
          --log-level LEVEL   the least level that is logged: trace, debug, info (the default), notice, warning,
                              error or critical
          --version, --help
        """

    /// What the words ask for.
    enum Request {
        case serve(DaemonOptions)
        /// To print a text and end.
        case text(String)
    }

    /// Why the words cannot be understood.
    struct WrongUsage: Error, CustomStringConvertible {
        let description: String
    }

    /// Reads the words after the program's name; `--option=value` is the same as `--option value`.
    static func parse(_ words: some Collection<String>) throws(WrongUsage) -> Request {
        var options = DaemonOptions()
        var words = words.flatMap { word in
            word.hasPrefix("--") ? word.split(separator: "=", maxSplits: 1).map(String.init) : [word]
        }[...]
        while let word = words.popFirst() {
            switch word {
            case "--help", "-h": return .text(help)
            case "--version": return .text(ServiceVersion.current)
            case "--uri": options.uri = try value(of: word, &words)
            case "--template-dir": options.templateDirectories.append(try value(of: word, &words))
            case "--state-dir": options.stateDirectory = try value(of: word, &words)
            case "--log-level":
                guard let level = Logger.Level(rawValue: try value(of: word, &words)) else {
                    throw WrongUsage(description: "there is no such level; --help names them")
                }
                options.logLevel = level
            default: throw WrongUsage(description: "'\(word)' is not known; --help says what is")
            }
        }
        return .serve(options)
    }

    private static func value(of option: String, _ words: inout ArraySlice<String>) throws(WrongUsage) -> String {
        guard let value = words.popFirst() else { throw WrongUsage(description: "\(option) needs a value") }
        return value
    }
}
