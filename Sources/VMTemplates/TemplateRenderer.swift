internal import Stencil
internal import Synchronization

/// Stencil with the library's files, each cut into tokens once.
///
/// Stencil reads a template anew at each rendering, and its tokens compute parts of themselves when they are first asked:
/// the lock lets one rendering happen at a time.
final class TemplateRenderer: Sendable {
    private let environment: Mutex<Environment>

    /// A renderer of these texts, by file name.
    init(bodies: [String: String]) {
        environment = Mutex(Environment(loader: TokenLoader(bodies: bodies)))
    }

    /// Renders a file with values that are already escaped.
    /// - Throws: what Stencil throws.
    func render(_ name: String, context: [String: any Sendable]) throws -> String {
        try environment.withLock { try $0.renderTemplate(name: name, context: context) }
    }
}

/// Gives out templates whose tokens are kept.
private final class TokenLoader: Loader {
    private let bodies: [String: String]
    private var templates: [String: Stencil.Template] = [:]

    init(bodies: [String: String]) {
        self.bodies = bodies
    }

    func loadTemplate(name: String, environment: Environment) throws -> Stencil.Template {
        if let template = templates[name] { return template }
        guard let body = bodies[name] else { throw TemplateDoesNotExist(templateNames: [name], loader: self) }
        let template = environment.templateClass.init(templateString: body, environment: environment, name: name)
        templates[name] = template
        return template
    }
}
