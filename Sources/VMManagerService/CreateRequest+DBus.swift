import DBus
import VMCore
import VMManagerAPI
import VMModel
import VMTemplates

extension CreateRequest {
    /// Takes the options of `CreateVM`, or of `RenderTemplate`, which has the template already.
    mutating func take(_ options: inout OptionReader, choosesTemplate: Bool) throws(VMError) {
        if choosesTemplate {
            if let type = try options.string("type") {
                guard let guest = GuestOS(rawValue: type) else {
                    throw VMError(.invalidArgument, "type must be windows, linux or macos")
                }
                self.guest = guest
            }
            template = try options.string("template")
            iso = try options.file("iso").map(ImportFile.init)
            diskImage = try options.file("disk_image").map(ImportFile.init)
        }
        let (user, keys, userData) = try (
            options.string("user"), options.strings("ssh_keys"), options.string("cloud_init")
        )
        if user != nil || keys != nil || userData != nil {
            cloudInit = try CloudInit(user: user, sshKeys: keys ?? [], userData: userData)
        }
        if let text = try options.string("uuid") {
            guard let uuid = VMUUID(text) else { throw VMError(.invalidArgument, "uuid must be a UUID") }
            self.uuid = uuid
        }
        autostart = try options.bool("autostart") ?? false
        start = try options.bool("start") ?? false
        var parameters: [String: DBusValue] = [:]
        if let own = options.take("parameters") {
            guard own.type == .options else { throw OptionReader.wrongType("parameters", "a dictionary (a{sv})") }
            var reader = try OptionReader(own)
            parameters = reader.takeRest()
        }
        for (key, value) in options.takeRest() {
            guard parameters.updateValue(value, forKey: key) == nil else {
                throw VMError(.invalidArgument, "an option is given twice, once among the parameters")
            }
        }
        for (key, value) in parameters { values[key] = try Self.parameter(key, value) }
    }

    private static func parameter(_ key: String, _ value: DBusValue) throws(VMError) -> ParameterValue {
        if let number = value.unsignedValue { return .integer(number) }
        if let text = value.stringValue { return .string(text) }
        if let bool = value.boolValue { return .boolean(bool) }
        if let texts = value.stringsValue { return .strings(texts) }
        throw OptionReader.wrongType(key, "a string, a whole number from 0, a boolean or a list of strings")
    }
}

extension ImportFile {
    /// A descriptor that came with a call.
    convenience init(_ file: UnixFD) {
        self.init(file.rawValue, ownedBy: file)
    }
}

extension Template {
    /// The template's row in the reply of `ListTemplates`.
    var busValue: DBusValue {
        let parameters = parameters.filter(CreateRequest.takes).map { ($0.name, $0.busValue) }
        return .structure([.string(name), .string(guest), .string(description), .options(parameters)])
    }
}

extension TemplateParameter {
    fileprivate var busValue: DBusValue {
        var fields: [(String, DBusValue)] = [
            ("type", .string(kind.word)), ("allowed", .string(kind.allowedValues)), ("unit", .string(unit)),
            ("required", .boolean(isRequired || isRequiredToCreate)), ("description", .string(documentation)),
        ]
        switch defaultValue {
        case .string(let text): fields.append(("default", .string(text)))
        case .integer(let number): fields.append(("default", .uint64(number)))
        case .boolean(let bool): fields.append(("default", .boolean(bool)))
        case .strings(let texts): fields.append(("default", .strings(texts)))
        case nil: break
        }
        return .options(fields)
    }
}

extension TemplateParameter.Kind {
    /// The signature of the value on the bus.
    fileprivate var word: String {
        switch self {
        case .integer, .number: "t"
        case .boolean: "b"
        case .list, .cpuSets, .pciAddresses: "as"
        case .string, .choice, .path, .name, .uuid, .macAddress, .rootFile, .cpuSet: "s"
        }
    }
}
