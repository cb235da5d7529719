import Glibc
import Libvirt
public import VMCore
public import VMModel

/// Threads that wait for strangers' files and for what is sent of them: never those of other calls, however long it takes.
private let transfers = BlockingPool(size: 4, spare: 8, queueLimit: 256, name: "transfer")

/// `O_PATH`, which Swift's Glibc module leaves out: a descriptor that names a file and cannot read it.
private let pathOnly: Int32 = 0o10_000_000

/// How long a part of a file may take to be read.
private let readDeadline = Duration.seconds(30)
/// How long a file may take to say what it is, and to give its first bytes.
private let firstDeadline = Duration.seconds(2)

extension LibvirtHypervisor {
    public func facts(of file: ImportFile) async throws(VMError) -> FileFacts {
        try await reading { () async throws in
            let facts = try await SourceFile(file).facts(deadline: firstDeadline)
            let accessMode = facts.openFlags & O_ACCMODE
            return FileFacts(
                isRegular: facts.mode & S_IFMT == S_IFREG, isNamed: facts.links > 0,
                isReadable: facts.openFlags & pathOnly == 0 && (accessMode == O_RDONLY || accessMode == O_RDWR),
                sizeBytes: UInt64(clamping: facts.size))
        }
    }

    public func read(_ file: ImportFile, at offset: UInt64, count: Int) async throws(VMError) -> [UInt8] {
        try await reading { () async throws in
            try await SourceFile(file).read(at: offset, count: count, deadline: firstDeadline)
        }
    }

    public func media() async throws(VMError) -> [Medium] {
        try await withLink { try await $0.media.files() }
    }

    public func hasMedium(named name: String) async throws(VMError) -> Bool {
        try await withLink { try await $0.media.hasFile(name) }
    }

    public func pathOfMedium(named name: String) async throws(VMError) -> String {
        try await withLink { try await $0.media.path(of: name) }
    }

    public func createVolume(
        named fileName: String, in place: VolumePlace, format: ImageFormat, sizeBytes: UInt64, contentBytes: UInt64
    ) async throws(VMError) -> String {
        try await withLink { link in
            try await link[place].create(
                fileName, format: format, sizeBytes: sizeBytes, contentBytes: contentBytes)
        }
    }

    public func fill(
        _ fileName: String, in place: VolumePlace, with contents: ImportContents, progress: ImportProgress
    ) async throws(VMError) {
        try await withCancellableLink { link in
            let path = try await link[place].path(of: fileName)
            // A connection of its own: on the other one every call would have to wait for what is sent.
            let connection = try await LibvirtConnection.openForCall(uri, pool: transfers)
            do {
                try await connection.volume(path: path).upload(
                    contents.head, of: contents.file.map { SourceFile($0) } ?? .none, length: contents.sizeBytes,
                    deadline: readDeadline, progress: progress)
                await Self.close(connection)
            } catch {
                await Self.close(connection)
                throw await Self.failure(error, writingTo: link[place])
            }
        }
    }

    /// Also when the task is cancelled.
    private static func close(_ connection: LibvirtConnection) async {
        await connection.close(deadline: .seconds(5))
    }

    private static func failure(_ error: any Error, writingTo pool: VolumePool) async -> any Error {
        switch error {
        case let failure as SourceFile.Failure: VMError(failure)
        case let error as LibvirtError where error.systemErrno == ENOSPC || error.systemErrno == EDQUOT:
            await pool.noSpace(VMError.Cause(error))
        default: error
        }
    }

    /// Runs steps on a file, without libvirt; their errors become the core's.
    private func reading<Result: Sendable>(_ body: () async throws -> Result) async throws(VMError) -> Result {
        do {
            return try await body()
        } catch let failure as SourceFile.Failure {
            throw VMError(failure)
        } catch let error as LibvirtError {
            throw VMError(error, connectionIsLost: false)
        } catch {
            throw VMError(.cancelled, "it was given up")
        }
    }
}

extension LibvirtHypervisor.Link {
    subscript(place: VolumePlace) -> VolumePool {
        switch place {
        case .disks: disks
        case .media: media
        }
    }
}

extension SourceFile {
    fileprivate convenience init(_ file: ImportFile) {
        self.init(file.descriptor, ownedBy: file, pool: transfers)
    }

    /// For contents that are all there already: nothing is read from it.
    fileprivate static let none = SourceFile(-1, ownedBy: (), pool: transfers)
}

extension VMError {
    fileprivate init(_ failure: SourceFile.Failure) {
        switch failure {
        case .doesNotAnswer: self.init(.timeout, "the file gives no bytes; its file system may not answer")
        case .endsEarly: self.init(.invalidArgument, "the file became shorter while it was read")
        case .system(let number):
            self.init(.invalidArgument, "the file cannot be read: \(String(cString: strerror(number)))")
        }
    }
}
