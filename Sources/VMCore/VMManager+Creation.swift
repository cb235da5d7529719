public import VMModel
import VMTemplates

extension VMManager {
    /// Makes a VM from a template: its disk, its definition, and with `start` its first start. All of it, or nothing.
    ///
    /// The VM is listed as `creating` from the moment its name is taken. Whatever fails, what was made until then is removed before
    /// the caller is told.
    /// - Parameters:
    ///   - owner: who asks; it is written into the VM's metadata.
    ///   - inBackground: whether it returns as soon as the name is taken; how it ends is then told by the job.
    /// - Returns: the new VM's UUID.
    /// - Throws: `invalidArgument`, `alreadyExists`, `noSpace`, `templateInvalid`, `hostUnsupported`, `cancelled`, …
    public func create(
        _ request: CreateRequest, owner: UInt32, inBackground: Bool = false
    ) async throws(VMError) -> VMUUID {
        let configuration = try VMConfiguration(request, templates: templates)
        try configuration.checkIsComplete(templates)
        guard await inventory.status.isConnected else {
            throw VMError(
                .hypervisorUnavailable,
                "cannot create '\(configuration.name)': there is no connection to libvirt at present; try again later")
        }
        try checkGoesOn("create", configuration.name.rawValue)
        let createdAt = MicrosecondClock.now()
        try await inventory.beginCreating(
            VM(
                uuid: configuration.uuid, name: configuration.name.rawValue, state: .creating,
                memoryMB: configuration.memoryMB, vcpus: configuration.vcpus, autostart: configuration.autostart,
                template: configuration.template, osType: configuration.guest, ownerUID: owner, createdAt: createdAt))
        let job = try await beginJob(of: configuration, owner, inBackground)
        let work: @Sendable (JobControl) async throws(VMError) -> Void = { job throws(VMError) in
            try await self.carryOut(configuration, owner: owner, createdAt: createdAt, job)
        }
        if inBackground {
            jobs.leave(job, work)
        } else {
            try await jobs.carryOut(job, work)
        }
        return configuration.uuid
    }

    private func beginJob(
        of configuration: VMConfiguration, _ owner: UInt32, _ inBackground: Bool
    ) async throws(VMError) -> JobControl {
        do throws(VMError) {
            return try await jobs.begin(
                Jobs.Order(
                    .create, configuration.name.rawValue, on: [configuration.uuid], by: owner, isCancelable: true),
                inBackground: inBackground)
        } catch {
            await inventory.abandonCreating(configuration.uuid)
            throw error
        }
    }

    /// From the name that is taken to the VM that is there, or to nothing.
    private func carryOut(
        _ configuration: VMConfiguration, owner: UInt32, createdAt: UInt64, _ job: JobControl
    ) async throws(VMError) {
        var undo = Undo(configuration)
        do throws(VMError) {
            let lane = configuration.copiesFiles ? copies : creations
            try await lane.withPlace(for: owner, job) { () async throws(VMError) in
                // Whoever has waited while others copied does not begin when the service ends.
                if configuration.copiesFiles { try checkGoesOn("create", configuration.name.rawValue) }
                try await checkPCIDevices(configuration.pciDevices(templates))
                try await withSources(of: configuration) { (sources) async throws(VMError) in
                    undo.iso = sources.isoName
                    let plan = try await render(
                        configuration, sources, owner: owner, createdAt: createdAt, preparing: true)
                    if let remark = plan.remark { job.say(remark) }
                    try await checkNothingIsThere(configuration, plan)
                    let intent = Intent(
                        .create, configuration.uuid, name: configuration.name.rawValue,
                        isChosen: configuration.uuidIsChosen, createdAt: createdAt,
                        volumes: [plan.diskPath, plan.seedPath, sources.isoPath].compactMap(\.self))
                    try await intents.keep(intent)
                    undo.intent = intent
                    try await make(configuration, plan, sources, job, &undo)
                    try await jobs.passPointOfNoReturn(job)
                    // From here on it is there, whatever happens.
                    try await intents.forget(intent)
                }
            }
            if let iso = undo.iso { claims.endImport(iso) }
            await inventory.endCreating(configuration.uuid)
        } catch {
            await undoCreation(undo)
            throw error.saying("cannot create '\(configuration.name)'")
        }
    }

