import Glibc
public import VMModel
import VMTemplates

extension VMManager {
    /// Makes a VM from a template: its disk, its definition, and with `start` its first start. All of it, or nothing.
    ///
    /// The VM is listed as `creating` from the moment its name is taken. Whatever fails, what was made until then is removed before
    /// the caller is told.
    /// - Parameters:
    ///   - owner: who asks; it is written into the VM's metadata.
    ///   - progress: is told of the bytes that are copied from files that were handed over.
    /// - Returns: the new VM's UUID.
    /// - Throws: `invalidArgument`, `alreadyExists`, `noSpace`, `templateInvalid`, `hostUnsupported`, …
    public func create(
        _ request: CreateRequest, owner: UInt32, progress: @escaping ImportProgress = { _, _ in }
    ) async throws(VMError) -> VMUUID {
        let configuration = try VMConfiguration(request, templates: templates)
        try configuration.checkIsComplete(templates)
        guard await inventory.status.isConnected else {
            throw VMError(
                .hypervisorUnavailable,
                "cannot create '\(configuration.name)': there is no connection to libvirt at present; try again later")
        }
        try checkGoesOn("create", configuration.name.rawValue)
        let createdAt = Self.now()
        try await inventory.beginCreating(
            VM(
                uuid: configuration.uuid, name: configuration.name.rawValue, state: .creating,
                memoryMB: configuration.memoryMB, vcpus: configuration.vcpus, autostart: configuration.autostart,
                template: configuration.template, osType: configuration.guest, ownerUID: owner, createdAt: createdAt))
        var undo = Undo()
        do throws(VMError) {
            try await checkPCIDevices(configuration.pciDevices(templates))
            try await withSources(of: configuration) { (sources) async throws(VMError) in
                undo.iso = sources.isoName
                let plan = try await render(
                    configuration, sources, owner: owner, createdAt: createdAt, preparing: true)
                try await make(configuration, plan, sources.reporting(progress), &undo)
            }
            if let iso = undo.iso { claims.endImport(iso) }
            await inventory.endCreating(configuration.uuid)
            return configuration.uuid
        } catch {
            await undoCreation(of: configuration, undo)
            throw error.saying("cannot create '\(configuration.name)'")
        }
    }

    /// Checks a request as far as that goes without asking the hypervisor, so that a caller hears of a mistake before anything else.
    /// - Returns: what it needs beyond the right to make a VM.
    /// - Throws: as `create`.
    public func check(_ request: CreateRequest) throws(VMError) -> CreateNeeds {
        let configuration = try VMConfiguration(request, templates: templates)
        return CreateNeeds(template: configuration.template, hostResources: configuration.hostResourceTexts)
    }

    /// The XML that `create` would define; makes nothing and changes nothing.
    public func render(_ request: CreateRequest, owner: UInt32) async throws(VMError) -> String {
        let configuration = try VMConfiguration(request, templates: templates)
        do throws(VMError) {
            return try await withSources(of: configuration) { (sources) async throws(VMError) in
                try await render(configuration, sources, owner: owner, createdAt: Self.now(), preparing: false).xml
            }
        } catch {
            throw error.saying("cannot render '\(configuration.template)'")
        }
    }

    // MARK: The steps

    /// What has been made so far and must go if the rest fails.
    struct Undo {
        /// The name that is taken for the medium that was handed over.
        var iso: MediaName?
        var isoIsMade = false
        var diskPath: String?
        var definition: VMUUID?
    }

    /// What will be made.
    struct Plan {
        let xml: String
        let diskPath: String
    }

