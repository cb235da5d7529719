public import DBus
public import VMModel

extension VM {
    /// The values of the VM's properties on the bus.
    public var busProperties: [(String, DBusValue)] {
        VMProperty.allCases.map { ($0.rawValue, busValue($0)) }
    }

    private func busValue(_ property: VMProperty) -> DBusValue {
        switch property {
        case .name: .string(name.busText)
        case .uuid: .string(uuid.description)
        case .state: .string(state.rawValue)
        case .stateReason: .string(stateReason)
        case .memoryMB: .uint64(memoryMB)
        case .vcpus: .uint32(vcpus)
        case .autostart: .boolean(autostart)
        case .persistent: .boolean(isPersistent)
        case .template: .string(template.busText)
        case .osType: .string(osType.busText)
        case .ownerUID: .uint32(ownerUID ?? .max)
        case .createdAt: .uint64(createdAt)
        case .hasSavedState: .boolean(hasSavedState)
        case .job: .objectPath(job.map(BusNames.path) ?? .root)
        }
    }

    /// UUID and name, as the signals `VMAdded` and `VMRemoved` carry them.
    public var busIdentity: [DBusValue] { [.string(uuid.description), .string(name.busText)] }

    /// The VM's row in the reply of `ListVMs`.
    public var busSummary: DBusValue {
        .structure([
            .objectPath(BusNames.path(of: uuid)), .string(name.busText), .string(uuid.description),
            .string(state.rawValue), .uint64(memoryMB), .uint32(vcpus), .boolean(autostart),
        ])
    }
}

extension VMSummary {
    /// A row of the reply of `ListVMs`; nil for what is not one.
    public init?(_ row: DBusValue) {
        guard let fields = row.structureValue, fields.count == 7,
            let name = fields[1].stringValue, let text = fields[2].stringValue, let uuid = VMUUID(text),
            let state = fields[3].stringValue, let memoryMB = fields[4].uint64Value,
            let vcpus = fields[5].uint32Value, let autostart = fields[6].boolValue
        else { return nil }
        self.init(uuid: uuid, name: name, state: state, memoryMB: memoryMB, vcpus: vcpus, autostart: autostart)
    }
}

extension String {
    /// The text as the bus can carry it, which is without NUL.
    var busText: String {
        utf8.contains(0) ? String(decoding: utf8.map { $0 == 0 ? UInt8(ascii: "?") : $0 }, as: UTF8.self) : self
    }
}
