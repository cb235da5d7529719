import DBus
public import VMModel

/// What a new VM shall be; nil is the template's default.
public struct NewVM: Hashable, Sendable {
    public var name: String
    /// The guest system, for that family's basic template; nil is the service's choice, windows.
    public var guest: GuestOS?
    /// A template by name, instead of a guest system.
    public var template: String?
    /// MiB.
    public var memoryMB: UInt64?
    public var vcpus: UInt32?
    /// GiB.
    public var diskSizeGB: UInt64?
    /// The medium to install from: its name in the library, or where it is on the service's host, absolute.
    public var isoPath: String?
    /// The medium to install from as a file, which goes into the library.
    public var iso: OpenFile?
    /// A disk image, qcow2 or raw, that becomes the VM's disk.
    public var diskImage: OpenFile?
    /// For Linux cloud images: a user who may become root; nil for the image's own.
    public var user: String?
    /// For Linux cloud images: public keys to log in with.
    public var sshKeys: [String] = []
    /// For Linux cloud images: user data for cloud-init.
    public var cloudInit: String?
    /// A chosen UUID; nil has the service choose.
    public var uuid: VMUUID?
    /// Whether the VM is started once it is made.
    public var start = false
    /// Whether the VM is started when the host starts.
    public var autostart = false
    /// The template's own parameters.
    public var parameters: [String: ParameterValue] = [:]

    public init(name: String) {
        self.name = name
    }

    /// The `a{sv}` of `CreateVM`, or of `RenderTemplate`, which has the template as an argument.
    func options(choosesTemplate: Bool) -> DBusValue {
        var options: [(String, DBusValue?)] = []
        if choosesTemplate {
            options.append(("type", (guest?.rawValue).map(DBusValue.string)))
            options.append(("template", template.map(DBusValue.string)))
            options.append(("iso", (iso?.descriptor).map(DBusValue.unixFD)))
            options.append(("disk_image", (diskImage?.descriptor).map(DBusValue.unixFD)))
        }
        options += [
            ("memory_mb", memoryMB.map(DBusValue.uint64)), ("vcpus", vcpus.map(DBusValue.uint32)),
            ("disk_size_gb", diskSizeGB.map(DBusValue.uint64)), ("iso_path", isoPath.map(DBusValue.string)),
            ("uuid", (uuid?.description).map(DBusValue.string)), ("start", start ? .boolean(true) : nil),
            ("autostart", autostart ? .boolean(true) : nil), ("user", user.map(DBusValue.string)),
            ("ssh_keys", sshKeys.isEmpty ? nil : .strings(sshKeys)), ("cloud_init", cloudInit.map(DBusValue.string)),
        ]
        if !parameters.isEmpty {
            let sorted = parameters.sorted { $0.key < $1.key }
            options.append(("parameters", .options(sorted.map { ($0.key, $0.value.busValue) })))
        }
        return .options(options.compactMap { key, value in value.map { (key, $0) } })
    }
}

/// A file that this process has opened for reading; the service reads it with that right.
public struct OpenFile: Hashable, Sendable {
    let descriptor: UnixFD

    /// Takes over a descriptor, which is closed with the last copy of this value.
    public init(owning descriptor: Int32) {
        self.descriptor = UnixFD(owning: descriptor)
    }

    /// Valid as long as this value is held.
    public var rawDescriptor: Int32 { descriptor.rawValue }
}

/// The value of a template's parameter.
public enum ParameterValue: Hashable, Sendable {
    case string(String)
    case integer(UInt64)
    case boolean(Bool)
    case strings([String])

    var busValue: DBusValue {
        switch self {
        case .string(let text): .string(text)
        case .integer(let number): .uint64(number)
        case .boolean(let bool): .boolean(bool)
        case .strings(let texts): .strings(texts)
        }
    }

    init?(_ value: DBusValue) {
        if let text = value.stringValue {
            self = .string(text)
        } else if let number = value.uint64Value ?? value.uint32Value.map(UInt64.init) {
            self = .integer(number)
        } else if let bool = value.boolValue {
            self = .boolean(bool)
        } else if let texts = value.stringsValue {
            self = .strings(texts)
        } else {
            return nil
        }
    }
}
