import Foundation
import Testing

@testable import VMTemplates

/// What comes of a template that says nothing wrong.
extension LanguageTests {
    @Test func valuesAreEscapedWhereverTheyStand() throws {
        let library = try library(
            "<domain a='{{ text }}' b=\"{{ text }}\">{{ text }}{% for i in items %}<i>{{ i }}</i>{% endfor %}</domain>")
        let (given, escaped) = ("<&>\"'", "&lt;&amp;&gt;&#34;&#39;")
        #expect(
            try library.render("t", values: ["text": .string(given), "items": .strings([given])])
                == "<domain a='\(escaped)' b=\"\(escaped)\">\(escaped)<i>\(escaped)</i></domain>")
    }

    @Test func partsGiveTheirParametersAndTemplatesChangeThem() throws {
        try directory.write(
            "_base.xml.j2",
            """
            {#
            parameters:
              size: {type: integer, unit: GiB, minimum: 1, maximum: 99, default: 20, meaning: The size.}
            #}<domain a='{{ size }}'>{% block more %}{% endblock %}</domain>
            """)
        let header = """
            summary: A
            guest: windows
            description: |
              Two
              lines
            host: [a, b]
            parameters:
              extra: {type: boolean, meaning: M}
              size: {minimum: 64, default: 64}
            """
        let library = try library("{% extends \"_base.xml.j2\" %}", header: header)
        let template = try library.template(named: "t")
        #expect(
            template.documentation == "Two\nlines" && template.hostRequirements == ["a", "b"]
                && template.guest == "windows")
        #expect(template.parameters.map(\.name) == ["size", "extra"])
        let size = try #require(template.parameter(named: "size"))
        #expect(size.kind == .integer(64...99) && size.defaultValue == .integer(64) && size.unit == "GiB")
        #expect(size.documentation == "The size.")
        #expect(try library.render("t", values: [:]) == "<domain a='64'></domain>")
    }

    @Test func threeGenerations() throws {
        try directory.write("_middle.xml.j2", "{% extends \"_base.xml.j2\" %}{% block first %}<m/>{% endblock %}")
        #expect(try library("{% extends \"_middle.xml.j2\" %}").render("t", values: [:]) == "<domain><m/><b/></domain>")
        let child = try library("{% extends \"_middle.xml.j2\" %}{% block first %}<c/>{% endblock %}")
        #expect(try child.render("t", values: [:]) == "<domain><c/><b/></domain>")
    }

    @Test func renderingFromManyTasks() async throws {
        let library = try library("<domain>{% for i in items %}<i>{{ i }}</i>{% endfor %}<n>{{ number }}</n></domain>")
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<200 as Range<UInt64> {
                group.addTask {
                    let xml = try? library.render("t", values: ["number": .integer(number % 10)])
                    return xml == "<domain><i>x</i><i>y</i><n>\(number % 10)</n></domain>"
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }
}
