public import DBus

/// The interface `org.neuronos.VMManager` of the object `/org/neuronos/VMManager`.
public enum ManagerInterface {
    public static let name = "org.neuronos.VMManager"

    /// The whole contract, as introspection gives it.
    public static let description = InterfaceDescription(
        name: name,
        documentation: """
            The virtual machines of this host. Each VM is an object below this one, with the interface \(VMInterface.name); \
            org.freedesktop.DBus.ObjectManager here tells of all of them and of their coming and going. \
            The last argument of most methods is a dictionary of options; an option that is not documented is refused. \
            Errors are named \(BusNames.errorPrefix)CODE, where CODE is one of InvalidArgument, NotFound, AlreadyExists, \
            InvalidState, Busy, PathNotAllowed, NoSpace, HypervisorUnavailable, HostUnsupported, TemplateInvalid, Timeout, \
            Cancelled, Failed. Sizes: memory_mb is MiB, disk_size_gb is GiB.
            """,
        methods: ManagerMethod.allCases.map(\.description),
        signals: ManagerSignal.allCases.map(\.description),
        properties: ManagerProperty.allCases.map(\.description))
}

/// The manager's methods.
public enum ManagerMethod: String, CaseIterable, Sendable {
    case listVMs = "ListVMs"
    case getVM = "GetVM"
    case getVMByUUID = "GetVMByUUID"
    case createVM = "CreateVM"
    case startVM = "StartVM"
    case stopVM = "StopVM"
    case destroyVM = "DestroyVM"
    case pauseVM = "PauseVM"
    case resumeVM = "ResumeVM"
    case rebootVM = "RebootVM"
    case resetVM = "ResetVM"
    case deleteVM = "DeleteVM"
    case listTemplates = "ListTemplates"
    case renderTemplate = "RenderTemplate"
    case importMedia = "ImportMedia"
    case listMedia = "ListMedia"
    case removeMedia = "RemoveMedia"
    case getPermissions = "GetPermissions"
    case checkHost = "CheckHost"

    /// The VM's own method that this one is, for scripts that know the VM by name.
    public var vmMethod: VMMethod? {
        switch self {
        case .startVM: .start
        case .stopVM: .stop
        case .destroyVM: .destroy
        case .pauseVM: .pause
        case .resumeVM: .resume
        case .rebootVM: .reboot
        case .resetVM: .reset
        case .deleteVM: .delete
        case .listVMs, .getVM, .getVMByUUID, .createVM, .listTemplates, .renderTemplate, .importMedia, .listMedia,
            .removeMedia, .getPermissions, .checkHost:
            nil
        }
    }

    public var access: Access {
        switch self {
        case .listVMs, .getVM, .getVMByUUID, .listTemplates, .listMedia, .getPermissions, .checkHost: .public
        case .createVM, .renderTemplate, .importMedia: .action(.create)
        case .removeMedia: .action(.delete)
        case .startVM, .stopVM, .destroyVM, .pauseVM, .resumeVM, .rebootVM, .resetVM, .deleteVM:
            vmMethod?.access ?? .action(.control)
        }
    }

    /// Name, arguments and documentation.
    public var description: MethodDescription {
        if let vmMethod {
            let same = vmMethod.description
            return MethodDescription(
                name: rawValue, documentation: "The method \(same.name) of the VM of that name. \(same.documentation)",
                inputs: [.init("name", .string, "The VM's name.")] + same.inputs, outputs: same.outputs)
        }
        return MethodDescription(
            name: rawValue, documentation: documentation + " " + access.documentation, inputs: inputs, outputs: outputs)
    }

