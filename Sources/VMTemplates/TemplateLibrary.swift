/// The templates of one or more directories, read and checked once.
///
/// A template is a file `NAME.xml.j2`. Files whose name begins with `_` are parts that others extend or include. Only
/// regular files are taken that root or one trusted user owns, that nobody else may write, and that are not longer than
/// 64 KiB. What is refused stands in ``rejected``; a name that the last directory to have it got refused is not served
/// from an earlier one.
public struct TemplateLibrary: Sendable {
    /// The templates that can be rendered, by name.
    public let templates: [Template]
    /// What was refused, and why.
    public let rejected: [TemplateError]
    /// The bodies that the renderer reads, by file name.
    let bodies: [String: String]

    /// Reads the directories; a later one overrides an earlier one by file name.
    ///
    /// - Parameters:
    ///   - directories: paths of directories; one that does not exist is reported in ``rejected``.
    ///   - trustedOwner: a user id that may own directories and files, beside root.
    /// - Throws: ``TemplateError`` of kind `unsafeFile` or `unreadableFile` for a directory that others could change.
    public init(directories: [String], trustedOwner: UInt32? = 0) throws(TemplateError) {
        templates = []
        rejected = []
        bodies = [:]
    }

    /// The template of that name.
    ///
    /// - Throws: ``TemplateError`` of kind `notFound`, or the reason for which that template was refused.
    public func template(named name: String) throws(TemplateError) -> Template {
        if let template = templates.first(where: { $0.name == name }) { return template }
        if let refusal = rejected.last(where: { $0.template == name }) { throw refusal }
        throw TemplateError(.notFound, template: TemplateText.quoted(name), "there is no such template")
    }
}
