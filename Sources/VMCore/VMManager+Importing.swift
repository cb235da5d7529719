import VMModel
import VMTemplates

/// What a new VM is made from beside its template: media of the library, and files that the caller handed over.
struct CreationSources: Sendable {
    /// A disk image that was looked at.
    struct Image: Sendable {
        let contents: ImportContents
        let header: ImageHeader
    }

    /// Paths of media, by the option that names them.
    var paths: [String: String] = [:]
    /// The name under which `iso` will be in the library.
    var isoName: MediaName?
    var iso: ImportContents?
    var image: Image?
    private var progress: ImportProgress = { _, _ in }

    var diskFormat: ImageFormat { image?.header.format ?? .qcow2 }

    /// The file name of the VM's disk.
    func diskName(for configuration: VMConfiguration) -> String {
        DiskName.make(for: configuration.name, configuration.uuid, diskFormat)
    }

    func reporting(_ progress: @escaping ImportProgress) -> CreationSources {
        var copy = self
        copy.progress = progress
        return copy
    }

    /// Tells of the bytes of both files together: first those of the medium, then those of the image.
    var progressOfISO: ImportProgress { progress(after: 0) }
    var progressOfImage: ImportProgress { progress(after: iso?.sizeBytes ?? 0) }

    private func progress(after before: UInt64) -> ImportProgress {
        // Neither is larger than 64 TiB.
        let total = (iso?.sizeBytes ?? 0) + (image?.contents.sizeBytes ?? 0)
        return { [progress] done, _ in progress(before + done, total) }
    }
}

extension VMManager {
    /// Finds out what a VM is to be made from; meanwhile no medium that it names can be removed.
    ///
    /// The name that is taken for `iso` stays taken: whoever has it ends that.
    func withSources<Result>(
        of configuration: VMConfiguration, _ body: (CreationSources) async throws(VMError) -> Result
    ) async throws(VMError) -> Result {
        let names = configuration.mediaInUse
        try claims.beginUse(names)
        defer { claims.endUse(names) }
        let sources = try await sources(of: configuration)
        guard sources.iso != nil || sources.image != nil else { return try await body(sources) }
        do throws(VMError) {
            try claims.beginCopy()
        } catch {
            if let name = sources.isoName { claims.endImport(name) }
            throw error
        }
        defer { claims.endCopy() }
        return try await body(sources)
    }

    private func sources(of configuration: VMConfiguration) async throws(VMError) -> CreationSources {
        var sources = CreationSources()
        for (option, name) in configuration.media {
            guard try await hypervisor.hasMedium(named: name.rawValue) else {
                throw VMError(.notFound, "\(option) names '\(name)', and there is no such medium in the library")
            }
            sources.paths[option] = try await hypervisor.pathOfMedium(named: name.rawValue)
        }
        if let file = configuration.diskImage { sources.image = try await image(file, configuration) }
        if let file = configuration.iso {
            sources.iso = try await contents(of: file, headBytes: 0)
            let name = try await takeFreeName(for: configuration.name)
            sources.isoName = name
            do throws(VMError) {
                sources.paths["iso_path"] = try await hypervisor.pathOfMedium(named: name.rawValue)
            } catch {
                claims.endImport(name)
                throw error
            }
        }
        return sources
    }

    /// The VM's name with `.iso`, or the first with a number that is free; it is taken from here on.
    private func takeFreeName(for vm: VMName) async throws(VMError) -> MediaName {
        for number in 1...99 {
            let name = try MediaName(number == 1 ? "\(vm).iso" : "\(vm)-\(number).iso")
            // Else somebody imports or removes it in this moment.
            guard (try? claims.beginImport(name)) != nil else { continue }
            do throws(VMError) {
                if try await !hypervisor.hasMedium(named: name.rawValue) { return name }
            } catch {
                claims.endImport(name)
                throw error
            }
            claims.endImport(name)
        }
        throw VMError(.alreadyExists, "the library has media of the names \(vm).iso to \(vm)-99.iso; remove some")
    }

    // MARK: Disk images

    private func image(
        _ file: ImportFile, _ configuration: VMConfiguration
    ) async throws(VMError) -> CreationSources.Image {
        let contents = try await contents(of: file, headBytes: ImageHeader.headBytes)
        let tail = UInt64(min(ImageHeader.tailBytes, Int(clamping: contents.sizeBytes)))
        let header = try ImageHeader(
            head: contents.head,
            tail: try await hypervisor.read(file, at: contents.sizeBytes - tail, count: Int(tail)),
            fileSizeBytes: contents.sizeBytes)
        let size = header.virtualSizeBytes
        guard !configuration.diskSizeIsGiven || configuration.diskSizeBytes >= size else {
            let needed = size / (1 << 30) + (size % (1 << 30) == 0 ? 0 : 1)
            throw VMError(
                .invalidArgument,
                "the disk image is larger than disk_size_gb; give at least \(needed), or nothing to keep its size")
        }
        let template = try vmError { () throws(TemplateError) in
            try templates.template(named: configuration.template)
        }
        guard header.format == .qcow2 || template.parameter(named: "disk_format") != nil else {
            throw VMError(.invalidArgument, "template '\(template.name)' takes no raw disk image, only qcow2")
        }
        return CreationSources.Image(contents: contents, header: header)
    }

    /// Makes the volume that an image will be in. A raw one has its size from the beginning, a qcow2 one that of the image.
    /// - Returns: its path.
    func createDisk(
        named fileName: String, for image: CreationSources.Image, _ configuration: VMConfiguration
    ) async throws(VMError) -> String {
        try await hypervisor.createVolume(
            named: fileName, in: .disks, format: image.header.format,
            sizeBytes: image.header.format == .raw
                ? Self.size(of: image, configuration) : image.header.virtualSizeBytes,
            contentBytes: image.contents.sizeBytes)
    }

    func fillDisk(
        named fileName: String, from image: CreationSources.Image, _ configuration: VMConfiguration,
        _ sources: CreationSources
    ) async throws(VMError) {
        try await copy(image.contents, to: fileName, in: .disks, sources.progressOfImage)
        let size = Self.size(of: image, configuration)
        guard image.header.format == .qcow2, size > image.header.virtualSizeBytes else { return }
        try await hypervisor.growDisk(named: fileName, toBytes: size)
    }

    /// What the guest will see, in bytes.
    private static func size(of image: CreationSources.Image, _ configuration: VMConfiguration) -> UInt64 {
        configuration.diskSizeIsGiven ? configuration.diskSizeBytes : image.header.virtualSizeBytes
    }

    // MARK: Media

    func importISO(_ sources: CreationSources, _ undo: inout Undo) async throws(VMError) {
        guard let iso = sources.iso, let name = sources.isoName else { return }
        _ = try await addMedium(name, iso, &undo.isoIsMade, sources.progressOfISO)
    }
}
