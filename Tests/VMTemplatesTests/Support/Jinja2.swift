import Foundation
import VMTemplates

/// Python's renderer for the same files.
enum Jinja2 {
    struct Job: Encodable {
        let template: String
        /// What the template sees, not escaped.
        let values: [String: TemplateVariable]

        init(template: String, values: [String: TemplateVariable]) {
            self.template = template
            self.values = values
        }

        /// A job with these values alone, as somebody gives them who knows nothing of the header.
        init(template: String, plain: [String: ParameterValue]) {
            self.init(
                template: template,
                values: plain.mapValues { value in
                    switch value {
                    case .string(let text): .text(text)
                    case .integer(let number): .number(number)
                    case .boolean(let flag): .flag(flag)
                    case .strings(let texts): .texts(texts)
                    }
                })
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(template + ".xml.j2", forKey: Key("template"))
            var nested = container.nestedContainer(keyedBy: Key.self, forKey: Key("values"))
            for (name, value) in values {
                switch value {
                case .text(let text): try nested.encode(text, forKey: Key(name))
                case .number(let number): try nested.encode(number, forKey: Key(name))
                case .flag(let flag): try nested.encode(flag, forKey: Key(name))
                case .texts(let texts): try nested.encode(texts, forKey: Key(name))
                case .records(let records): try nested.encode(records, forKey: Key(name))
                }
            }
        }
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ text: String) { stringValue = text }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    struct Failure: Error { let output: String }

    private static let script = """
        import json, sys, jinja2
        environment = jinja2.Environment(loader=jinja2.FileSystemLoader(sys.argv[1]), autoescape=True)
        jobs = json.load(sys.stdin)
        json.dump([environment.get_template(job["template"]).render(job["values"]) for job in jobs], sys.stdout)
        """

    /// Renders with autoescape on and everything else at its default.
    static func render(_ jobs: [Job], directory: String = ShippedTemplates.directory) throws -> [String] {
        let input = try JSONEncoder().encode(jobs)
        let (status, output) = try Tools.run(Tools.python, ["-c", script, directory], input: input)
        guard status == 0 else { throw Failure(output: String(decoding: output, as: UTF8.self)) }
        return try JSONDecoder().decode([String].self, from: output)
    }
}
