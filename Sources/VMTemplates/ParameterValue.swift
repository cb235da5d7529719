/// The value of one template parameter.
public enum ParameterValue: Sendable, Hashable {
    /// Text, a choice, a name, a path.
    case string(String)
    /// A whole number, in the parameter's unit.
    case integer(UInt64)
    /// Yes or no.
    case boolean(Bool)
    /// A list of texts.
    case strings([String])

    /// The type's name in messages.
    var typeName: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .boolean: "a boolean"
        case .strings: "a list of strings"
        }
    }
}