    private func render(
        _ configuration: VMConfiguration, _ sources: CreationSources, owner: UInt32, createdAt: UInt64, preparing: Bool
    ) async throws(VMError) -> Plan {
        let facts = try await hypervisor.hostFacts()
        guard configuration.vcpus <= facts.maximumVCPUs else {
            throw VMError(.invalidArgument, "vcpus must be from 1 to \(facts.maximumVCPUs) on this host")
        }
        let template = try vmError { () throws(TemplateError) in try templates.template(named: configuration.template) }
        try Self.checkCPUs(configuration.values, template, facts)
        let disk = try await hypervisor.pathOfDisk(named: sources.diskName(for: configuration))
        var values = configuration.values.merging(sources.paths.mapValues { .string($0) }) { $1 }
        values["name"] = .string(configuration.name.rawValue)
        values["uuid"] = .string(configuration.uuid.description)
        values["disk_path"] = .string(disk)
        values["disk_format"] = .string(sources.diskFormat.rawValue)
        values["created_at"] = .integer(createdAt)
        values["owner_uid"] = .integer(UInt64(owner))
        values["volumes"] = .strings([disk])
        values["accelerator"] = try Self.accelerator(values["accelerator"], facts)
        values["hyperv_features"] = .strings(Self.enlightenments(wanted: values["hyperv_features"], template, facts))
        values["topoext"] = .boolean(
            facts.cpuVendor == "AMD" && values["accelerator"] == .string("kvm") && values["threads"] == .integer(2))
        if values["network"] == nil, values["bridge"] == nil {
            let network = preparing ? try await hypervisor.prepareNetwork() : try await hypervisor.availableNetwork()
            values["network"] = network.map { .string($0) }
        }
        let declared = values.filter { template.parameter(named: $0.key) != nil }
        let xml = try vmError { () throws(TemplateError) in try templates.render(template.name, values: declared) }
        return Plan(xml: xml, diskPath: disk)
    }

    /// - Throws: `invalidArgument` for a CPU that the host does not have: libvirt would say so at the start, and not which.
    private static func checkCPUs(
        _ values: [String: ParameterValue], _ template: Template, _ facts: HostFacts
    ) throws(VMError) {
        for parameter in template.parameters {
            var sets: [String] = []
            switch (parameter.kind, values[parameter.name]) {
            case (.cpuSet, .string(let text)?): sets = [text]
            case (.cpuSets, .strings(let texts)?): sets = texts
            default: continue
            }
            let absent = sets.compactMap(CPUSet.init).flatMap { $0.numbers(notIn: facts.onlineCPUs) }
            guard let first = absent.first, !facts.onlineCPUs.isEmpty else { continue }
            throw VMError(
                .invalidArgument,
                "\(parameter.name) names CPU \(first), and the host's CPUs are \(CPUSet.text(facts.onlineCPUs))")
        }
    }

    /// The Hyper-V features to offer: those wanted that the host has, without those whose prerequisite it lacks, because QEMU
    /// would refuse to start with them.
    private static func enlightenments(
        wanted: ParameterValue?, _ template: Template, _ facts: HostFacts
    ) -> [String] {
        guard case .strings(let wanted)? = wanted ?? template.parameter(named: "hyperv_features")?.defaultValue else {
            return []
        }
        var offered = wanted.filter(facts.hypervFeatures.contains)
        if !offered.contains("vpindex") { offered.removeAll { ["synic", "tlbflush", "ipi"].contains($0) } }
        if !offered.contains("synic") { offered.removeAll { $0 == "stimer" } }
        return offered
    }

    private static func accelerator(_ wish: ParameterValue?, _ facts: HostFacts) throws(VMError) -> ParameterValue {
        switch wish {
        case .string("kvm") where !facts.kvmIsUsable:
            throw VMError(
                .hostUnsupported, "this host has no KVM that a VM could use; take accelerator 'tcg' or 'auto'")
        case .string("kvm"), .string("tcg"):
            return wish ?? .string("tcg")
        default:
            return .string(facts.kvmIsUsable ? "kvm" : "tcg")
        }
    }

