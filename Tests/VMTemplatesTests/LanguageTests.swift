import Foundation
import Testing

@testable import VMTemplates

/// What a template's text and header may say.
@Suite struct LanguageTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write("_part.xml.j2", "<part/>")
        try directory.write("_base.xml.j2", "<domain>{% block first %}<a/>{% endblock %}<b/></domain>")
        try directory.write("_blocks.xml.j2", "{% block inner %}{% endblock %}")
        try directory.write("_loop.xml.j2", "{% include \"_loop.xml.j2\" %}")
    }

    static let header = """
        summary: Something
        guest: linux
        parameters:
          text: {type: string, maximum: 99, default: t, meaning: A text.}
          number: {type: integer, minimum: 0, maximum: 9, default: 1, meaning: A number.}
          flag: {type: boolean, default: true, meaning: A flag.}
          word: {type: choice, choices: [red, blue], default: red, meaning: A word.}
          items: {type: list, of: {type: string, maximum: 9}, maximum: 9, default: [x, y], meaning: Some texts.}
          colors: {type: list, of: {type: choice, choices: [red, blue]}, maximum: 2, default: [red], meaning: Colours.}
          devices: {type: pci_addresses, maximum: 4, default: ['0000:0a:00.0'], meaning: Some devices.}
          count: {type: integer, minimum: 1, maximum: 9, default: 1, meaning: A number of pins.}
          pins: {type: cpu_sets, one_for_each: count, default: ['3'], meaning: A CPU for each of count.}
          size: {type: integer, choices: [0, 16], default: 16, meaning: One of some numbers.}
        """

    /// The library of one template, `t`.
    func library(_ body: String, header: String = header) throws -> TemplateLibrary {
        try directory.write("t.xml.j2", "{#\n\(header)\n#}\(body)\n")
        return try TemplateLibrary(directories: [directory.path], trustedOwner: geteuid())
    }

    func refusalOf(_ body: String, header: String = header) throws -> TemplateError {
        let library = try library(body, header: header)
        return try refusal("\(body) \(header)") { try library.template(named: "t") }
    }

    @Test(arguments: [
        ("<domain a='{{ text }}'>{{ number }}</domain>", "<domain a='t'>1</domain>"),
        ("<domain>{% if flag and not number == \"\" %}a{% endif %}</domain>", ""),
        ("<domain>{% if flag %}a{% elif text %}b{% else %}c{% endif %}</domain>", "<domain>a</domain>"),
        ("<domain>{% if not flag or word == \"red\" %}a{% endif %}</domain>", "<domain>a</domain>"),
        ("<domain>{% if word != \"red\" and text %}a{% else %}b{% endif %}</domain>", "<domain>b</domain>"),
        ("<domain>{% if \"red\" in colors %}a{% endif %}</domain>", "<domain>a</domain>"),
        ("<domain>{% for i in items %}<i>{{ i }}</i>{% endfor %}</domain>", "<domain><i>x</i><i>y</i></domain>"),
        (
            "<domain>\n  {%- for i in items -%}\n  <i b='{% if i == \"x\" %}1{% else %}0{% endif %}'/>\n  {%- endfor %}\n</domain>",
            "<domain><i b='1'/><i b='0'/>\n</domain>"
        ),
        ("<domain>{# {{ nothing }} #}<!-- 'a' < b --></domain>", "<domain><!-- 'a' < b --></domain>"),
        ("<domain>{% include \"_part.xml.j2\" %}</domain>", "<domain><part/></domain>"),
        ("\n{%- extends \"_base.xml.j2\" %}\n{% block first %}{{ text }}{% endblock %}\n", "<domain>t<b/></domain>"),
        ("{% extends \"_base.xml.j2\" %}", "<domain><a/><b/></domain>"),
        ("<domain {% if flag %}a='1' {% endif %}b='{{ text }}'/>", "<domain a='1' b='t'/>"),
        (
            "<domain>{% for d in devices %}<d a='{{ d.domain }}{{ d.bus }}'{% if d.guest_bus %} b='1'{% endif %}/>{% endfor %}</domain>",
            "<domain><d a='0x00000x0a'/></domain>"
        ),
        (
            "<domain>{% for d in devices %}{% if d.is_first and flag %}{% for p in pins %}{{ p.index }}{{ p.cpus }}{{ d.bus }}{% endfor %}{% endif %}{% endfor %}</domain>",
            "<domain>030x0a</domain>"
        ),
        (
            "<domain> {%- if word == \"blue\" -%} \n b {%- elif not not flag and text or size -%} \n c {%- endif %} </domain>",
            "<domain>c </domain>"
        ),
        (
            "<domain>{% if flag and not text or word == \"red\" %}a{% endif %}{% if \"blue\" in colors %}b{% endif %}</domain>",
            "<domain>a</domain>"
        ),
        ("<domain>{% if devices and size %}{{ size }}{% endif %}</domain>", "<domain>16</domain>"),
    ])
    func jinjaReadsItAlike(body: String, expected: String) throws {
        let library = try library(body)
        guard !expected.isEmpty else {
            #expect(try refusal { try library.template(named: "t") }.kind == .malformed)
            return
        }
        #expect(try library.render("t", values: [:]) == expected)
        guard Tools.hasJinja2 || Tools.isRequired else {
            print("not compared with Jinja2: python3-jinja2 is not installed")
            return
        }
        let values = try library.template(named: "t").variables([:])
        #expect(try Jinja2.render([Jinja2.Job(template: "t", values: values)], directory: directory.path) == [expected])
    }

    @Test(arguments: [
        "{{ text|upper }}", "{{ text.count }}", "{{ text }", "{{ }}", "{{ 'text' }}", "{{ text if flag }}", "{{-text}}",
        "{{ 1 }}",
        "{{ items }}", "{{ flag }}", "{{ colors }}", "{% now %}", "{% set a = 1 %}", "{% if %}a{% endif %}",
        "{% if flag %}a",
        "{% endif %}", "{% else %}", "{% if flag %}{% else %}{% else %}{% endif %}",
        "{% if flag %}{% else %}{% elif text %}{% endif %}",
        "{% for i in items %}", "{% endfor %}", "{% for i in text %}{% endfor %}",
        "{% for text in items %}{% endfor %}", "{{ text.count }}", "{{ items.first }}",
        "{% if items.count %}{% endif %}",
        "{% for d in devices %}{{ d }}{% endfor %}", "{% for d in devices %}{{ d.driver }}{% endfor %}",
        "{% for d in devices %}{{ d.bus.count }}{% endfor %}", "{% for d in devices %}{{ d. }}{% endfor %}",
        "{% for d in devices %}{% if d %}{% endif %}{% endfor %}", "{% for d in devices %}{% endfor %}{{ d.bus }}",
        "{% for d in devices %}{% if d.bus == \"0x0a\" %}{% endif %}{% endfor %}", "{{ devices }}", "{{ pins }}",
        "{% for i in items %}{{ i.count }}{% endfor %}", "{% for p in pins %}{{ p.bus }}{% endfor %}",
        "{% for d in devices %}{% for f in d.bus %}{% endfor %}{% endfor %}", "{% if size == \"16\" %}{% endif %}",
        "{% for i, j in items %}{% endfor %}", "{% for i in items where i %}{% endfor %}",
        "{% for in in items %}{% endfor %}",
        "{% if text > 1 %}{% endif %}", "{% if number == \"1\" %}{% endif %}", "{% if flag == \"true\" %}{% endif %}",
        "{% if word == \"green\" %}{% endif %}", "{% if word == 'red' %}{% endif %}", "{% if word == red %}{% endif %}",
        "{% if \"green\" in colors %}{% endif %}", "{% if \"red\" in text %}{% endif %}",
        "{% if ( flag ) %}{% endif %}",
        "{% if flag text %}{% endif %}", "{% if flag and %}{% endif %}", "{% if not %}{% endif %}",
        "{% if flag\n %}{% endif %}",
        "{%+ if flag %}{% endif %}", "}}", "%}", "#}", "{# open", "{% raw %}{{ x }}{% endraw %}", "{% include text %}",
        "{% include \"t.xml.j2\" %}", "{% include \"_none.xml.j2\" %}", "{% include \"_blocks.xml.j2\" %}",
        "{% include \"_loop.xml.j2\" %}", "{% include \"_../t.xml.j2\" %}",
        "{% for i in items %}{% include \"_part.xml.j2\" %}{% endfor %}",
        "{% extends \"_base.xml.j2\" %}", "{% block a %}{% block b %}{% endblock %}{% endblock %}",
        "{% block a %}{% endblock %}{% block a %}{% endblock %}",
        "{% for i in items %}{% block a %}{% endblock %}{% endfor %}",
        "{% block a %}", "{% endblock %}", "<{{ text }}/>", "<a {{ text }}='1'/>", "<a b={{ text }}/>",
        "<!-- {{ text }} -->",
        "<![CDATA[ {{ text }} ]]>", "<?xml {{ text }}?>", "<!DOCTYPE a>", "<!ENTITY a 'b'>", "&{{ text }};",
        "&#{{ number }};",
        "{% if flag %}<a b='{% endif %}'/>", "{% if flag %}<a{% else %}<a b='1'{% endif %}>", "<a b='<'/>", "<a <b/>",
        "<", "<a b='",
        "{% if flag %}'{% endif %}<a b='{{ text }}'{% if flag %}>{% endif %}</a>", "<{% if flag %}a{% endif %}/>",
    ])
    func whatJinjaCouldReadDifferentlyIsRefused(body: String) throws {
        let error = try refusalOf("<domain>\(body)</domain>")
        #expect(error.kind == .malformed && error.template == "t" && error.isPrintable, "\(error)")
    }

    @Test(arguments: [
        "{% extends \"_base.xml.j2\" %}<c/>", "{% extends \"_base.xml.j2\" %}{{ text }}",
        "{% extends \"_base.xml.j2\" %}{% if flag %}{% endif %}",
        "{% extends \"_base.xml.j2\" %}{% block other %}{% endblock %}",
        "{% extends \"_base.xml.j2\" %}{% extends \"_base.xml.j2\" %}",
        "{% extends \"t.xml.j2\" %}", "{% block first %}{% endblock %}{% extends \"_base.xml.j2\" %}",
    ])
    func childrenHaveOnlyBlocks(body: String) throws {
        #expect(try refusalOf(body).kind == .malformed)
    }

    @Test(arguments: [
        "{{ nothing }}", "{% if nothing %}{% endif %}", "{% if not nothing == \"a\" %}{% endif %}",
        "{% if \"a\" in nothing %}{% endif %}",
        "{% for i in nothing %}{% endfor %}", "{% for nothing in items %}{% endfor %}{{ nothing }}",
        "{{ forloop_counter }}",
        "{% include \"_uses.xml.j2\" %}",
    ])
    func undeclaredVariables(body: String) throws {
        try directory.write("_uses.xml.j2", "<c>{{ nothing }}</c>")
        let error = try refusalOf("<domain>\(body)</domain>")
        #expect(error.kind == .undeclaredVariable && error.template == "t", "\(error)")
        #expect(error.parameter == (body.contains("forloop") ? "forloop_counter" : "nothing"))
    }

    private static func commandLine(_ words: String...) -> String {
        let arguments = words.map { "<q:arg value='\($0)'/>" }.joined()
        return
            "<domain><q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\(arguments)</q:commandline></domain>"
    }

    @Test(arguments: [
        "<domain/><domain/>", "<domain><a></domain>", "<domain a='1' a='2'/>", "<domain>&foo;</domain>", "<network/>",
        "", "text",
        "<domain><q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'/></domain>",
        "<domain><commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'/></domain>",
        "<domain xmlns='http://libvirt.org/schemas/domain/qemu/1.0'/>",
        Self.commandLine("-device", "x"), Self.commandLine("-global"),
        Self.commandLine("-global", "a", "-chardev", "b"),
        Self.commandLine("-readconfig", "a", "b"),
        "<domain><devices>\(Self.commandLine("-global", "a"))</devices></domain>",
        "<domain><devices><disk><x:y xmlns:x='urn:x'/></disk></devices></domain>",
        "<domain><devices><metadata><x:y xmlns:x='urn:x'/></metadata></devices></domain>",
        "<domain><name>other</name></domain>", "<domain><uuid>{{ text }}</uuid></domain>", "<domain><a:b/></domain>",
    ])
    func resultsThatAreNoDomain(body: String) throws {
        let library = try library(body)
        let error = try refusal("\(body)") { try library.render("t", values: [:]) }
        #expect(error.kind == .notWellFormed && error.template == "t" && error.isPrintable, "\(error)")
    }

    @Test(arguments: [
        ("", "summary"), ("summary: A", "guest"), ("guest: linux", "summary"), ("summary: A\nguest: beos", "guest"),
        ("summary: [a]\nguest: linux", "summary"), ("summary: |\n  a\n  b\nguest: linux", "one line"),
        ("a: b", "not known"),
        ("- a", "mapping"), ("summary: A\nsummary: B\nguest: linux", "twice"), ("summary: 'A\nguest: linux", "YAML"),
        ("summary: &a A\nguest: *a", "anchor"), ("summary: A\nguest: *a", "alias"), ("host: &a []", "anchor"),
        ("summary: \(String(repeating: "[", count: 40))\(String(repeating: "]", count: 40))", "too deep"),
        ("summary: A\nguest: linux\n[b, c]: d", "no text"), ("summary: A\n guest: linux", "in its line"),
        ("\t", "control"),
        ("summary: \"a\\eb\"\nguest: linux", "control characters"), ("summary: A\nguest: linux\nhost: none", "list"),
        ("summary: A\nguest: linux\nparameters: [a]", "mapping"),
        ("summary: A\nguest: linux\nparameters: {a: b}", "mapping"),
    ])
    func faultyHeaders(header: String, words: String) throws {
        let error = try refusalOf("<domain/>", header: header)
        #expect(error.kind == .malformed && error.template == "t" && error.isPrintable)
        #expect(error.message.contains(words), "\(error)")
    }

    @Test(arguments: [
        ("{type: string, maximum: 9}", "meaning"), ("{meaning: M}", "'type'"), ("{type: float, meaning: M}", "'type'"),
        ("{type: string, meaning: M}", "'maximum'"), ("{type: string, maximum: 0, meaning: M}", "'maximum'"),
        ("{type: string, maximum: 9, pattern: '(', meaning: M}", "regular expression"),
        ("{type: string, maximum: -1, meaning: M}", "whole"),
        ("{type: integer, minimum: 1, meaning: M}", "'maximum'"),
        ("{type: integer, minimum: 2, maximum: 1, default: 1, meaning: M}", "'minimum'"),
        ("{type: integer, minimum: 1, maximum: 2, meaning: M}", "default"),
        ("{type: integer, minimum: 1, maximum: 2, default: 3, meaning: M}", "1 to 2"),
        ("{type: integer, minimum: 0, maximum: 18446744073709551615, default: 1, meaning: M}", "at most"),
        ("{type: integer, minimum: 0, maximum: 0x10, default: 1, meaning: M}", "whole"),
        ("{type: boolean, default: 1, meaning: M}", "true or false"),
        ("{type: boolean, required: maybe, meaning: M}", "true or false"),
        ("{type: boolean, required: true, default: true, meaning: M}", "required"),
        ("{type: choice, meaning: M}", "'choices'"),
        ("{type: choice, choices: [], default: a, meaning: M}", "'choices'"),
        ("{type: choice, choices: [a, a], default: a, meaning: M}", "different"),
        ("{type: choice, choices: ['a b'], default: a, meaning: M}", "words"),
        ("{type: choice, choices: [a], meaning: M}", "default"),
        ("{type: choice, choices: [a], default: b, meaning: M}", "one of a"),
        ("{type: path, default: x, meaning: M}", "absolute"), ("{type: path, maximum: 9, meaning: M}", "'maximum'"),
        ("{type: list, of: {type: boolean}, maximum: 2, meaning: M}", "texts"),
        ("{type: list, maximum: 2, meaning: M}", "'of'"),
        ("{type: list, of: {type: string}, maximum: 2, meaning: M}", "'maximum'"),
        ("{type: boolean, meaning: M, colour: red}", "not known"),
        ("{type: path, required: create, default: /a, meaning: M}", "required"),
        ("{type: integer, choices: [1, 2], meaning: M}", "default"),
        ("{type: integer, choices: [1, 1], default: 1, meaning: M}", "different"),
        ("{type: integer, choices: [1, x], default: 1, meaning: M}", "whole"),
        ("{type: integer, choices: [1, 2], default: 3, meaning: M}", "one of 1, 2"),
        ("{type: integer, choices: [1], minimum: 1, maximum: 2, default: 1, meaning: M}", "either"),
        ("{type: cpu_sets, meaning: M}", "'one_for_each'"),
        ("{type: cpu_sets, one_for_each: nothing, meaning: M}", "'one_for_each'"),
        ("{type: boolean, one_for_each: p, meaning: M}", "'one_for_each'"),
        ("{type: pci_addresses, meaning: M}", "'maximum'"),
        ("{type: pci_addresses, maximum: 65, meaning: M}", "'maximum'"),
        ("{type: pci_addresses, maximum: 2, default: [x], meaning: M}", "PCI addresses"),
        ("{type: root_file, pattern: '(', meaning: M}", "regular expression"),
        ("{type: list, of: {type: pci_addresses, maximum: 2}, maximum: 2, meaning: M}", "texts"),
        ("{type: boolean, meaning: [M]}", "text"),
    ])
    func faultyParameters(fields: String, words: String) throws {
        let error = try refusalOf("<domain/>", header: "summary: A\nguest: linux\nparameters:\n  p: \(fields)")
        #expect(
            error.kind == .malformed && error.template == "t" && error.parameter == "p" && error.isPrintable, "\(error)"
        )
        #expect(error.message.contains(words), "\(error)")
    }

    @Test(arguments: ["A", "1a", "a-b", "_a", "for", "loop", "block", "true", "range", "'a b'", "''"])
    func faultyParameterNames(name: String) throws {
        let parameters = "parameters:\n  \(name): {type: boolean, meaning: M}"
        let error = try refusalOf("<domain/>", header: "summary: A\nguest: linux\n\(parameters)")
        #expect(error.kind == .malformed)
    }
}
