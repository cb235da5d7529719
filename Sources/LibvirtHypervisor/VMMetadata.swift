import Libvirt
import VMModel
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

    /// A VM without our element, or with one that cannot be read, has empty metadata: anybody may have written it, at any length.
    /// - Throws: `LibvirtError` when the domain or the connection is gone.
    init(of domain: Domain) async throws {
        do {
            self.init(.success(try await domain.metadata(namespace: Self.namespace)))
        } catch let error as LibvirtError where error.kind == .libvirt && error.code != .noDomain {
            self.init(.failure(error))
        }
    }

    /// The same of what has been read: an element that is longer than libvirt can carry, for example, is as good as none.
    init(_ read: Result<String?, LibvirtError>) {
        self.init()
        guard let xml = try? read.get(), let element = try? XMLTree(parsing: xml) else { return }
        self.init(element)
    }

    /// Only what this service could have written is taken.
    init(_ element: XMLTree) {
        template = element.first("template").flatMap { try? VMName($0.text) }?.rawValue ?? ""
        osType = element.first("os-type").flatMap { GuestOS(rawValue: $0.text) }?.rawValue ?? ""
        ownerUID = element.first("owner-uid").flatMap { UInt32($0.text) }.flatMap { $0 == .max ? nil : $0 }
        createdAt = element.first("created-at").flatMap { UInt64($0.text) } ?? 0
        volumes = Set(element.all("volume").map(\.text))
    }
}