    /// A chosen UUID may be that of a VM, or of one that was deleted and left its disk: neither is to be taken for what is made here.
    private func checkNothingIsThere(_ configuration: VMConfiguration, _ plan: Plan) async throws(VMError) {
        guard configuration.uuidIsChosen else { return }
        guard try await hypervisor.readVM(configuration.uuid) == nil else {
            // libvirt would define it anew, if the name is the same as well.
            throw VMError(.alreadyExists, "there is a VM with that UUID")
        }
        guard try await !hypervisor.hasVolume(atPath: plan.diskPath) else {
            throw VMError(.alreadyExists, "there is a disk of a VM of that name and UUID")
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
                try await render(
                    configuration, sources, owner: owner, createdAt: MicrosecondClock.now(), preparing: false
                ).xml
            }
        } catch {
            throw error.saying("cannot render '\(configuration.template)'")
        }
    }

    // MARK: The steps

    /// What will be made.
    struct Plan {
        let xml: String
        let diskPath: String
        let seedPath: String?
        /// What the caller should know of it and did not ask for.
        let remark: String?
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
        let accelerator = try Self.accelerator(configuration.values["accelerator"], facts)
        // Beside the disk's pool, once nothing speaks against the request any more.
        async let network = network(of: configuration, preparing: preparing)
        let disk = try await hypervisor.pathOfDisk(named: sources.diskName(for: configuration))
        var values = configuration.values.merging(sources.paths.mapValues { .string($0) }) { $1 }
        values["name"] = .string(configuration.name.rawValue)
        values["uuid"] = .string(configuration.uuid.description)
        values["disk_path"] = .string(disk)
        values["disk_format"] = .string(sources.diskFormat.rawValue)
        values["created_at"] = .integer(createdAt)
        values["owner_uid"] = .integer(UInt64(owner))
        var seed: String?
        if configuration.cloudInit != nil {
            seed = try await hypervisor.pathOfDisk(named: DiskName.seed(for: configuration.name, configuration.uuid))
            values["seed_path"] = seed.map { .string($0) }
        }
        values["volumes"] = .strings([disk, seed].compactMap(\.self))
        let isSlow = accelerator == .string("tcg") && values["accelerator"] != accelerator
        values["accelerator"] = accelerator
        values["hyperv_features"] = .strings(Self.enlightenments(wanted: values["hyperv_features"], template, facts))
        values["topoext"] = .boolean(
            facts.cpuVendor == "AMD" && values["accelerator"] == .string("kvm") && values["threads"] == .integer(2))
        if let network = try await network.get() { values["network"] = .string(network) }
        let declared = values.filter { template.parameter(named: $0.key) != nil }
        let xml = try vmError { () throws(TemplateError) in try templates.render(template.name, values: declared) }
        return Plan(
            xml: xml, diskPath: disk, seedPath: seed,
            remark: isSlow ? "this host has no KVM that a VM could use, so it is emulated (tcg), which is slow" : nil)
    }

    /// The network to be used where the request says nothing of one; nil where it does, or the host has none.
    private func network(of configuration: VMConfiguration, preparing: Bool) async -> Result<String?, VMError> {
        guard configuration.values["network"] == nil, configuration.values["bridge"] == nil else {
            return .success(nil)
        }
        do throws(VMError) {
            return .success(
                preparing ? try await hypervisor.prepareNetwork() : try await hypervisor.availableNetwork())
        } catch {
            return .failure(error)
        }
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
        _ configuration: VMConfiguration, _ plan: Plan, _ sources: CreationSources, _ job: JobControl,
        _ undo: inout Undo
    ) async throws(VMError) {
        try await importISO(sources, job, &undo)
        try job.checkGoesOn()
        try await makeDisk(configuration, plan, sources, job, &undo)
        try job.checkGoesOn()
        try await makeSeed(configuration, plan, job, &undo)
        try job.checkGoesOn()
        let uuid: VMUUID
        do throws(VMError) {
            uuid = try await hypervisor.define(plan.xml)
        } catch {
            // A definition that was refused may be that of somebody else's VM with this UUID.
            if error.leavesOutcomeOpen { (undo.definition, undo.isOpen) = (configuration.uuid, true) }
            throw error
        }
        undo.definition = uuid
        guard uuid == configuration.uuid else {
            throw VMError(
                .templateInvalid, "template '\(configuration.template)' does not use the UUID that it is given")
        }
        if configuration.autostart { try await hypervisor.setAutostart(uuid, true) }
        if configuration.start {
            try job.checkGoesOn()
            do throws(VMError) {
                try await startOrSayWhyNot(uuid)
            } catch {
                // libvirt may start it after it has been taken back.
                if error.leavesOutcomeOpen { undo.isOpen = true }
                throw error.saying("cannot start '\(configuration.name)' after creating it")
            }
        }
    }

    private func makeDisk(
        _ configuration: VMConfiguration, _ plan: Plan, _ sources: CreationSources, _ job: JobControl,
        _ undo: inout Undo
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
            if error.leavesOutcomeOpen { (undo.diskPath, undo.isOpen) = (plan.diskPath, true) }
            throw error
        }
        if let image = sources.image {
            try await fillDisk(named: fileName, from: image, configuration, sources, job)
        }
    }
}

extension VMError {
    /// Whether what was asked for may have been done all the same.
    var leavesOutcomeOpen: Bool { code == .timeout || code == .hypervisorUnavailable }
    /// Whether the same may succeed a little later.
    var isPassing: Bool { leavesOutcomeOpen || code == .busy }
}
