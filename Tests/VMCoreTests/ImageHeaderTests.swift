import Testing
import VMModel

@testable import VMCore

/// Headers of disk images, made byte by byte.
enum TestImage {
    static let mebibyte: UInt64 = 1 << 20

    /// A qcow2 image of version 3 as qemu-img makes it, 64 KiB of it, with bytes changed.
    static func qcow2(version: UInt32 = 3, size: UInt64 = mebibyte, _ changes: (Int, [UInt8])...) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        func put(_ offset: Int, _ value: [UInt8]) { bytes.replaceSubrange(offset..<offset + value.count, with: value) }
        put(0, [0x51, 0x46, 0x49, 0xfb])
        put(4, be(version))
        put(20, be(UInt32(16)))
        put(24, be(size))
        put(36, be(UInt32(1)))
        put(40, be(UInt64(0x30000)))
        put(48, be(UInt64(0x10000)))
        put(56, be(UInt32(1)))
        if version == 3 {
            put(96, be(UInt32(4)))
            put(100, be(UInt32(112)))
        }
        for (offset, value) in changes { put(offset, value) }
        return bytes
    }

    /// Zeros of that length, with bytes put in.
    static func raw(_ count: Int = 65_536, _ changes: (Int, [UInt8])...) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        for (offset, value) in changes { bytes.replaceSubrange(offset..<offset + value.count, with: value) }
        return bytes
    }

    static func be<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    static func header(of bytes: [UInt8], fileSize: UInt64? = nil) throws(VMError) -> ImageHeader {
        try ImageHeader(
            head: Array(bytes.prefix(ImageHeader.headBytes)), tail: Array(bytes.suffix(ImageHeader.tailBytes)),
            fileSizeBytes: fileSize ?? UInt64(bytes.count))
    }
}

@Suite struct ImageHeaderTests {
    struct Taken: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        let format: ImageFormat
        let size: UInt64
        var fileSize: UInt64?

