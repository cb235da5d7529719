/// Why an operation on a VM failed: a code for programs, a message for people, and the cause for the journal.
public struct VMError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure; the text is the last element of the error's name on the bus. Open, so that a newer service's codes survive.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: String

        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// A value is not acceptable; the message names it and says what is.
        public static let invalidArgument = Code(rawValue: "InvalidArgument")
        /// There is no such VM, template or medium.
        public static let notFound = Code(rawValue: "NotFound")
        /// The name or UUID is taken.
        public static let alreadyExists = Code(rawValue: "AlreadyExists")
        /// The VM's state does not allow the operation.
        public static let invalidState = Code(rawValue: "InvalidState")
        /// Too many operations wait for this VM already.
        public static let busy = Code(rawValue: "Busy")
        /// The path is not one that may be used.
        public static let pathNotAllowed = Code(rawValue: "PathNotAllowed")
        /// There is not enough space for it.
        public static let noSpace = Code(rawValue: "NoSpace")
        /// There is no connection to libvirt at present.
        public static let hypervisorUnavailable = Code(rawValue: "HypervisorUnavailable")
        /// The host lacks what is needed.
        public static let hostUnsupported = Code(rawValue: "HostUnsupported")
        /// The template has a fault.
        public static let templateInvalid = Code(rawValue: "TemplateInvalid")
        /// The time for it ran out.
        public static let timeout = Code(rawValue: "Timeout")
        /// Somebody cancelled it.
        public static let cancelled = Code(rawValue: "Cancelled")
        /// A user, or all together, have too much under way; on the bus it has D-Bus's own name for that.
        public static let limitsExceeded = Code(rawValue: "LimitsExceeded")
        /// Everything else; the journal has the cause.
        public static let failed = Code(rawValue: "Failed")

        /// Every code that this version knows and that has a name of this service's own on the bus.
        public static let all: [Code] = [
            .invalidArgument, .notFound, .alreadyExists, .invalidState, .busy, .pathNotAllowed, .noSpace,
            .hypervisorUnavailable, .hostUnsupported, .templateInvalid, .timeout, .cancelled, .failed,
        ]
    }

    /// The numbers and words of the library underneath, for the journal and for root: they may hold paths.
    public struct Cause: Hashable, Sendable {
        /// libvirt's `virErrorDomain`; negative for an error of the operating system.
        public let domain: Int32
        /// libvirt's `virErrorNumber`, or `errno`.
        public let code: Int32
        /// The C function that failed.
        public let operation: String
        public let text: String

        public init(domain: Int32, code: Int32, operation: String, text: String) {
            self.domain = domain
            self.code = code
            self.operation = operation
            self.text = text
        }

        public var isOfLibvirt: Bool { domain >= 0 }
    }

    public let code: Code
    /// Says the operation, the VM and the way out; fit for the caller, whoever that is.
    public let message: String
    public let cause: Cause?

    public init(_ code: Code, _ message: String, cause: Cause? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String {
        guard let cause else { return "\(code.rawValue): \(message)" }
        let number = cause.isOfLibvirt ? "libvirt \(cause.domain)/\(cause.code)" : "errno \(cause.code)"
        return "\(code.rawValue): \(message) [\(cause.operation): \(cause.text) (\(number))]"
    }
}
