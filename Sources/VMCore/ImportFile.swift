import VMModel

/// A file that a caller handed over, open: what may be read of it the caller's rights have decided, and nobody looks for it by a
/// path again.
public final class ImportFile: Hashable, Sendable {
    /// Valid as long as this object is held.
    public let descriptor: Int32
    private let owner: any Sendable

    /// - Parameter owner: closes the descriptor when it goes.
    public init(_ descriptor: Int32, ownedBy owner: any Sendable) {
        self.descriptor = descriptor
        self.owner = owner
    }

    public static func == (left: ImportFile, right: ImportFile) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// What is known of a file without reading it.
public struct FileFacts: Hashable, Sendable {
    /// Whether it is a regular file.
    public let isRegular: Bool
    /// Whether it has a name; memory that only looks like a file has none (`memfd_create(2)`).
    public let isNamed: Bool
    /// Whether it was opened for reading.
    public let isReadable: Bool
    public let sizeBytes: UInt64

    public init(isRegular: Bool, isNamed: Bool, isReadable: Bool, sizeBytes: UInt64) {
        self.isRegular = isRegular
        self.isNamed = isNamed
        self.isReadable = isReadable
        self.sizeBytes = sizeBytes
    }
}

/// What goes into a new volume.
public struct ImportContents: Hashable, Sendable {
    /// nil when all there is to be are the first bytes.
    public let file: ImportFile?
    /// The first bytes, which were read and looked at: these go into the volume, whatever the file has there by now.
    public let head: [UInt8]
    /// How many bytes there are to be, as many as the file had at first.
    public let sizeBytes: UInt64

    public init(file: ImportFile, head: [UInt8], sizeBytes: UInt64) {
        self.file = file
        self.head = head
        self.sizeBytes = sizeBytes
    }

    /// What the service has made itself.
    public init(_ bytes: [UInt8]) {
        file = nil
        head = bytes
        sizeBytes = UInt64(bytes.count)
    }
}

/// Where volumes are.
public enum VolumePlace: String, Hashable, Sendable, CaseIterable {
    /// The pool for the disks of VMs.
    case disks
    /// The library of media, which every VM may have and none may write.
    case media
}

/// What is told while bytes are copied: how many are done, of how many.
public typealias ImportProgress = @Sendable (_ done: UInt64, _ total: UInt64) -> Void
