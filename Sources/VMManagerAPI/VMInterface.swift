public import DBus
public import VMModel

/// The interface `org.neuronos.VMManager.VM` of each VM's object.
public enum VMInterface {
    public static let name = "org.neuronos.VMManager.VM"

    /// The whole contract, as introspection gives it.
    public static let description = InterfaceDescription(
        name: name,
        documentation: "A virtual machine. A method has returned when the properties show its result.",
        methods: VMMethod.allCases.map(\.description),
        properties: VMProperty.allCases.map(\.description))
}

/// A VM's methods.
public enum VMMethod: String, CaseIterable, Sendable {
    case start = "Start"
    case stop = "Stop"
    case destroy = "Destroy"
    case pause = "Pause"
    case resume = "Resume"
    case reboot = "Reboot"
    case reset = "Reset"
    case delete = "Delete"
    case setAutostart = "SetAutostart"
    case getXML = "GetXML"

    public var access: Access {
        switch self {
        case .start, .stop, .destroy, .pause, .resume, .reboot, .reset, .setAutostart: .action(.control)
        case .delete: .action(.delete)
        case .getXML: .action(.access)
        }
    }

    /// Name, arguments and documentation.
    public var description: MethodDescription {
        MethodDescription(
            name: rawValue, documentation: documentation + " " + access.documentation,
            inputs: arguments + [.init("options", .options, options)], outputs: outputs)
    }

    /// The job that it is; nil where it takes no time worth watching.
    public var job: JobOperation? {
        switch self {
        case .start: .start
        case .stop: .stop
        case .delete: .delete
        case .destroy, .pause, .resume, .reboot, .reset, .setAutostart, .getXML: nil
        }
    }

    private var documentation: String {
        switch self {
        case .start: "Starts the VM, from its saved state if it has one. InvalidState unless it is off."
        case .stop:
            """
            Asks the guest to shut down and returns when the VM is off. When the time is up it fails with Timeout and the VM runs \
            on, or with force the VM is destroyed. InvalidState when it is off already, or paused and force is not given.
            """
        case .destroy: "Ends the VM at once, as pulling the plug does; what the guest had not written is lost."
        case .pause: "Halts the guest's processors; its memory stays."
        case .resume: "Lets a paused guest go on, or wakes one that suspended itself."
        case .reboot: "Asks the guest to reboot."
        case .reset: "Presses the reset button; the guest is not asked."
        case .delete: "Removes the VM with everything that libvirt keeps for it. InvalidState unless it is off."
        case .setAutostart: "Sets whether the VM is started when the host starts."
        case .getXML: "The VM's definition in libvirt's XML, without passwords."
        }
    }

    private var arguments: [ArgumentDescription] {
        switch self {
        case .setAutostart: [.init("autostart", .boolean, "Whether it is started with the host.")]
        default: []
        }
    }

    private var options: String {
        let own: String? =
            switch self {
            case .stop:
                "timeout u: seconds that the guest may take, 60 if not given; force b: destroy it when they are over."
            case .delete:
                "delete_disks b: remove the disks too that were made with this VM; no other file is ever removed."
            default: nil
            }
        let known = [own, job.map { _ in Self.background }].compactMap(\.self)
        return known.isEmpty ? "None so far." : known.joined(separator: " ")
    }

    /// The option of every method that is a job.
    static let background = "background b: reply at once; the property Job names the job that tells how it ends."

    private var outputs: [ArgumentDescription] {
        switch self {
        case .delete:
            [.init("kept", .strings, "The paths of the VM's disks that were not removed; empty with background.")]
        case .getXML: [.init("xml", .string, "The definition.")]
        default: []
        }
    }
}

/// A VM's properties.
public enum VMProperty: String, CaseIterable, Sendable {
    case name = "Name"
    case uuid = "UUID"
    case state = "State"
    case stateReason = "StateReason"
    case memoryMB = "MemoryMB"
    case vcpus = "VCPUs"
    case autostart = "Autostart"
    case persistent = "Persistent"
    case template = "Template"
    case osType = "OSType"
    case ownerUID = "OwnerUID"
    case createdAt = "CreatedAt"
    case hasSavedState = "HasSavedState"
    case job = "Job"

    public var description: PropertyDescription {
        PropertyDescription(
            name: rawValue, documentation: documentation, type: type,
            emitsChangedSignal: self == .uuid ? .const : .changes)
    }

    private var type: DBusType {
        switch self {
        case .name, .uuid, .state, .stateReason, .template, .osType: .string
        case .memoryMB, .createdAt: .uint64
        case .vcpus, .ownerUID: .uint32
        case .autostart, .persistent, .hasSavedState: .boolean
        case .job: .objectPath
        }
    }

    private var documentation: String {
        switch self {
        case .name: "The name. VMs that other tools made may have any text here."
        case .uuid: "The UUID, which never changes."
        case .state: "creating, running, blocked, paused, shutting-down, shut-off, crashed, suspended or unknown."
        case .stateReason:
            "Why it is in that state, one word such as booted, user, shutdown or destroyed; empty when unknown."
        case .memoryMB: "The most memory it may use, MiB."
        case .vcpus: "The number of virtual CPUs."
        case .autostart: "Whether it is started when the host starts."
        case .persistent: "Whether its definition stays when it is off."
        case .template: "The template it was made from; empty for VMs of other tools."
        case .osType: "windows, linux or macos; empty where nobody said."
        case .ownerUID: "The user who created it; 4294967295 for VMs of other tools."
        case .createdAt: "When it was created, microseconds since the epoch; 0 where nobody said."
        case .hasSavedState: "Whether the next start goes on from a saved state."
        case .job: "The job that works on it, '/' for none."
        }
    }
}
