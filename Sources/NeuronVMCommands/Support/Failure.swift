import VMManagerClient
import VMModel

/// Why a command failed, in words for a person.
struct Failure: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// What is said about an error of the client library, or any other.
    init(_ error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as VMError: self.init(error.message.isEmpty ? error.code.rawValue : error.message)
        case let error as ClientError: self.init(error.message)
        case is CancellationError: self.init("cancelled")
        default: self.init(String(describing: error))
        }
    }

    /// What is said about an error that concerns one VM. That a VM is missing the service says without its name, because it
    /// does not repeat what a caller sent.
    init(_ error: any Error, about vm: VMReference) {
        let failure = Failure(error)
        let isNameless = (error as? VMError)?.code == .notFound && !failure.description.contains(vm.description)
        self = isNameless ? Failure("\(vm): \(failure)") : failure
    }
}
