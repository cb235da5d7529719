/// How a number of virtual CPUs is presented to the guest; the product is always that number, or libvirt refuses it.
struct CPUTopology: Hashable {
    let sockets: UInt64
    let cores: UInt64
    let threads: UInt64

    /// nil where the number cannot be divided by the threads of a core.
    ///
    /// - Parameter coresArePowerOfTwo: as macOS wants them; then there are as many sockets as it takes.
    init?(vcpus: UInt64, threads: UInt64, coresArePowerOfTwo: Bool) {
        guard vcpus > 0, threads > 0, vcpus % threads == 0 else { return nil }
        let all = vcpus / threads
        cores = coresArePowerOfTwo ? 1 << UInt64(all.trailingZeroBitCount) : all
        sockets = all / cores
        self.threads = threads
    }
}

extension Template {
    /// Works out `sockets` and `cores`, where the template declares them, from `vcpus` and `threads`.
    /// - Throws: ``TemplateError`` of kind `invalidValue` for `threads`.
    func fillInTopology(_ values: inout [String: ParameterValue]) throws(TemplateError) {
        guard parameter(named: "cores") != nil, case .integer(let vcpus)? = values["vcpus"] else { return }
        var threads: UInt64 = 1
        if case .integer(let given)? = values["threads"] { threads = given }
        guard let topology = CPUTopology(vcpus: vcpus, threads: threads, coresArePowerOfTwo: guest == "macos") else {
            throw TemplateError(
                .invalidValue, template: name, parameter: "threads",
                "must divide vcpus without a remainder; \(vcpus) is not divisible by \(threads)")
        }
        values["cores"] = .integer(topology.cores)
        if parameter(named: "sockets") != nil { values["sockets"] = .integer(topology.sockets) }
    }

    /// Checks that lists with an item for each of something have so many.
    /// - Throws: ``TemplateError`` of kind `invalidValue`.
    func checkCounts(_ values: [String: ParameterValue]) throws(TemplateError) {
        for parameter in parameters {
            guard case .cpuSets(let counter) = parameter.kind, case .strings(let items)? = values[parameter.name],
                !items.isEmpty, case .integer(let count)? = values[counter]
            else { continue }
            guard UInt64(items.count) == count else {
                throw TemplateError(
                    .invalidValue, template: name, parameter: parameter.name,
                    "must have one item for each of \(counter), which is \(count); there are \(items.count)")
            }
        }
    }
}
