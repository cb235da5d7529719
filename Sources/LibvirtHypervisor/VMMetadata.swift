import Libvirt
import XMLReading

/// What this service noted in a VM's definition when it made it.
struct VMMetadata: Hashable, Sendable {
    static let namespace = "https://neuronos.org/libvirt/1"

    var template = ""
    var osType = ""
    var ownerUID: UInt32?
    /// Microseconds since the epoch; 0 for none.
    var createdAt: UInt64 = 0
    var volumes: Set<String> = []

    init() {}

    /// - Throws: `LibvirtError`. A VM without our element, or with one that cannot be read, has empty metadata: anybody may have written it.
    init(of domain: Domain) async throws {
        let xml = try await domain.metadata(namespace: Self.namespace)
        if let element = xml.flatMap({ try? XMLTree(parsing: $0) }) {
            self.init(element)
        } else {
            self.init()
        }
    }

    init(_ element: XMLTree) {
        template = element.first("template")?.text ?? ""
        osType = element.first("os-type")?.text ?? ""
        ownerUID = element.first("owner-uid").flatMap { UInt32($0.text) }.flatMap { $0 == .max ? nil : $0 }
        createdAt = element.first("created-at").flatMap { UInt64($0.text) } ?? 0
        volumes = Set(element.all("volume").map(\.text))
    }
}
