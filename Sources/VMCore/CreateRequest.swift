public import VMModel
public import VMTemplates

/// What a caller asks for in a new VM, before it is checked against a template.
public struct CreateRequest: Hashable, Sendable {
    public var name: String
    /// The template by name; nil takes the basic one of `guest`.
    public var template: String?
    /// The guest's family where no template is named; nil is Windows.
    public var guest: GuestOS?
    /// A chosen UUID; nil has one made.
    public var uuid: VMUUID?
    public var autostart = false
    /// Whether the VM is started once it is made.
    public var start = false
    /// A medium to install from that goes into the library.
    public var iso: ImportFile?
    /// A disk image, qcow2 or raw, that becomes the VM's disk.
    public var diskImage: ImportFile?
    /// What a cloud image is to do at its first start.
    public var cloudInit: CloudInit?
    /// The template's parameters, by name: `memory_mb` (MiB), `vcpus`, `disk_size_gb` (GiB), `iso_path` and what else it declares.
    public var values: [String: ParameterValue] = [:]

    public init(name: String) {
        self.name = name
    }

    /// Whether `values` may hold the parameter: not what the service alone sets, nor what has a place of its own above.
    public static func takes(_ parameter: TemplateParameter) -> Bool {
        !parameter.isReserved && parameter.name != "name" && parameter.name != "uuid"
    }
}

/// What a request asks for beyond the right to make a VM.
public struct CreateNeeds: Hashable, Sendable {
    /// The template that will be used.
    public let template: String
    /// What it takes of the host, as `option=value`, sorted: files outside the directories of media, a chosen UUID, devices, CPUs,
    /// networks, files of the administrator's.
    public let hostResources: [String]
}

/// A new VM whose every value has been checked: nothing in it is a guess, and nothing later looks at what the caller sent.
struct VMConfiguration: Hashable, Sendable {
    let name: VMName
    let uuid: VMUUID
    /// Whether the caller chose the UUID, so that something of that UUID may be there from before.
    let uuidIsChosen: Bool
    let template: String
    let guest: String
    let memoryMB: UInt64
    let vcpus: UInt32
    let diskSizeBytes: UInt64
    /// Whether the caller chose that size.
    let diskSizeIsGiven: Bool
    let autostart: Bool
    let start: Bool
    /// The caller's values for the template; what is not among them has the template's default.
    let values: [String: ParameterValue]
    /// The options that reach for what belongs to the host, sorted.
    let hostResources: [String]
    /// The values that name media in the library, by option; their paths in `values` are only what is usual.
    let media: [String: MediaName]
    /// These, and those in the library's directory that are named by path.
    let mediaInUse: Set<MediaName>
    let iso: ImportFile?
    let diskImage: ImportFile?
    let cloudInit: CloudInit?

    /// Whether files have to be copied, which may take long.
    var copiesFiles: Bool { iso != nil || diskImage != nil }

    /// - Throws: `invalidArgument`, `pathNotAllowed`, `notFound` for the template; each names the value and what is allowed.
    init(_ request: CreateRequest, templates: TemplateLibrary) throws(VMError) {
        name = try VMName(request.name)
        uuid = request.uuid ?? .random()
        uuidIsChosen = request.uuid != nil
        let template = try Self.template(for: request, in: templates)
        self.template = template.name
        guest = template.guest
        var values: [String: ParameterValue] = [:]
        var hostResources = uuidIsChosen ? ["uuid"] : []
        var media: [String: MediaName] = [:]
        var mediaInUse: Set<MediaName> = []
        for (key, given) in request.values {
            var value = given
            guard let parameter = template.parameter(named: key), CreateRequest.takes(parameter) else {
                throw VMError(
                    .invalidArgument, "unknown option '\(ForeignText.quotable(key))' for template '\(template.name)'")
            }
            if parameter.kind == .path, case .string(let path) = value {
                media[key] = HostPath.medium(path)
                let path = media[key].map(HostPath.usualPath) ?? path
                value = .string(path)
                try HostPath.check(path, option: key)
                value = .string(HostPath.plain(path))
                if !HostPath.isMedia(path) { hostResources.append(key) }
                if let name = HostPath.medium(inLibrary: path) { mediaInUse.insert(name) }
            }
            try vmError { () throws(TemplateError) in try parameter.check(value) }
            if parameter.isOfTheHost, Self.isGiven(value, key) { hostResources.append(key) }
            values[key] = value
        }
        if request.iso != nil { values["iso_path"] = try Self.pathOfISO(for: name, template, values) }
        // What a template takes of the host by itself: a file of the administrator's, such as the key of a Mac.
        hostResources += template.parameters.filter {
            $0.kind.isOfTheHost && $0.defaultValue != nil && values[$0.name] == nil
        }.map(\.name)
        memoryMB = try Self.integer("memory_mb", values, template, 1...UInt64(1) << 24)
        vcpus = UInt32(clamping: try Self.integer("vcpus", values, template, 1...4096))
        let (bytes, overflow) = try Self.integer("disk_size_gb", values, template, 1...UInt64(1) << 20)
            .multipliedReportingOverflow(by: 1 << 30)
        guard !overflow else { throw VMError(.invalidArgument, "disk_size_gb is too large") }
        diskSizeBytes = bytes
        diskSizeIsGiven = values["disk_size_gb"] != nil
        autostart = request.autostart
        start = request.start
        self.values = values
        self.hostResources = Set(hostResources).sorted()
        self.media = media
        self.mediaInUse = mediaInUse
        iso = request.iso
        diskImage = request.diskImage
        cloudInit = request.cloudInit
        guard cloudInit == nil || template.parameter(named: "seed_path") != nil else {
            throw VMError(
                .invalidArgument,
                "template '\(template.name)' takes no user, ssh_keys or cloud_init: its guest does not know cloud-init")
        }
    }

