public import VMModel

/// A VM as a caller names it. A UUID always means the VM with that UUID, also where another VM bears it as its name.
public enum VMReference: Hashable, Sendable, CustomStringConvertible {
    case name(String)
    case uuid(VMUUID)

    /// Text in the form of a UUID is one; everything else is a name.
    public init(_ text: String) {
        self = VMUUID(text).map(VMReference.uuid) ?? .name(text)
    }

    public var description: String {
        switch self {
        case .name(let name): name
        case .uuid(let uuid): uuid.description
        }
    }
}
