import Glibc
public import VMTemplates

/// Small templates in a directory of their own, which goes with this object.
public final class TestTemplates: Sendable {
    public let directory: String
    public let library: TemplateLibrary

    /// - Parameter extra: further templates, text by name.
    public init(_ extra: [String: String] = [:]) throws {
        var path = Array("/tmp/templates.XXXXXX".utf8CString)
        guard mkdtemp(&path) != nil else { throw DeadlineExceeded("a directory for templates") }
        directory = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var texts = ["linux-basic": Self.text(guest: "linux"), "windows11-basic": Self.text(guest: "windows")]
        texts.merge(extra) { $1 }
        for (name, text) in texts { try Self.write(text, to: "\(directory)/\(name).xml.j2") }
        library = try TemplateLibrary(directories: [directory], trustedOwner: getuid())
    }

    deinit {
        for name in library.templates.map(\.name) { unlink("\(directory)/\(name).xml.j2") }
        rmdir(directory)
    }

    /// A template with the parameters that every one has, and some more.
    public static func text(guest: String, uuid: String = "{{ uuid }}", memory: String = "default: 1024") -> String {
        """
        {#
        summary: A machine for tests
        guest: \(guest)
        parameters:
          name: {type: name, required: true, meaning: Name.}
          uuid: {type: uuid, meaning: UUID.}
          memory_mb: {type: integer, unit: MiB, minimum: 256, maximum: 65536, \(memory), meaning: Memory.}
          vcpus: {type: integer, minimum: 1, maximum: 288, default: 2, meaning: CPUs.}
          disk_size_gb: {type: integer, unit: GiB, minimum: 1, maximum: 65536, default: 20, meaning: Disk.}
          disk_path: {type: path, required: true, reserved: true, meaning: Disk.}
          disk_format: {type: choice, choices: [qcow2, raw], default: qcow2, reserved: true, meaning: Format.}
          iso_path: {type: path, meaning: Medium.}
          network: {type: string, maximum: 64, host: true, meaning: Network.}
          accelerator: {type: choice, choices: [auto, kvm, tcg], default: auto, meaning: Accelerator.}
          owner_uid: {type: integer, minimum: 0, maximum: 4294967295, default: 0, reserved: true, meaning: Owner.}
          template: {type: string, maximum: 63, reserved: true, meaning: Template.}
          secure_boot: {type: boolean, default: false, meaning: Secure Boot.}
          \(guest == "linux" ? "seed_path: {type: path, reserved: true, meaning: Seed.}" : "")
        #}<domain type='{{ accelerator }}'>
          <name>{{ name }}</name>
          <uuid>\(uuid)</uuid>
          <template>{{ template }}</template>
          <owner>{{ owner_uid }}</owner>
          <memory unit='MiB'>{{ memory_mb }}</memory>
          <vcpu>{{ vcpus }}</vcpu>
          <devices>
            <disk><driver type='{{ disk_format }}'/><source file='{{ disk_path }}'/></disk>
            {% if iso_path %}<disk device='cdrom'><source dev='{{ iso_path }}'/></disk>{% endif %}
            {% if network %}<interface><source network='{{ network }}'/></interface>{% endif %}
            {% if secure_boot %}<smm/>{% endif %}
            \(guest == "linux" ? "{% if seed_path %}<seed>{{ seed_path }}</seed>{% endif %}" : "")
            <size>{{ disk_size_gb }}</size>
          </devices>
        </domain>
        """
    }

    private static func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw DeadlineExceeded(path) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else { throw DeadlineExceeded(path) }
    }

    private static func write(_ descriptor: Int32, _ bytes: [UInt8], _ count: Int) -> Int {
        Glibc.write(descriptor, bytes, count)
    }
}