    private func make(
        _ configuration: VMConfiguration, _ plan: Plan, _ sources: CreationSources, _ undo: inout Undo
    ) async throws(VMError) {
        if configuration.uuidIsChosen, try await hypervisor.readVM(configuration.uuid) != nil {
            // libvirt would define it anew, if the name is the same as well.
            throw VMError(.alreadyExists, "there is a VM with that UUID")
        }
        try await importISO(sources, &undo)
        try await makeDisk(configuration, plan, sources, &undo)
        try Self.checkIsWanted()
        let uuid: VMUUID
        do throws(VMError) {
            uuid = try await hypervisor.define(plan.xml)
        } catch {
            // A definition that was refused may be that of somebody else's VM with this UUID.
            if error.leavesOutcomeOpen { undo.definition = configuration.uuid }
            throw error
        }
        undo.definition = uuid
        guard uuid == configuration.uuid else {
            throw VMError(
                .templateInvalid, "template '\(configuration.template)' does not use the UUID that it is given")
        }
        if configuration.autostart { try await hypervisor.setAutostart(uuid, true) }
        if configuration.start {
            do throws(VMError) {
                try await startOrSayWhyNot(uuid)
            } catch {
                throw error.saying("cannot start '\(configuration.name)' after creating it")
            }
        }
    }

    private func makeDisk(
        _ configuration: VMConfiguration, _ plan: Plan, _ sources: CreationSources, _ undo: inout Undo
    ) async throws(VMError) {
        let fileName = sources.diskName(for: configuration)
        do throws(VMError) {
            undo.diskPath =
                if let image = sources.image {
                    try await createDisk(named: fileName, for: image, configuration)
                } else {
                    try await hypervisor.createDisk(named: fileName, sizeBytes: configuration.diskSizeBytes)
                }
        } catch {
            guard error.leavesOutcomeOpen else { throw error }
            if configuration.uuidIsChosen {
                log(
                    "disk \(fileName) may be left behind by the failed creation of '\(configuration.name)', or be older: \(error)"
                )
            } else {
                // The name holds a UUID that nobody else can have.
                undo.diskPath = plan.diskPath
            }
            throw error
        }
        if let image = sources.image { try await fillDisk(named: fileName, from: image, configuration, sources) }
    }

    /// Takes back what was made, newest first. While there is no connection it is left for the next one, and until then the name
    /// stays taken. What cannot be removed is named in the log: the caller has the first error.
    private func undoCreation(of configuration: VMConfiguration, _ undo: Undo) async {
        guard await !takeBack(undo, configuration) else { return await giveUp(configuration, undo) }
        Task {
            repeat { await inventory.waitForConnection() } while await !takeBack(undo, configuration)
            await giveUp(configuration, undo)
        }
    }

    private func giveUp(_ configuration: VMConfiguration, _ undo: Undo) async {
        if let iso = undo.iso { await takeBackMedium(iso, isMade: undo.isoIsMade) }
        await inventory.abandonCreating(configuration.uuid)
        try? await inventory.refresh(configuration.uuid)
    }

    /// - Returns: false when it must be tried again, because there was no connection.
    private func takeBack(_ undo: Undo, _ configuration: VMConfiguration) async -> Bool {
        if let uuid = undo.definition {
            let isDestroyed = await undoing(configuration) { [hypervisor] () async throws(VMError) in
                try await hypervisor.destroy(uuid)
            }
            guard isDestroyed else { return false }
            let isUndefined = await undoing(configuration) { [hypervisor] () async throws(VMError) in
                try await hypervisor.undefine(uuid)
            }
            guard isUndefined else { return false }
        }
        guard let path = undo.diskPath else { return true }
        return await undoing(configuration) { [hypervisor] () async throws(VMError) in
            try await hypervisor.deleteDisk(atPath: path)
        }
    }

    /// - Returns: false when there was no connection.
    private func undoing(
        _ configuration: VMConfiguration, _ step: @Sendable () async throws(VMError) -> Void
    ) async -> Bool {
        do throws(VMError) {
            try await step()
        } catch {
            switch error.code {
            case .hypervisorUnavailable:
                return false
            case .notFound, .invalidState:
                // It was never made, or never started.
                break
            default:
                log("left behind by the failed creation of '\(configuration.name)' \(configuration.uuid): \(error)")
            }
        }
        return true
    }

    /// Microseconds since the epoch.
    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000 &+ UInt64(clamping: time.tv_nsec / 1000)
    }
}

extension VMError {
    /// Whether what was asked for may have been done all the same.
    var leavesOutcomeOpen: Bool { code == .timeout || code == .hypervisorUnavailable }
}
