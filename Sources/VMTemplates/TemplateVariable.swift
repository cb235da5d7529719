internal import VMModel

/// What a template sees of a parameter; texts are not yet escaped.
public enum TemplateVariable: Sendable, Hashable {
    case text(String)
    case number(UInt64)
    case flag(Bool)
    case texts([String])
    /// Entries with named fields, which a loop goes over: `{{ device.bus }}`.
    case records([[String: String]])
}

extension Template {
    /// The variables that the template sees for these values and the defaults of the others.
    /// - Throws: ``TemplateError``: `missingParameter`, `unknownParameter`, `invalidValue`.
    public func variables(_ given: [String: ParameterValue]) throws(TemplateError) -> [String: TemplateVariable] {
        let values = try completed(given)
        var variables: [String: TemplateVariable] = [:]
        for parameter in parameters { variables[parameter.name] = values[parameter.name].map(parameter.variable) }
        return variables
    }
}

extension TemplateParameter {
    /// How the template sees a value that was checked.
    fileprivate func variable(for value: ParameterValue) -> TemplateVariable {
        switch (kind, value) {
        case (.pciAddresses, .strings(let texts)): .records(GuestSlots.records(texts.compactMap(PCIAddress.init)))
        case (.cpuSets, .strings(let texts)):
            .records(texts.enumerated().map { ["index": String($0.offset), "cpus": $0.element] })
        case (_, .string(let text)): .text(text)
        case (_, .integer(let number)): .number(number)
        case (_, .boolean(let flag)): .flag(flag)
        case (_, .strings(let texts)): .texts(texts)
        }
    }
}

extension TemplateParameter.Kind {
    /// The fields of the entries of a list; nil where its items are texts.
    var fields: [String]? {
        switch self {
        case .pciAddresses: GuestSlots.fields
        case .cpuSets: ["index", "cpus"]
        default: nil
        }
    }
}

/// The places of the host's devices in the guest.
enum GuestSlots {
    /// Address on the host as libvirt reads it without doubt, which is with `0x`; then the place in the guest, empty where
    /// libvirt chooses; `is_first` is empty but for one.
    static let fields = [
        "domain", "bus", "slot", "function", "guest_bus", "guest_function", "multifunction", "is_first",
    ]

    /// Devices with their places.
    ///
    /// The functions of one slot stay together in one slot of the guest, because drivers look for a card's other functions
    /// there: the lowest becomes function 0, without which a guest sees none, and the others keep their numbers. Such slots
    /// are those behind the first root ports: libvirt adds the ports, and keeps everything else away from them.
    static func records(_ addresses: [PCIAddress]) -> [[String: String]] {
        var slots: [[PCIAddress]] = []
        for address in addresses {
            if let index = slots.firstIndex(where: { $0.first?.isInSlot(of: address) == true }) {
                slots[index].append(address)
            } else {
                slots.append([address])
            }
        }
        var records: [[String: String]] = []
        var bus: UInt32 = 0
        for slot in slots {
            if slot.count > 1 { bus += 1 }
            for (position, address) in slot.sorted().enumerated() {
                var record = address.record
                record["is_first"] = records.isEmpty ? "yes" : ""
                record["guest_bus"] = slot.count > 1 ? "0x" + PCIAddress.digits(bus, 2) : ""
                record["guest_function"] = position == 0 ? "0x0" : record["function"]
                record["multifunction"] = position == 0 ? "on" : "off"
                records.append(record)
            }
        }
        return records
    }
}

extension PCIAddress {
    fileprivate func isInSlot(of other: PCIAddress) -> Bool {
        (domain, bus, slot) == (other.domain, other.bus, other.slot)
    }

    fileprivate var record: [String: String] {
        [
            "domain": "0x" + Self.digits(domain, 4), "bus": "0x" + Self.digits(UInt32(bus), 2),
            "slot": "0x" + Self.digits(UInt32(slot), 2), "function": "0x" + Self.digits(UInt32(function), 1),
        ]
    }
}