    private var documentation: String {
        switch self {
        case .listVMs: "Every VM in one call, answered from memory."
        case .getVM: "The object of the VM of that name. NotFound where there is none."
        case .getVMByUUID: "The object of the VM with that UUID. NotFound where there is none."
        case .createVM:
            """
            Makes a VM from a template: its disk, its definition, and with the option start its first start. All of it, or nothing. \
            AlreadyExists when the name is taken; NoSpace; InvalidArgument names the option and what is allowed.
            """
        case .listTemplates: "The templates that VMs can be made from."
        case .renderTemplate:
            "The definition in libvirt's XML that CreateVM would make with these options. Changes nothing."
        case .importMedia:
            """
            Copies a file into the library of media, which every VM may have and none may write. Returns when all of it is there; \
            else nothing is. AlreadyExists when the name is taken; NoSpace; InvalidArgument for what is not a regular file, open \
            for reading. Four files are copied at a time, others wait.
            """
        case .listMedia:
            """
            The media in the library, by name. They are no secret, as the names of VMs are not. What is still being imported is not \
            among them.
            """
        case .removeMedia: "Removes a medium from the library. Busy while a VM has it; NotFound where there is none."
        case .getPermissions:
            """
            What the caller may do with a VM, or on this host: for each polkit action that would be asked for, yes, auth (when \
            somebody authenticates) or no. Asks nobody for a password. A shell that greys out what is not allowed asks again at \
            PermissionsChanged. NotFound where there is no such object.
            """
        case .checkHost:
            """
            Looks whether this host has what VMs need, and changes nothing. Answers within about five seconds, also when libvirt or \
            polkit does not. Calls at the same time share one answer, and others wait until half a second after the last one.
            """
        case .startVM, .stopVM, .destroyVM, .pauseVM, .resumeVM, .rebootVM, .resetVM, .deleteVM: ""
        }
    }

    private var inputs: [ArgumentDescription] {
        switch self {
        case .getVM: [.init("name", .string, "The VM's name.")]
        case .getVMByUUID: [.init("uuid", .string, "The VM's UUID.")]
        case .getPermissions: [.init("object", .objectPath, "A VM's object, or the manager's.")]
        case .createVM: [Self.newName, .init("options", .options, Self.createOptions)]
        case .renderTemplate:
            [
                .init("template", .string, "The template's name."), Self.newName,
                .init("options", .options, "As for CreateVM, without type, template, iso and disk_image."),
            ]
        case .importMedia:
            [
                .init(
                    "name", .string,
                    "Its name: 1 to 128 ASCII letters, digits, '.', '_' or '-', beginning with a letter or digit."),
                .init("file", .unixFD, "The file, open for reading. What follows its present end is left out."),
                .init(
                    "options", .options,
                    "background b: reply at once; the job of the operation import-media and this name tells how it ends."
                ),
            ]
        case .removeMedia: [.init("name", .string, "The medium's name.")]
        default: []
        }
    }

    private var outputs: [ArgumentDescription] {
        switch self {
        case .listVMs:
            [
                .init(
                    "vms", .array(.structure([.objectPath, .string, .string, .string, .uint64, .uint32, .boolean])),
                    "Path, name, UUID, state, memory in MiB, number of virtual CPUs, autostart.")
            ]
        case .getVM, .getVMByUUID, .createVM: [.init("vm", .objectPath, "The VM's object.")]
        case .listTemplates:
            [
                .init(
                    "templates", .array(.structure([.string, .string, .string, .options])),
                    "Name, guest system, description, parameters: for each a dictionary with type, unit, allowed, default, "
                        + "required and description. The first line of a template's description says what it is; "
                        + "paragraphs after it say more, and what the host must have.")
            ]
        case .renderTemplate: [.init("xml", .string, "The definition.")]
        case .importMedia: [.init("path", .string, "Where it is on the host.")]
        case .listMedia:
            [.init("media", .array(.structure([.string, .uint64])), "Name, and size in bytes.")]
        case .getPermissions:
            [
                .init(
                    "permissions", .dictionary(key: .string, value: .string),
                    "The polkit action's identifier, and yes, auth or no.")
            ]
        case .checkHost:
            [
                .init(
                    "checks", .array(.structure([.string, .string, .string, .string])),
                    "What was looked at, a word; pass, warn or fail; what was found; what to do, empty where all is well. "
                        + "What fails keeps VMs from being made or started as they should. The words are libvirt, qemu, kvm, "
                        + "q35, uefi, secure-boot, tpm, network, disks, memory, cpus, iommu, templates and polkit; there may "
                        + "be more in later versions.")
            ]
        default: []
        }
    }

