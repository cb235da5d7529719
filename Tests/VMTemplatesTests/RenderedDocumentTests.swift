import Foundation
import Testing

@testable import VMTemplates

/// The last look at what was rendered, by itself: the reader of templates, which finds most of it before, is not relied on.
@Suite struct RenderedDocumentTests {
    private static func command(_ content: String) -> String {
        "<domain><q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\(content)</q:commandline></domain>"
    }

    @Test(arguments: [
        "<domain>{{ x }}</domain>", "<domain a='{% x %}'/>", "<domain>{# x #}</domain>", "<!DOCTYPE domain><domain/>",
        "<domain>", "<network/>", "<domain xmlns='urn:x'/>", "<domain><a><x:b xmlns:x='urn:x'/></a></domain>",
        "<domain><name>a</name></domain>", "<domain><uuid>a</uuid></domain>", command(""),
        command("<q:arg value='-global'/>"), command("<q:arg value='-monitor'/><q:arg value='-global'/>"),
        command("<q:arg value='-global'/><q:env value='x'/>"), command("<q:arg value='-global'/><arg value='x'/>"),
    ])
    func whatIsNoPlainDomainIsRefused(_ text: String) {
        let error = #expect(throws: TemplateError.self) { try RenderedDocument.check(text, values: [:]) }
        #expect(error?.kind == .notWellFormed)
    }

    @Test func nameAndUUIDAreThoseGiven() throws {
        let values: [String: ParameterValue] = ["name": .string("a"), "uuid": .string("b")]
        try RenderedDocument.check("<domain><name>a</name><uuid>b</uuid></domain>", values: values)
        for text in ["<name>b</name><uuid>b</uuid>", "<name>a</name><name>a</name><uuid>b</uuid>", "<name>a</name>"] {
            #expect(throws: TemplateError.self) {
                try RenderedDocument.check("<domain>\(text)</domain>", values: values)
            }
        }
        try RenderedDocument.check(Self.command("<q:arg value='-global'/><q:arg value='x'/>"), values: [:])
    }
}
