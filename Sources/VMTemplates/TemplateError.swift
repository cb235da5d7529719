/// Why a template could not be read or rendered.
///
/// The message names the template, the parameter and what is allowed, and is safe to print: bytes that came from a
/// caller or a file stand in it only in escaped form.
public struct TemplateError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong, open to growth.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        /// The kind's own name, for logs.
        public let description: String

        /// No template or directory of that name.
        public static let notFound = Kind(description: "notFound")
        /// Owner, permissions, type or size of a file or directory make it untrustworthy.
        public static let unsafeFile = Kind(description: "unsafeFile")
        /// The file could not be read.
        public static let unreadableFile = Kind(description: "unreadableFile")
        /// The template's header or its syntax is wrong.
        public static let malformed = Kind(description: "malformed")
        /// The template names a variable that its header does not declare.
        public static let undeclaredVariable = Kind(description: "undeclaredVariable")
        /// A required parameter has no value.
        public static let missingParameter = Kind(description: "missingParameter")
        /// A value was given for a parameter that the template does not have.
        public static let unknownParameter = Kind(description: "unknownParameter")
        /// A value has the wrong type, or is not one of those allowed.
        public static let invalidValue = Kind(description: "invalidValue")
        /// The rendered text is not the XML of one domain.
        public static let notWellFormed = Kind(description: "notWellFormed")
    }

    /// What went wrong.
    public let kind: Kind
    /// Name of the template, of the file or of the directory concerned; empty when a parameter was checked by itself.
    public let template: String
    /// Name of the parameter concerned.
    public let parameter: String?
    /// The whole reason, in words for people.
    public let message: String

    public var description: String { message }

    init(_ kind: Kind, template: String = "", parameter: String? = nil, _ reason: String) {
        self.kind = kind
        self.template = template
        self.parameter = parameter
        self.message = Self.subject(template: template, parameter: parameter) + reason
        self.reason = reason
    }

    /// The reason without template and parameter, so that a caller that knows more can add it.
    private let reason: String

    /// The same error, said of one template.
    func inTemplate(_ template: String) -> TemplateError {
        TemplateError(kind, template: template, parameter: parameter, reason)
    }

    private static func subject(template: String, parameter: String?) -> String {
        switch (template.isEmpty, parameter) {
        case (true, nil): ""
        case (true, let parameter?): "parameter '\(parameter)' "
        case (false, nil): "template '\(template)': "
        case (false, let parameter?): "template '\(template)': parameter '\(parameter)' "
        }
    }
}
