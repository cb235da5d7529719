import VMModel

/// The format of a disk image that VMs may have.
public enum ImageFormat: String, Hashable, Sendable, CaseIterable {
    case qcow2, raw
}

/// What a disk image says of itself in its first bytes, as far as that decides whether it may be a VM's disk.
///
/// Nothing is guessed: what is not qcow2 and not one of the formats that are known and refused is raw, bytes of a disk. An image
/// that names another file, which QEMU would then open with rights that its giver does not have, is refused, and so is one that
/// could not be used as it is.
struct ImageHeader: Hashable {
    /// How many of the first bytes of a file are looked at.
    static let headBytes = 65_536
    /// How many of the last ones.
    static let tailBytes = 512
    /// The largest disk, in bytes: that of the templates.
    static let maximumBytes: UInt64 = 65_536 << 30

    let format: ImageFormat
    /// What the guest sees, in bytes.
    let virtualSizeBytes: UInt64

    /// - Parameters:
    ///   - head: the file's first `headBytes`, or all of it.
    ///   - tail: its last `tailBytes`, or all of it.
    /// - Throws: `invalidArgument` that says what is wrong with it, and what to do.
    init(head: [UInt8], tail: [UInt8], fileSizeBytes: UInt64) throws(VMError) {
        let head = Bytes(head)
        if let foreign = Self.foreignFormat(head, Bytes(tail)) { throw Self.refused(foreign) }
        if head.starts(with: Self.qcowMagic) {
            format = .qcow2
            virtualSizeBytes = try Self.virtualSize(ofQcow2: head)
        } else {
            format = .raw
            virtualSizeBytes = fileSizeBytes
        }
        guard virtualSizeBytes > 0 else { throw Self.refused("it is empty") }
        guard virtualSizeBytes <= Self.maximumBytes else {
            throw Self.refused("its disk is larger than \(Self.maximumBytes >> 30) GiB")
        }
        guard virtualSizeBytes % 512 == 0 else {
            throw Self.refused("a disk has whole sectors, and its size is not a multiple of 512; is it one?")
        }
    }

    private static func refused(_ reason: String) -> VMError {
        VMError(.invalidArgument, "the disk image cannot be used: \(reason)")
    }

    // MARK: Formats

    private static let qcowMagic: [UInt8] = [0x51, 0x46, 0x49, 0xfb]
    private static let convert = "; convert it with 'qemu-img convert -O qcow2'"

    /// Says of which format it is where that is one that is known and not taken.
    private static func foreignFormat(_ head: Bytes, _ tail: Bytes) -> String? {
        if head.has("CD001", at: 32_769) { return "it is an ISO image; give it as the medium (iso, --iso)" }
        let magics: [(String, String)] = [
            ("KDMV", "VMDK"), ("COWD", "VMDK"), ("# Disk DescriptorFile", "VMDK"), ("conectix", "VHD"),
            ("vhdxfile", "VHDX"), ("QED\0", "QED"), ("WithoutFreeSpace", "Parallels"),
            ("WithouFreSpacExt", "Parallels"), ("Bochs Virtual HD Image", "Bochs"),
            ("#!/bin/sh\n#V2.0 Format\n", "cloop"),
            ("OOOM", "COW"),
        ]
        for (magic, name) in magics where head.has(magic, at: 0) { return "it is of the format \(name)" + convert }
        if head.has([0x7f, 0x10, 0xda, 0xbe], at: 64) { return "it is of the format VDI" + convert }
        for magic in compressed where head.has(magic, at: 0) { return "it is compressed; unpack it first" }
        if head.has([0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe], at: 0) { return "it is encrypted (LUKS)" }
        if tail.has("conectix", at: tail.count - 512) { return "it is of the format VHD" + convert }
        if tail.has("koly", at: tail.count - 512) { return "it is of the format DMG" + convert }
        return nil
    }

