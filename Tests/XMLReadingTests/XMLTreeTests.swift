import Testing
import XMLReading

@Suite struct XMLTreeTests {
    @Test func readsElementsTextAndNamespaces() throws {
        let tree = try XMLTree(
            parsing: """
                <a x='1' y='&lt;"&amp;'><b> one </b><n:c xmlns:n='urn:n'><![CDATA[<&>]]></n:c><b>zwei &#xe9;</b></a>
                """)
        #expect(tree.name == "a" && tree.attributes == ["x": "1", "y": "<\"&"])
        #expect(tree.all("b").map(\.text) == ["one", "zwei é"])
        #expect(tree.first("c", namespace: "urn:n")?.text == "<&>")
        #expect(tree.first("c", namespace: "urn:other") == nil)
        #expect(tree.first("missing") == nil)
    }

    @Test func readsWhatStandsAroundTheElement() throws {
        let tree = try XMLTree(
            parsing: """
                <?xml version='1.0' encoding='UTF-8'?>
                <!-- <b> -->
                <a
                  b = "1"
                ><!-- no text --><?php no text ?>yes<c/> and no</a >

                """)
        #expect(tree.attributes == ["b": "1"] && tree.children.map(\.name) == ["c"])
        #expect(tree.text == "yes and no")
    }

    @Test func givesElementsTheNamespaceThatHoldsThere() throws {
        let tree = try XMLTree(
            parsing: "<a xmlns='urn:1'><b/><c xmlns='urn:2'><d/></c><p:e xmlns:p='urn:3' p:f='g'/><h xmlns=''/></a>")
        #expect(tree.namespace == "urn:1" && tree.first("b")?.namespace == "urn:1")
        #expect(tree.first("c")?.first("d")?.namespace == "urn:2")
        #expect(tree.first("e")?.namespace == "urn:3" && tree.first("e")?.attributes == ["p:f": "g"])
        #expect(tree.first("h")?.namespace == "")
    }

    @Test(arguments: [
        "", " ", "<a", "<a>", "<a></b>", "<a/><b/>", "text", "<a/>text", "<a>&undefined;</a>", "<a>&#xd800;</a>",
        "<a>& b</a>",
        "<a b></a>", "<a b=c/>", "<a b='c'", "<a b='<'/>", "<a b='1'c='2'/>", "<a b='1' b='2'/>", "<p:a/>", "</a>",
        "<>", "<a><![CDATA[</a>",
        "<!--", "<a/><!-- ", "<!DOCTYPE a><a/>",
        String(repeating: "<a>", count: 300) + String(repeating: "</a>", count: 300),
    ])
    func refusesWhatIsNotWellFormed(xml: String) {
        #expect(throws: XMLError.self) { try XMLTree(parsing: xml) }
    }

    @Test func survivesEveryCutAndEveryChangedByte() {
        let xml = Array("<a b='&lt;'><!-- c --><d xmlns='e'>&#65;<![CDATA[f]]></d><?g?></a>".utf8)
        var read = 0
        for index in xml.indices {
            if (try? XMLTree(parsing: String(decoding: xml[..<index], as: UTF8.self))) != nil { read += 1 }
            for byte: UInt8 in [0, 0x20, 0x26, 0x27, 0x2f, 0x3b, 0x3c, 0x3e, 0xff] {
                var changed = xml
                changed[index] = byte
                if (try? XMLTree(parsing: String(decoding: changed, as: UTF8.self))) != nil { read += 1 }
            }
        }
        // Changed text is text still; a cut document never is one.
        #expect(read > 0 && read < xml.count * 9)
    }
}