    private static let newName = ArgumentDescription(
        "name", .string,
        "The new VM's name: 1 to 63 ASCII letters, digits, '.', '_' or '-', beginning with a letter or digit.")

    private static let createOptions = """
        type s: windows (default), linux or macos, for that family's basic template; or template s: a template by name. \
        memory_mb t; vcpus u; disk_size_gb t; iso_path s: the medium to install from, by its name in the library or by its path; \
        iso h: the same as a file, open for reading, which goes into the library as NAME.iso, or NAME-2.iso and so on where that is \
        taken, and stays there when the VM is deleted; disk_image h: a disk image, open for reading, qcow2 or raw, which becomes \
        the VM's disk, as large as it is or as disk_size_gb says; user s, ssh_keys as, cloud_init s: what a Linux cloud image does at \
        its first start, a user who may become root, public keys to log in with, and user data for cloud-init; start b: start it at once; autostart b: start it with the host; \
        background b: reply as soon as the name is taken, and the VM's property Job names the job that tells how it ends; uuid s: a chosen UUID; and each parameter that ListTemplates tells of, also together in parameters a{sv}. What is not given \
        has the template's default. A path outside the directories of media, a chosen UUID, devices and CPUs of the host, and macOS \
        with its key need the authorization org.neuronos.vmmanager.host-resources as well.
        """
}

/// The manager's signals, for subscribers that want no more than these. ObjectManager's and Properties' are sent as well.
public enum ManagerSignal: String, CaseIterable, Sendable {
    case vmAdded = "VMAdded"
    case vmRemoved = "VMRemoved"
    case vmStateChanged = "VMStateChanged"
    case permissionsChanged = "PermissionsChanged"

    public var description: SignalDescription {
        switch self {
        case .vmAdded:
            SignalDescription(name: rawValue, documentation: "There is a new VM.", arguments: Self.identity)
        case .vmRemoved:
            SignalDescription(name: rawValue, documentation: "A VM is gone.", arguments: Self.identity)
        case .vmStateChanged:
            SignalDescription(
                name: rawValue, documentation: "A VM went from one state to another; sent once for each transition.",
                arguments: [
                    .init("vm", .objectPath), .init("uuid", .string), .init("new", .string, "The state it is in now."),
                    .init("old", .string, "The state it was in."), .init("reason", .string, "Why; one word, or empty."),
                ])
        case .permissionsChanged:
            SignalDescription(
                name: rawValue,
                documentation: """
                    polkit's rules, actions or sessions have changed, or polkit itself has started anew: what GetPermissions says \
                    may be different. What changes with a VM's owner is told by its property OwnerUID.
                    """)
        }
    }

    private static let identity: [ArgumentDescription] = [
        .init("vm", .objectPath), .init("uuid", .string), .init("name", .string),
    ]
}

/// The manager's properties.
public enum ManagerProperty: String, CaseIterable, Sendable {
    case version = "Version"
    case hypervisorURI = "HypervisorURI"
    case hypervisorVersion = "HypervisorVersion"
    case hypervisorConnected = "HypervisorConnected"
    case features = "Features"

    public var description: PropertyDescription {
        switch self {
        case .version: property(.string, "The service's version.", .const)
        case .hypervisorURI: property(.string, "The libvirt URI of the hypervisor.", .const)
        case .hypervisorVersion:
            property(
                .string,
                "Kind and version of the hypervisor; empty before the first connection, and where libvirt finds none.")
        case .hypervisorConnected:
            property(
                .boolean, "Whether there is a connection to libvirt. Without one VMs stay listed and changes fail.")
        case .features: property(.strings, "What this version can do, for clients that must work with several.", .const)
        }
    }

    private func property(
        _ type: DBusType, _ documentation: String, _ emits: PropertyDescription.EmitsChangedSignal = .changes
    ) -> PropertyDescription {
        PropertyDescription(name: rawValue, documentation: documentation, type: type, emitsChangedSignal: emits)
    }
}
