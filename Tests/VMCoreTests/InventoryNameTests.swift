import Testing
import VMModel
import VMTestSupport

@testable import VMCore

@Suite(.timeLimit(.minutes(1))) struct InventoryNameTests {
    @Test func namesAreFoundByTheirBytes() async throws {
        let composed = machine("caf\u{e9}")
        let decomposed = machine("cafe\u{301}")
        let rig = try await Rig(composed, decomposed)
        #expect(try await rig.inventory.vm(named: "caf\u{e9}").uuid == composed.uuid)
        #expect(try await rig.inventory.vm(named: "cafe\u{301}").uuid == decomposed.uuid)
        #expect(await failure { _ = try await rig.inventory.vm(named: "cafe") }?.code == .notFound)
        rig.fake.change { $0.machines[composed.uuid] = nil }
        rig.fake.send(.undefined(composed.uuid))
        try await rig.settle()
        #expect(await failure { _ = try await rig.inventory.vm(named: "caf\u{e9}") }?.code == .notFound)
        #expect(try await rig.inventory.vm(named: "cafe\u{301}").uuid == decomposed.uuid)
    }

    @Test func aNameThatTwoVMsShowIsRefused() async throws {
        let first = machine("a\u{fffd}")
        let second = machine("a\u{fffd}")
        let rig = try await Rig(first, second)
        #expect(await failure { _ = try await rig.inventory.vm(named: "a\u{fffd}") }?.code == .invalidArgument)
        rig.fake.change { $0.machines[first.uuid] = nil }
        rig.fake.send(.undefined(first.uuid))
        try await rig.settle()
        #expect(try await rig.inventory.vm(named: "a\u{fffd}").uuid == second.uuid)
    }

    @Test(arguments: [("a", "b"), ("caf\u{e9}", "cafe\u{301}")])
    func aRenamedVMIsFoundUnderItsNewNameOnly(_ old: String, _ new: String) async throws {
        let vm = machine(old)
        let rig = try await Rig(vm)
        rig.fake.change { $0.machines[vm.uuid]?.vm.name = new }
        rig.fake.send(.changed(vm.uuid))
        try await rig.settle()
        #expect(await failure { _ = try await rig.inventory.vm(named: old) }?.code == .notFound)
        #expect(try await rig.inventory.vm(named: new).uuid == vm.uuid)
        #expect(rig.recorder.of(vm.uuid).count == 2)
        #expect(await rig.vm(vm.uuid)?.name.utf8.elementsEqual(new.utf8) == true)
    }

    @Test func namesThatAreSwappedAreBothFound() async throws {
        let first = machine("a")
        let second = machine("b")
        let rig = try await Rig(first, second)
        rig.fake.change { world in
            world.machines[first.uuid]?.vm.name = "b"
            world.machines[second.uuid]?.vm.name = "a"
        }
        rig.fake.send(.changed(first.uuid))
        try await rig.settle()
        #expect(await failure { _ = try await rig.inventory.vm(named: "b") }?.code == .invalidArgument)
        rig.fake.send(.changed(second.uuid))
        try await rig.settle()
        #expect(try await rig.inventory.vm(named: "a").uuid == second.uuid)
        #expect(try await rig.inventory.vm(named: "b").uuid == first.uuid)
    }

    @Test(arguments: ["", "..", "a\u{1b}[2J", "\u{202e}x", String(repeating: "x", count: 100_000), "a/b", "\u{0}"])
    func aForeignNameMayBeAnything(_ name: String) async throws {
        let vm = machine(name)
        let rig = try await Rig(vm)
        #expect(try await rig.inventory.vm(named: name).uuid == vm.uuid)
    }
}
