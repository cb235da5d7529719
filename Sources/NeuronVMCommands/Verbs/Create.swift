import ArgumentParser
import VMManagerClient
import VMModel

struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a VM from a template.",
        discussion: """
            Without --template the VM is for --type (default: windows) and has 8 GiB of \
            memory, 4 CPUs and a disk of 64 GiB where nothing else is said. With \
            --template what is not said is as the template has it. ctrl-C cancels it, and \
            nothing is left.

            EXAMPLES:
              neuron-vm create win11 --iso ~/Win11.iso
              neuron-vm create web --type linux --memory 512M --cpus 1 --disk 10 --start
              neuron-vm create web2 --type linux --disk-image debian-12-generic-amd64.qcow2 \
                  --user alice --ssh-key ~/.ssh/id_ed25519.pub --start
              neuron-vm create lab --template linux-basic --parameter tpm=true
            """)

    @Argument(help: "The new VM's name: letters, digits, '.', '_' and '-'.")
    var name: String

    @Option(help: ArgumentHelp("The guest system. (default: windows)", valueName: "type"))
    var type: GuestOS?

    @Option(help: ArgumentHelp("The template by name.", valueName: "name"))
    var template: String?

    @OptionGroup var hardware: HardwareOptions

    @Option(
        help: ArgumentHelp(
            "A disk image, qcow2 or raw, that is copied and becomes the VM's disk; --disk makes it larger.",
            valueName: "file"),
        completion: .file(extensions: ["qcow2", "img", "raw"]))
    var diskImage: String?

    @OptionGroup var cloudInit: CloudInitOptions

    @Flag(help: "Start the VM when it is made.")
    var start = false

    @Flag(help: "Start the VM whenever the host starts.")
    var autostart = false

    @OptionGroup var service: ServiceOptions

    func validate() throws {
        do throws(VMError) {
            _ = try VMName(name)
        } catch {
            throw ValidationError(error.message)
        }
    }

    func run() async throws {
        // What is wrong with the arguments is told before anything is started for them.
        _ = try newVM()
        let client = try await service.connect()
        let templates = hardware.parameters.isEmpty ? [] : try await client.templates()
        let vm = try newVM(templates: templates)
        let uuid = try await client.following(.create, "creating \(name)", on: .name(name)) {
            try await client.create(vm)
        }
        try Output.write("created \(name) (\(uuid))\n")
        if hardware.iso == nil, diskImage == nil {
            Output.note(
                "\(name) has an empty disk and no medium to install from; give one with --iso when you create it")
        }
    }

    /// The request. The defaults stand in for a template that nobody chose.
    func newVM(templates: [TemplateSummary] = []) throws -> NewVM {
        var vm = NewVM(name: name)
        vm.template = template
        vm.guest = type ?? (template == nil ? .windows : nil)
        let suitable = templates.filter { candidate in
            template.map { $0 == candidate.name } ?? (candidate.guest == vm.guest?.rawValue)
        }
        try hardware.apply(to: &vm, templates: suitable)
        switch try hardware.iso.map(MediumArgument.init) {
        case .shared(let medium): vm.isoPath = medium
        case .own(let file): vm.iso = file.file
        case nil: break
        }
        vm.diskImage = try diskImage.map { try LocalFile($0, to: "use the disk image").file }
        if template == nil {
            vm.memoryMB = vm.memoryMB ?? 8 << 10
            vm.vcpus = vm.vcpus ?? 4
            if diskImage == nil { vm.diskSizeGB = vm.diskSizeGB ?? 64 }
        }
        try cloudInit.apply(to: &vm)
        vm.start = start
        vm.autostart = autostart
        return vm
    }
}