        init(_ name: String, _ bytes: [UInt8], _ format: ImageFormat, _ size: UInt64, fileSize: UInt64? = nil) {
            testDescription = name
            self.bytes = bytes
            self.format = format
            self.size = size
            self.fileSize = fileSize
        }
    }

    private typealias Image = TestImage

    static let taken = [
        Taken("version 3", Image.qcow2(), .qcow2, 1 << 20),
        Taken("version 2", Image.qcow2(version: 2), .qcow2, 1 << 20),
        Taken("version 2 of 72 bytes", Array(Image.qcow2(version: 2).prefix(72)), .qcow2, 1 << 20),
        Taken("version 3 of 104 bytes", Array(Image.qcow2((100, Image.be(UInt32(104)))).prefix(104)), .qcow2, 1 << 20),
        Taken("the largest disk", Image.qcow2(size: 65_536 << 30), .qcow2, 65_536 << 30),
        Taken("a sector", Image.qcow2(size: 512), .qcow2, 512),
        Taken("the smallest clusters", Image.qcow2((20, Image.be(UInt32(9)))), .qcow2, 1 << 20),
        Taken("the largest clusters", Image.qcow2((20, Image.be(UInt32(21)))), .qcow2, 1 << 20),
        Taken("clusters in parts", Image.qcow2((72, Image.be(UInt64(1 << 4)))), .qcow2, 1 << 20),
        Taken("zstd", Image.qcow2((72, Image.be(UInt64(1 << 3))), (104, [1])), .qcow2, 1 << 20),
        Taken("features that need not be known", Image.qcow2((80, Image.be(UInt64.max))), .qcow2, 1 << 20),
        Taken("features that clear themselves", Image.qcow2((88, Image.be(UInt64.max))), .qcow2, 1 << 20),
        Taken("a length of a backing file that is none", Image.qcow2((16, Image.be(UInt32(9)))), .qcow2, 1 << 20),
        Taken("zeros", Image.raw(), .raw, 65_536),
        Taken("a boot sector", Image.raw(512, (510, [0x55, 0xaa])), .raw, 512),
        Taken("the largest raw disk", Image.raw(), .raw, 65_536 << 30, fileSize: 65_536 << 30),
        Taken("GPT", Image.raw(65_536, (512, Array("EFI PART".utf8))), .raw, 65_536),
        Taken("three of the four bytes of qcow2", Image.raw(4096, (0, [0x51, 0x46, 0x49])), .raw, 4096),
        Taken("qcow2's magic later", Image.raw(4096, (1, [0x51, 0x46, 0x49, 0xfb])), .raw, 4096),
        Taken("conectix elsewhere", Image.raw(4096, (100, Array("conectix".utf8))), .raw, 4096),
    ]

    @Test(arguments: taken) func isTaken(_ image: Taken) throws {
        let header = try TestImage.header(of: image.bytes, fileSize: image.fileSize)
        #expect(header.format == image.format)
        #expect(header.virtualSizeBytes == image.size)
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        /// What the message has to say.
        let words: String
        var fileSize: UInt64?

        init(_ name: String, _ bytes: [UInt8], _ words: String, fileSize: UInt64? = nil) {
            testDescription = name
            self.bytes = bytes
            self.words = words
            self.fileSize = fileSize
        }
    }

    static let refused = [
        Refused("backing file", Image.qcow2((8, Image.be(UInt64(0x1000))), (16, Image.be(UInt32(11)))), "backing file"),
        Refused("backing file, highest bit", Image.qcow2((8, Image.be(UInt64(1) << 63))), "backing file"),
        Refused("backing file of version 2", Image.qcow2(version: 2, (8, Image.be(UInt64(1)))), "backing file"),
        Refused("data file", Image.qcow2((72, Image.be(UInt64(4)))), "another file"),
        Refused("dirty", Image.qcow2((72, Image.be(UInt64(1)))), "qemu-img check"),
        Refused("corrupt", Image.qcow2((72, Image.be(UInt64(2)))), "qemu-img check"),
        Refused("unknown feature", Image.qcow2((72, Image.be(UInt64(1) << 5))), "not known"),
        Refused("highest feature", Image.qcow2((72, Image.be(UInt64(1) << 63))), "not known"),
        Refused("unknown compression", Image.qcow2((72, Image.be(UInt64(8))), (104, [2])), "compression"),
        Refused(
            "compression without its field", Image.qcow2((72, Image.be(UInt64(8))), (100, Image.be(UInt32(104)))),
            "compression"),
        Refused("AES", Image.qcow2((32, Image.be(UInt32(1)))), "encrypted"),
        Refused("LUKS in qcow2", Image.qcow2((32, Image.be(UInt32(2)))), "encrypted"),
        Refused("snapshots", Image.qcow2((60, Image.be(UInt32(1)))), "snapshots"),
        Refused("clusters too small", Image.qcow2((20, Image.be(UInt32(8)))), "clusters"),
        Refused("clusters too large", Image.qcow2((20, Image.be(UInt32(22)))), "clusters"),
        Refused("clusters absurd", Image.qcow2((20, Image.be(UInt32.max))), "clusters"),
        Refused("no size", Image.qcow2(size: 0), "empty"),
        Refused("half a sector", Image.qcow2(size: 256), "512"),
        Refused("a byte more", Image.qcow2(size: (1 << 20) + 1), "512"),
        Refused("too large by a sector", Image.qcow2(size: (65_536 << 30) + 512), "larger"),
        Refused("8 EiB", Image.qcow2(size: UInt64(1) << 63), "larger"),
        Refused("all bits of the size", Image.qcow2(size: .max), "larger"),
        Refused("version 0", Image.qcow2(version: 0), "version 0"),
        Refused("version 1", Image.qcow2(version: 1), "qcow"),
        Refused("version 4", Image.qcow2(version: 4), "version 4"),
        Refused("header too short", Image.qcow2((100, Image.be(UInt32(96)))), "length"),
        Refused("header of odd length", Image.qcow2((100, Image.be(UInt32(109)))), "length"),
        Refused("header longer than a cluster", Image.qcow2((100, Image.be(UInt32(65_544)))), "length"),
        Refused(
            "header longer than what is read", Image.qcow2((20, Image.be(UInt32(21))), (100, Image.be(UInt32(65_544)))),
            "length"),
        Refused("header of no end", Image.qcow2((100, Image.be(UInt32.max))), "length"),
        Refused("refcounts of 128 bits", Image.qcow2((96, Image.be(UInt32(7)))), "header"),
        Refused("nothing but the magic", [0x51, 0x46, 0x49, 0xfb], "ends within"),
        Refused("71 bytes", Array(Image.qcow2(version: 2).prefix(71)), "ends within"),
        Refused("103 bytes", Array(Image.qcow2().prefix(103)), "ends within"),
        Refused("nothing", [], "empty"),
        Refused("a byte", [0x51], "whole sectors"),
        Refused("a sector and a byte", Image.raw(513), "whole sectors"),
        Refused("text", Array("root:x:0:0:root:/root:/bin/bash\n".utf8), "whole sectors"),
        Refused("gzip", Image.raw(512, (0, [0x1f, 0x8b, 8])), "compressed"),
        Refused("xz", Image.raw(512, (0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])), "compressed"),
        Refused("zstd", Image.raw(512, (0, [0x28, 0xb5, 0x2f, 0xfd])), "compressed"),
        Refused("bzip2", Image.raw(512, (0, Array("BZh9".utf8))), "compressed"),
        Refused("ZIP", Image.raw(512, (0, [0x50, 0x4b, 3, 4])), "compressed"),
        Refused("7z", Image.raw(512, (0, [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c])), "compressed"),
        Refused("too large", Image.raw(), "larger", fileSize: (65_536 << 30) + 1),
        Refused("as large as can be", Image.raw(), "larger", fileSize: .max),
        Refused("VMDK", Image.raw(512, (0, Array("KDMV".utf8))), "VMDK"),
        Refused("old VMDK", Image.raw(512, (0, Array("COWD".utf8))), "VMDK"),
        Refused("VMDK as text", Array("# Disk DescriptorFile\nversion=1\n".utf8), "VMDK"),
        Refused("VDI", Image.raw(512, (64, [0x7f, 0x10, 0xda, 0xbe])), "VDI"),
        Refused("VHD", Image.raw(1024, (0, Array("conectix".utf8))), "VHD"),
        Refused("VHD of fixed size", Image.raw(65_536 + 512, (65_536, Array("conectix".utf8))), "VHD"),
        Refused("VHDX", Image.raw(512, (0, Array("vhdxfile".utf8))), "VHDX"),
        Refused("QED", Image.raw(512, (0, Array("QED\0".utf8))), "QED"),
        Refused("LUKS", Image.raw(512, (0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe])), "LUKS"),
        Refused("Parallels", Image.raw(512, (0, Array("WithoutFreeSpace".utf8))), "Parallels"),
        Refused("Parallels with large blocks", Image.raw(512, (0, Array("WithouFreSpacExt".utf8))), "Parallels"),
        Refused("Bochs", Image.raw(512, (0, Array("Bochs Virtual HD Image".utf8))), "Bochs"),
        Refused("cloop", Image.raw(512, (0, Array("#!/bin/sh\n#V2.0 Format\n".utf8))), "cloop"),
        Refused("COW", Image.raw(512, (0, Array("OOOM".utf8))), "COW"),
        Refused("DMG", Image.raw(2048, (1536, Array("koly".utf8))), "DMG"),
        Refused("ISO 9660", Image.raw(65_536, (32_769, Array("CD001".utf8))), "--iso"),
        Refused(
            "ISO 9660 that is a disk as well", Image.raw(65_536, (510, [0x55, 0xaa]), (32_769, Array("CD001".utf8))),
            "--iso"),
    ]

    @Test(arguments: refused) func isRefused(_ image: Refused) {
        let error = #expect(throws: VMError.self) { try TestImage.header(of: image.bytes, fileSize: image.fileSize) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.hasPrefix("the disk image cannot be used: ") == true)
        #expect(error?.message.contains(image.words) == true, "\(error?.message ?? "")")
    }

    /// Every value of every byte of a header, and every length: it is taken or refused, and never brings the process down.
    @Test(arguments: [UInt32(2), 3]) func everyByteMayBeAnything(version: UInt32) {
        let valid = Array(TestImage.qcow2(version: version).prefix(512))
        var taken = 0
        for offset in 0..<120 {
            for value in UInt8.min...UInt8.max {
                var bytes = valid
                bytes[offset] = value
                guard let header = try? TestImage.header(of: bytes) else { continue }
                taken += 1
                #expect(header.virtualSizeBytes > 0 && header.virtualSizeBytes % 512 == 0)
                // What another file would be opened for is never taken, whatever else is changed.
                #expect(header.format == .raw || bytes[8..<16].allSatisfy { $0 == 0 })
            }
        }
        #expect(taken > 1000)
        for count in 0...valid.count { _ = try? TestImage.header(of: Array(valid.prefix(count))) }
    }
}