    /// Stands for the medium that will be in the library.
    private static func pathOfISO(
        for name: VMName, _ template: Template, _ values: [String: ParameterValue]
    ) throws(VMError) -> ParameterValue {
        guard values["iso_path"] == nil else {
            throw VMError(.invalidArgument, "iso and iso_path are given both; a VM has one medium to install from")
        }
        guard template.parameter(named: "iso_path") != nil else {
            throw VMError(.invalidArgument, "template '\(template.name)' takes no medium to install from (iso)")
        }
        return .string(HostPath.usualPath(of: try MediaName("\(name).iso")))
    }

    /// Whether a value gives anything; the network that a VM has anyhow is nothing special.
    private static func isGiven(_ value: ParameterValue, _ key: String) -> Bool {
        switch value {
        case .string(let text): !text.isEmpty && !(key == "network" && text == "default")
        case .strings(let texts): !texts.isEmpty
        case .integer(let number): number != 0
        case .boolean(let isSet): isSet
        }
    }

    /// What the options that reach for the host give, as `option=value`, for whoever is to allow it.
    var hostResourceTexts: [String] {
        hostResources.map { key in
            let value: String =
                switch values[key] {
                case .string(let text): text
                case .strings(let texts): texts.joined(separator: ",")
                case .integer(let number): String(number)
                case .boolean(let isSet): String(isSet)
                case nil: key == "uuid" ? uuid.description : "as the template says"
                }
            return "\(key)=\(value)"
        }
    }

    /// Checks what is needed to make a VM and not to show what it would be: all values, and the files that the template relies on.
    /// - Throws: `invalidArgument`, and `hostUnsupported` for such a file.
    func checkIsComplete(_ templates: TemplateLibrary) throws(VMError) {
        let template = try vmError { () throws(TemplateError) in try templates.template(named: self.template) }
        for parameter in template.parameters {
            if parameter.isRequiredToCreate, values[parameter.name] ?? .string("") == .string("") {
                throw VMError(
                    .invalidArgument,
                    "\(parameter.name) is missing, \(parameter.kind.allowedValues): \(parameter.documentation)")
            }
            guard case .rootFile = parameter.kind,
                case .string(let path)? = values[parameter.name] ?? parameter.defaultValue, !path.isEmpty,
                let problem = RootFile.problem(with: path, matching: parameter.acceptsContents)
            else { continue }
            throw VMError(
                .hostUnsupported,
                "template '\(template.name)' needs the file \(path), which \(problem). \(parameter.documentation)")
        }
    }

    /// The host's PCI devices among the values, of any parameter.
    func pciDevices(_ templates: TemplateLibrary) -> [PCIAddress] {
        values.flatMap { name, value -> [PCIAddress] in
            guard case .strings(let texts) = value,
                let parameter = (try? templates.template(named: template))?.parameter(named: name),
                parameter.kind.givesHostDevices
            else { return [] }
            return texts.compactMap(PCIAddress.init)
        }
    }

    private static func template(for request: CreateRequest, in templates: TemplateLibrary) throws(VMError) -> Template
    {
        if let name = request.template {
            let template = try vmError { () throws(TemplateError) in try templates.template(named: name) }
            if let guest = request.guest, guest.rawValue != template.guest {
                throw VMError(
                    .invalidArgument,
                    "template '\(template.name)' is for \(template.guest), but the type asked for is \(guest.rawValue)")
            }
            return template
        }
        let guest = request.guest ?? .windows
        let basic = templates.templates.filter { $0.guest == guest.rawValue && $0.name.hasSuffix("-basic") }
        guard let template = basic.max(by: { $0.name < $1.name }) else {
            throw VMError(.notFound, "there is no basic template for \(guest.rawValue) on this host")
        }
        return template
    }

    /// A number that every VM has; the bound keeps absurd values from libvirt also where a template forgets to.
    private static func integer(
        _ key: String, _ values: [String: ParameterValue], _ template: Template, _ range: ClosedRange<UInt64>
    ) throws(VMError) -> UInt64 {
        guard case .integer(let number)? = values[key] ?? template.parameter(named: key)?.defaultValue else {
            throw VMError(.invalidArgument, "\(key) is missing, and the template has no default for it")
        }
        guard range.contains(number) else {
            throw VMError(.invalidArgument, "\(key) must be from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}

/// Runs something of the templates; its error becomes one of ours.
func vmError<Result>(_ body: () throws(TemplateError) -> Result) throws(VMError) -> Result {
    do throws(TemplateError) {
        return try body()
    } catch {
        throw VMError(error)
    }
}

extension VMError {
    init(_ error: TemplateError) {
        let code: Code =
            switch error.kind {
            case .notFound: .notFound
            case .missingParameter, .unknownParameter, .invalidValue: .invalidArgument
            default: .templateInvalid
            }
        self.init(code, error.message)
    }
}
