import CLibvirt
import Glibc

/// The bytes of a C string up to its end; names of foreign domains need not be UTF-8.
func bytes(of string: UnsafePointer<CChar>) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: string, count: strlen(string)))
}

/// The text of a C string, with each byte that is not UTF-8 replaced; nil stays nil.
func text(_ string: UnsafePointer<CChar>?) -> String? {
    string.map { String(cString: $0) }
}

/// Copies a string that the caller of libvirt must free, and frees it.
func take(_ string: UnsafeMutablePointer<CChar>) -> String {
    defer { free(string) }
    return String(cString: string)
}

/// The UUID and name that a domain handle carries; both are local reads.
///
/// Calls `virDomainGetUUID`, `virDomainGetName`.
func identity(of domain: OpaquePointer) -> (uuid: DomainUUID, name: [UInt8])? {
    var raw = [UInt8](repeating: 0, count: Int(VIR_UUID_BUFLEN))
    guard virDomainGetUUID(domain, &raw) == 0, let uuid = DomainUUID(bytes: raw) else { return nil }
    return (uuid, virDomainGetName(domain).map { bytes(of: $0) } ?? [])
}
