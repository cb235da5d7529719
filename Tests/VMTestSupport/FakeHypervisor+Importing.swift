import Glibc
public import VMCore
public import VMModel

// The files are real ones; what is made of them is in memory.
extension FakeHypervisor {
    public func facts(of file: ImportFile) async throws(VMError) -> FileFacts {
        try await perform(.fileFacts) { state in
            var status = stat()
            fstat(file.descriptor, &status)
            let flags = fcntl(file.descriptor, F_GETFL)
            return FileFacts(
                isRegular: status.st_mode & S_IFMT == S_IFREG, isNamed: status.st_nlink > 0,
                isReadable: flags & O_ACCMODE != O_WRONLY && flags & 0o10_000_000 == 0,
                sizeBytes: state.world.pretendedFileSize ?? UInt64(clamping: status.st_size))
        }
    }

    public func read(_ file: ImportFile, at offset: UInt64, count: Int) async throws(VMError) -> [UInt8] {
        try await perform(.readFile) { _ throws(VMError) in try Self.bytes(of: file, at: offset, count: count) }
    }

    public func media() async throws(VMError) -> [Medium] {
        try await perform(.media) { $0.world.media.map { Medium(name: $0.key, sizeBytes: $0.value) } }
    }

    public func hasMedium(named name: String) async throws(VMError) -> Bool {
        try await perform(.media, nil, name) { $0.world.media[name] != nil }
    }

    public func pathOfMedium(named name: String) async throws(VMError) -> String {
        try await perform(.pathOfMedium, nil, name) { _ in World.library + name }
    }

    public func createVolume(
        named fileName: String, in place: VolumePlace, format: ImageFormat, sizeBytes: UInt64, contentBytes: UInt64
    ) async throws(VMError) -> String {
        try await perform(.createVolume, nil, "\(place) \(format) \(sizeBytes)") { state throws(VMError) in
            guard state.world.freeBytes >= contentBytes else { throw VMError(.noSpace, "there is not that much free") }
            let path = Self.path(of: fileName, in: place)
            guard state.world.disks[path] == nil, place == .disks || state.world.media[fileName] == nil else {
                throw VMError(.alreadyExists, "there is such a file")
            }
            switch place {
            case .disks: state.world.disks[path] = sizeBytes
            case .media: state.world.media[fileName] = sizeBytes
            }
            return path
        }
    }

    public func fill(
        _ fileName: String, in place: VolumePlace, with contents: ImportContents, progress: ImportProgress
    ) async throws(VMError) {
        let size = contents.sizeBytes
        try await perform(.fill, nil, fileName) { state throws(VMError) in
            guard !Task.isCancelled else { throw VMError(.cancelled, "it was given up") }
            var rest: [UInt8] = []
            if let file = contents.file {
                rest = try Self.bytes(of: file, at: UInt64(contents.head.count), count: Int(size) - contents.head.count)
            }
            state.world.contents[Self.path(of: fileName, in: place)] = contents.head + rest
        }
        progress(size / 2, size)
        progress(size, size)
    }

    public func growDisk(named fileName: String, toBytes sizeBytes: UInt64) async throws(VMError) {
        try await perform(.growDisk, nil, fileName) { $0.world.disks[World.pool + fileName] = sizeBytes }
    }

    private static func path(of fileName: String, in place: VolumePlace) -> String {
        (place == .disks ? World.pool : World.library) + fileName
    }

    private static func bytes(of file: ImportFile, at offset: UInt64, count: Int) throws(VMError) -> [UInt8] {
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, pread(file.descriptor, buffer.baseAddress, count, off_t(offset)))
        }
        guard bytes.count == count else { throw VMError(.invalidArgument, "the file became shorter") }
        return bytes
    }
}
