public import DBus
public import VMModel

/// The interface `org.neuronos.VMManager.Job` of each job's object.
public enum JobInterface {
    public static let name = "org.neuronos.VMManager.Job"

    /// The whole contract, as introspection gives it.
    public static let description = InterfaceDescription(
        name: name,
        documentation: """
            Something that takes time: while it runs, the property Job of its VM names it. \
            A method that began one replies when the job has ended; with the option background it replies at once, and \
            Completed tells how the job ended. The object stays for a minute after that.
            """,
        methods: JobMethod.allCases.map(\.description),
        signals: JobSignal.allCases.map(\.description),
        properties: JobProperty.allCases.map(\.description))
}

/// A job's methods.
public enum JobMethod: String, CaseIterable, Sendable {
    case cancel = "Cancel"

    public var access: Access {
        switch self {
        case .cancel: .starter
        }
    }

    /// Name, arguments and documentation.
    public var description: MethodDescription {
        switch self {
        case .cancel:
            MethodDescription(
                name: rawValue,
                documentation: """
                    Cancels the job, and returns when it has ended and nothing is left of what it had made. InvalidState when it is \
                    not Cancelable, or ends by itself meanwhile.
                    """ + " " + access.documentation)
        }
    }
}

/// A job's signals.
public enum JobSignal: String, CaseIterable, Sendable {
    case completed = "Completed"

    public var description: SignalDescription {
        switch self {
        case .completed:
            SignalDescription(
                name: rawValue, documentation: "The job has ended; sent once.",
                arguments: [
                    .init("success", .boolean), .init("error", .string, "The error's name; empty after a success."),
                    .init(
                        "message", .string,
                        "What there is to say, for people. Empty where the method's reply says it, and often after a success."
                    ),
                ])
        }
    }
}

/// A job's properties.
public enum JobProperty: String, CaseIterable, Sendable {
    case operation = "Operation"
    case target = "Target"
    case progress = "Progress"
    case progressValid = "ProgressValid"
    case startTime = "StartTime"
    case startedByUID = "StartedByUID"
    case objects = "Objects"
    case cancelable = "Cancelable"

    public var description: PropertyDescription {
        PropertyDescription(
            name: rawValue, documentation: documentation, type: type, emitsChangedSignal: changes ? .changes : .const)
    }

    private var changes: Bool {
        switch self {
        case .progress, .progressValid, .cancelable: true
        case .operation, .target, .startTime, .startedByUID, .objects: false
        }
    }

    private var type: DBusType {
        switch self {
        case .operation, .target: .string
        case .progress: .double
        case .progressValid, .cancelable: .boolean
        case .startTime: .uint64
        case .startedByUID: .uint32
        case .objects: .array(.objectPath)
        }
    }

    private var documentation: String {
        switch self {
        case .operation: "What it does: \(JobOperation.allCases.map(\.rawValue).joined(separator: ", "))."
        case .target: "The name of the VM or medium that it works on."
        case .progress: "How far it is, from 0 to 1; told at most four times a second."
        case .progressValid: "Whether Progress says anything."
        case .startTime: "When it began, microseconds since the epoch."
        case .startedByUID: "The user who began it."
        case .objects: "The VMs that it works on; the manager for a job that is about none."
        case .cancelable: "Whether it can be cancelled, now."
        }
    }
}

extension Job {
    /// The values of the job's properties on the bus.
    public var busProperties: [(String, DBusValue)] {
        JobProperty.allCases.map { ($0.rawValue, busValue($0)) }
    }

    private func busValue(_ property: JobProperty) -> DBusValue {
        switch property {
        case .operation: .string(operation.rawValue)
        case .target: .string(target.busText)
        case .progress: .double(progress ?? 0)
        case .progressValid: .boolean(progress != nil)
        case .startTime: .uint64(startedAt)
        case .startedByUID: .uint32(startedByUID)
        case .objects:
            .array(
                of: .objectPath,
                (vms.isEmpty ? [BusNames.manager] : vms.map(BusNames.path)).map(DBusValue.objectPath))
        case .cancelable: .boolean(isCancelable)
        }
    }

    /// Everybody hears of it, so that it says no more than is needed: who waits for a reply has the reason there, and what may name
    /// devices of the host or what is in a user's file is for the log.
    private func publicReason(_ error: VMError) -> String {
        guard isInBackground else { return "" }
        switch error.code {
        case .hostUnsupported, .invalidArgument, .failed: return "the service's log has the reason"
        default: return error.busError.message.busText
        }
    }

    /// The arguments of the signal `Completed`; nil while it runs.
    public var busOutcome: [DBusValue]? {
        switch outcome {
        case .succeeded(let message): [.boolean(true), .string(""), .string(message.busText)]
        case .failed(let error): [.boolean(false), .string(error.busName), .string(publicReason(error))]
        case nil: nil
        }
    }
}
