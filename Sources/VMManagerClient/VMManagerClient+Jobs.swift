public import DBus
import Glibc
import VMManagerAPI
public import VMModel

/// A job of the service's, as it is at some moment.
public struct JobStatus: Hashable, Sendable {
    /// Its object.
    public let path: ObjectPath
    /// From 0 to 1; nil while the service does not say.
    public var progress: Double?
    public var isCancelable: Bool

    /// How much of the job there is to know from a change of its properties.
    fileprivate mutating func take(_ properties: [String: DBusValue]) {
        if let isValid = properties[JobProperty.progressValid.rawValue]?.boolValue {
            progress = isValid ? progress ?? 0 : nil
        }
        if case .double(let value)? = properties[JobProperty.progress.rawValue], progress != nil { progress = value }
        isCancelable = properties[JobProperty.cancelable.rawValue]?.boolValue ?? isCancelable
    }
}

extension VMManagerClient {
    /// The jobs that this process's user begins from now on with an operation on a VM, or on what has a name; each whenever it changes.
    ///
    /// To be called before the operation is: what has begun earlier is not told of.
    public func jobs(_ operation: JobOperation, on target: VMReference) async throws -> AsyncStream<JobStatus> {
        let signals: SignalStream
        do {
            signals = try await connection.signals(
                MatchRule(sender: BusNames.service, pathNamespace: BusNames.manager))
        } catch let error as DBusError {
            throw ClientError(calling: "AddMatch", error)
        }
        let (stream, continuation) = AsyncStream.makeStream(of: JobStatus.self)
        let reader = Task {
            var known: [ObjectPath: JobStatus] = [:]
            do throws(DBusError) {
                for try await message in signals {
                    guard let status = Self.status(in: message, &known, operation, target) else { continue }
                    continuation.yield(status)
                }
            } catch {
                // Without signals the operation goes on all the same; its reply tells how it ends.
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in reader.cancel() }
        return stream
    }

    /// Cancels a job, and returns when it has ended and nothing is left of it. Calls `Cancel`.
    /// - Throws: `invalidState` when it cannot be cancelled any more.
    public func cancel(_ job: JobStatus) async throws {
        _ = try await call(
            Call(
                path: job.path, interface: JobInterface.name, member: JobMethod.cancel.rawValue,
                access: JobMethod.cancel.access, patience: Call.patienceForChanges))
    }

    private static func status(
        in message: DBusMessage, _ known: inout [ObjectPath: JobStatus], _ operation: JobOperation,
        _ target: VMReference
    ) -> JobStatus? {
        switch message.member {
        case "InterfacesAdded":
            guard message.body.count == 2, let path = message.body[0].objectPathValue, BusNames.job(of: path) != nil,
                let job = message.body[1].entriesValue?.first(where: { $0.key.stringValue == JobInterface.name }),
                let properties = job.value.optionsValue, isMeant(properties, operation, target)
            else { return nil }
            var status = JobStatus(path: path, progress: nil, isCancelable: false)
            status.take(properties)
            known[path] = status
            return status
        case "PropertiesChanged":
            guard let path = message.path, message.body.count == 3, let properties = message.body[1].optionsValue
            else { return nil }
            known[path]?.take(properties)
            return known[path]
        default:
            return nil
        }
    }

    private static func isMeant(
        _ properties: [String: DBusValue], _ operation: JobOperation, _ target: VMReference
    ) -> Bool {
        guard properties[JobProperty.operation.rawValue]?.stringValue == operation.rawValue,
            properties[JobProperty.startedByUID.rawValue]?.uint32Value == geteuid()
        else { return false }
        switch target {
        case .name(let name): return properties[JobProperty.target.rawValue]?.stringValue == name
        case .uuid(let uuid):
            let objects = properties[JobProperty.objects.rawValue]?.arrayValue?.compactMap(\.objectPathValue)
            return objects?.contains(BusNames.path(of: uuid)) == true
        }
    }
}
