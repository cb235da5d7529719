import DBus
import Glibc
import Testing
import VMManagerAPI
import VMManagerClient
import VMModel

@Suite(.timeLimit(.minutes(1))) struct JobTests {
    private func job(
        _ number: UInt64, _ operation: JobOperation = .create, _ target: String = "web", uid: UInt32 = getuid(),
        vms: [VMUUID] = []
    ) -> Job {
        Job(
            id: JobID(rawValue: number), operation: operation, target: target, vms: vms, startedByUID: uid,
            startedAt: 1, isCancelable: true)
    }

    private func with(
        _ body: (FakeService, VMManagerClient) async throws -> Void
    ) async throws {
        try await TestBus.with { bus in
            let service = try await FakeService(on: bus)
            let client = VMManagerClient(connection: try await bus.connect())
            try await body(service, client)
            await client.connection.close()
            await service.end()
        }
    }

    @Test func ownJobsOfThatKindAreFollowedToTheirEnd() async throws {
        try await with { service, client in
            let statuses = try await client.jobs(.create, on: .name("web"))
            for other in [job(1, .stop), job(2, .create, "other"), job(3, uid: getuid() + 1)] {
                try await service.add(other)
            }
            var mine = job(4)
            try await service.add(mine)
            // At its beginning the number is what it was, and only that it says something is new.
            mine.progress = 0
            try await service.change(mine)
            (mine.progress, mine.isCancelable) = (0.25, false)
            try await service.change(mine)
            var found: [JobStatus] = []
            for await status in statuses {
                found.append(status)
                if found.count == 3 { break }
            }
            #expect(Set(found.map(\.path)) == [BusNames.path(of: mine.id)])
            #expect(found.map(\.progress) == [nil, 0, 0.25] && found.map(\.isCancelable) == [true, true, false])
        }
    }

    @Test func aVMIsFoundByItsUUIDAsWellAndCancelGoesToItsJob() async throws {
        try await with { service, client in
            let uuid = VMUUID.random()
            var statuses = try await client.jobs(.stop, on: .uuid(uuid)).makeAsyncIterator()
            try await service.add(job(1, .stop, "x", vms: [.random()]))
            try await service.add(job(2, .stop, "x", vms: [uuid]))
            let status = try #require(await statuses.next())
            try await client.cancel(status)
            #expect(service.calls.map(\.member) == ["Cancel"])
            #expect(service.calls.map(\.path) == [BusNames.path(of: JobID(rawValue: 2))])
        }
    }
}

extension FakeService {
    func add(_ job: Job) async throws {
        let interface = try interface(JobInterface.description)
        try await connection.loop.run { [connection] in
            try connection.objects.export(
                BusNames.path(of: job.id), interface, properties: Dictionary(job.busProperties) { $1 })
        }
    }

    func change(_ job: Job) async throws {
        try await connection.loop.run { [connection] in
            try connection.objects.setProperties(
                BusNames.path(of: job.id), interface: JobInterface.name, job.busProperties)
        }
    }
}
