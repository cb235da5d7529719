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
    /// Renders the files.
    let renderer: TemplateRenderer

    /// Reads the directories; a later one overrides an earlier one by file name.
    ///
    /// - Parameters:
    ///   - directories: paths of directories; one that does not exist is reported in ``rejected``.
    ///   - trustedOwner: a user id that may own directories and files, beside root.
    /// - Throws: ``TemplateError`` `unsafeFile` for a directory that others could change, `unreadableFile` for one that cannot be read.
    public init(directories: [String], trustedOwner: UInt32? = 0) throws(TemplateError) {
        var rejected: [TemplateError] = []
        var texts: [String: TemplateFiles.Contents] = [:]
        for directory in directories {
            do {
                texts.merge(try TemplateFiles.contents(of: directory, trustedOwner: trustedOwner)) { $1 }
            } catch  where error.kind == .notFound {
                rejected.append(error)
            }
        }
        let files = texts.mapValues(Self.file)
        let resolver = TemplateResolver(files: files)
        var templates: [Template] = []
        for name in files.keys.sorted() {
            do {
                if name.hasPrefix("_") {
                    _ = try files[name]?.get()
                } else {
                    templates.append(try resolver.template(ofFile: name))
                }
            } catch {
                let file = error.template.isEmpty ? TemplateFiles.templateName(ofFile: name) : error.template
                rejected.append(error.inTemplate(file))
            }
        }
        self.templates = templates
        self.rejected = rejected
        renderer = TemplateRenderer(
            files: files.compactMapValues { file in (try? file.get()).map { ($0.body, $0.syntax.parent) } })
    }

    /// The template of that name.
    ///
    /// - Throws: ``TemplateError`` of kind `notFound`, or the reason for which that template was refused.
    public func template(named name: String) throws(TemplateError) -> Template {
        if let template = templates.first(where: { $0.name == name }) { return template }
        if let refusal = rejected.last(where: { $0.template == name }) { throw refusal }
        throw TemplateError(.notFound, "there is no template \(TemplateText.quoted(name))")
    }

    private static func file(_ contents: TemplateFiles.Contents) -> Result<TemplateFile, TemplateError> {
        contents.flatMap { text in
            Result { () throws(TemplateError) in try TemplateFile(text: text) }
        }
    }
}