    /// How gzip, xz, zstd, bzip2, ZIP and 7z begin: as images are often handed out, and as no disk begins that starts anything.
    private static let compressed: [[UInt8]] = [
        [0x1f, 0x8b, 8], [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], [0x28, 0xb5, 0x2f, 0xfd], Array("BZh".utf8),
        [0x50, 0x4b, 3, 4], [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c],
    ]

    // MARK: qcow2

    /// The fields of the header that decide; QEMU's docs/interop/qcow2.txt has them all.
    private static func virtualSize(ofQcow2 head: Bytes) throws(VMError) -> UInt64 {
        let version = try field(head.uint32(at: 4))
        guard version != 1 else { throw refused("it is of the old format qcow" + convert) }
        guard version == 2 || version == 3 else {
            throw refused("it is of version \(version) of qcow2, and only 2 and 3 are known")
        }
        guard try field(head.uint64(at: 8)) == 0 else {
            throw refused("it has a backing file; 'qemu-img convert -O qcow2' makes one image of both")
        }
        guard try (9...21).contains(field(head.uint32(at: 20))) else {
            throw refused("its clusters have no valid size")
        }
        guard try field(head.uint32(at: 32)) == 0 else { throw refused("it is encrypted") }
        guard try field(head.uint32(at: 60)) == 0 else {
            throw refused("it has internal snapshots; 'qemu-img convert -O qcow2' makes an image without them")
        }
        // The last field that both versions have ends here.
        _ = try field(head.uint64(at: 64))
        if version == 3 { try checkVersion3(head, clusterBits: try field(head.uint32(at: 20))) }
        return try field(head.uint64(at: 24))
    }

    private static func checkVersion3(_ head: Bytes, clusterBits: UInt32) throws(VMError) {
        let features = try field(head.uint64(at: 72))
        guard features & 0b100 == 0 else {
            throw refused("its data is in another file; 'qemu-img convert -O qcow2' makes one image of both")
        }
        guard features & 0b011 == 0 else {
            throw refused("it was not closed properly, or is damaged; 'qemu-img check -r all' may repair it")
        }
        // Another compression, and clusters in parts.
        guard features & ~0b11000 == 0 else { throw refused("it uses features of qcow2 that are not known here") }
        guard try field(head.uint32(at: 96)) <= 6 else { throw refused("its header is not valid") }
        let length = try field(head.uint32(at: 100))
        guard length >= 104, length % 8 == 0, UInt64(length) <= UInt64(1) << clusterBits, length <= headBytes else {
            throw refused("its header has no valid length")
        }
        if features & 0b1000 != 0 {
            guard length > 104, let kind = head.byte(at: 104), kind <= 1 else {
                throw refused("its compression is not known here")
            }
        }
    }

    private static func field<Value>(_ value: Value?) throws(VMError) -> Value {
        guard let value else { throw refused("it ends within its header") }
        return value
    }
}

/// Bytes of a stranger's file; what is not there is nil.
private struct Bytes {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var count: Int { bytes.count }

    func byte(at offset: Int) -> UInt8? { bytes.indices.contains(offset) ? bytes[offset] : nil }

    func uint32(at offset: Int) -> UInt32? { number(at: offset) }
    func uint64(at offset: Int) -> UInt64? { number(at: offset) }

    func starts(with magic: [UInt8]) -> Bool { has(magic, at: 0) }
    func has(_ text: String, at offset: Int) -> Bool { has(Array(text.utf8), at: offset) }

    func has(_ magic: [UInt8], at offset: Int) -> Bool {
        guard offset >= 0, offset <= bytes.count else { return false }
        return bytes[offset...].starts(with: magic)
    }

    /// The number in big-endian order.
    private func number<Number: FixedWidthInteger>(at offset: Int) -> Number? {
        let width = Number.bitWidth / 8
        guard offset >= 0, offset <= bytes.count - width else { return nil }
        return bytes[offset..<offset + width].reduce(0) { $0 << 8 | Number($1) }
    }
}
