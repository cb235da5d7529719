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
}
