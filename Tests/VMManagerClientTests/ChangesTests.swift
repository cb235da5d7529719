import DBus
import Testing
import VMManagerAPI
import VMModel

@testable import VMManagerClient

/// The stream of changes on a real bus.
struct ChangesTests {
    private static let uuid = VM.sample.uuid
    private static let path = BusNames.path(of: uuid)
    private static let identity: [DBusValue] = [
        .objectPath(path), .string(uuid.description), .string("sample"),
    ]

    private static func changed(to new: String, from old: String) -> [DBusValue] {
        [.objectPath(path), .string(uuid.description), .string(new), .string(old), .string("user")]
    }

    /// Reads changes one after the other, each with a deadline.
    private final class Reader: Sendable {
        private let stream: AsyncThrowingStream<VMChange, any Error>

        init(_ client: VMManagerClient) async throws {
            stream = try await client.changes()
        }

        func next() async throws -> VMChange? {
            let stream = stream
            return try await withDeadline {
                var iterator = stream.makeAsyncIterator()
                return try await iterator.next()
            }
        }
    }

    @Test func signalsArriveInOrder() async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus)
            let reader = try await Reader(VMManagerClient(connection: try await bus.connect()))
            try await service.emit(.vmAdded, Self.identity)
            try await service.set(Self.path, VMInterface.name, "MemoryMB", .uint64(1))
            try await service.set(Self.path, VMInterface.name, "Name", .string("renamed"))
            try await service.emit(.vmStateChanged, Self.changed(to: "paused", from: "running"))
            try await service.set(BusNames.manager, ManagerInterface.name, "HypervisorConnected", .boolean(false))
            try await service.emit(.vmRemoved, Self.identity)
            #expect(try await reader.next() == .added(Self.uuid, name: "sample"))
            #expect(try await reader.next() == .renamed(Self.uuid, to: "renamed"))
            #expect(
                try await reader.next() == .stateChanged(Self.uuid, from: "running", to: "paused", reason: "user"))
            #expect(try await reader.next() == .hypervisorConnected(false))
            #expect(try await reader.next() == .removed(Self.uuid, name: "sample"))
        }
    }

    @Test func itGoesOnOverARestartOfTheService() async throws {
        try await TestBus.with { bus in
            let first = try await FakeService(on: bus)
            let reader = try await Reader(VMManagerClient(connection: try await bus.connect()))
            try await first.emit(.vmStateChanged, Self.changed(to: "paused", from: "running"))
            #expect(
                try await reader.next() == .stateChanged(Self.uuid, from: "running", to: "paused", reason: "user"))
            await first.end()
            #expect(try await reader.next() == .serviceLost)
            let second = try await FakeService(on: bus)
            try await second.emit(.vmStateChanged, Self.changed(to: "running", from: "paused"))
            #expect(try await reader.next() == .serviceBack)
            #expect(
                try await reader.next() == .stateChanged(Self.uuid, from: "paused", to: "running", reason: "user"))
        }
    }

    @Test func itDoesNotNeedTheServiceToBegin() async throws {
        try await TestBus.with { bus in
            let reader = try await Reader(VMManagerClient(connection: try await bus.connect()))
            _ = try await FakeService(on: bus)
            #expect(try await reader.next() == .serviceBack)
        }
    }

    @Test func nobodyElseIsBelieved() async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus)
            let client = VMManagerClient(connection: try await bus.connect())
            let reader = try await Reader(client)
            let stranger = try await bus.connect()
            let forged = DBusMessage.signal(
                path: BusNames.manager, interface: ManagerInterface.name, member: "VMRemoved", body: Self.identity)
            try await stranger.send(forged)
            // The stranger's signal is on its way to the client before the true one.
            _ = try await stranger.nameOwner(BusNames.service)
            try await service.emit(.vmAdded, Self.identity)
            #expect(try await reader.next() == .added(Self.uuid, name: "sample"))
        }
    }

    @Test func itEndsWithTheBus() async throws {
        try await TestBus.with { bus in
            let reader = try await Reader(VMManagerClient(connection: try await bus.connect()))
            bus.kill()
            let error = await #expect(throws: ClientError.self) {
                while try await reader.next() != nil {}
            }
            #expect(error?.kind == .busUnreachable)
        }
    }
}
