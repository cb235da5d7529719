import Glibc
import VMManagerClient
import VMModel

/// The list of VMs, for people, for programs and for pipes.
enum VMList {
    /// By the bytes of the names, so that the order is the same in every language; equal names by UUID.
    static func sorted(_ vms: [VMSummary]) -> [VMSummary] {
        // Places are sorted, since a VM takes long to move: five of its fields are counted references.
        let places = vms.indices.sorted { left, right in
            let order = vms[left].name.order(ofBytesTo: vms[right].name)
            return order == 0 ? vms[left].uuid < vms[right].uuid : order < 0
        }
        return places.map { vms[$0] }
    }

    static func table(_ vms: [VMSummary], colours: Bool) -> String {
        let columns: [Table.Column] = [
            .init(title: "Name"), .init(title: "State"), .init(title: "Memory", isNumber: true),
            .init(title: "vCPUs", isNumber: true),
        ]
        let rows: [[Table.Cell]] = sorted(vms).map { vm in
            [
                .init(text: vm.name), .init(text: vm.state, style: .of(state: vm.state)),
                .init(text: Sizes.text(mebibytes: vm.memoryMB)), .init(text: String(vm.vcpus)),
            ]
        }
        return Table(columns: columns, rows: rows).text(colours: colours)
    }

    static func json(_ vms: [VMSummary]) -> String {
        JSON.lines(
            sorted(vms).map { vm in
                .object([
                    ("name", .string(vm.name)), ("uuid", .string(vm.uuid.description)), ("state", .string(vm.state)),
                    ("memory_mb", .integer(vm.memoryMB)), ("vcpus", .integer(UInt64(vm.vcpus))),
                    ("autostart", .boolean(vm.autostart)),
                ])
            })
    }

    /// One word per VM and line that finds it again: its name, or its UUID where the name would not.
    static func words(_ vms: [VMSummary]) -> String {
        sorted(vms).map { word(for: $0) + "\n" }.joined()
    }

    private static func word(for vm: VMSummary) -> String {
        let isPlain = vm.name.unicodeScalars.allSatisfy {
            !ForeignText.isDangerous($0) && !$0.properties.isWhitespace && $0 != "\u{fffd}"
        }
        return isPlain && !vm.name.isEmpty && !vm.name.hasPrefix("-") && VMUUID(vm.name) == nil
            ? vm.name : vm.uuid.description
    }
}

extension String {
    /// Less than 0 when the bytes of this text come first, 0 when they are the same. Calls `memcmp`.
    fileprivate func order(ofBytesTo other: String) -> Int {
        var (left, right) = (self, other)
        return left.withUTF8 { left in
            right.withUTF8 { right in
                let common = min(left.count, right.count)
                guard common > 0, let start = left.baseAddress, let otherStart = right.baseAddress else {
                    return left.count - right.count
                }
                let order = memcmp(start, otherStart, common)
                return order == 0 ? left.count - right.count : Int(order)
            }
        }
    }
}
