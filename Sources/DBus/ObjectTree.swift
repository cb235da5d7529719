/// The objects of a server by path, with the paths between them.
///
/// A value without locks: its owner, the object server, lives on the loop.
struct ObjectTree {
    /// An interface of one object; the values of its properties stand in the order of the description.
    struct Export {
        let interface: Interface
        var values: [DBusValue]
        /// The upper bound of each value's size on the wire, summed.
        var wireSize: Int
    }

    /// An object, or a path that only leads to some.
    final class Node {
        let path: ObjectPath
        var children: [String: Node] = [:]
        var exports: [Export] = []
        var isManager = false

        init(path: ObjectPath) {
            self.path = path
        }

        /// Whether there is an object, not only a path.
        var isObject: Bool { !exports.isEmpty || isManager }

        func index(of interface: String) -> Int? {
            exports.firstIndex { $0.interface.name == interface }
        }
    }

    private var nodes: [String: Node] = ["/": Node(path: .root)]

    subscript(path: String) -> Node? { nodes[path] }

    /// The node at a path, made with all nodes above it if it is not there.
    mutating func makeNode(_ path: ObjectPath) -> Node {
        if let node = nodes[path.rawValue] { return node }
        let node = Node(path: path)
        nodes[path.rawValue] = node
        if let parent = path.parent {
            makeNode(parent).children[Self.lastElement(path)] = node
        }
        return node
    }

    /// Takes a node away if nothing is at or below it, and those above it that only led there.
    mutating func prune(_ node: Node) {
        var node = node
        while !node.isObject, node.children.isEmpty, let parent = node.path.parent, let above = nodes[parent.rawValue] {
            nodes[node.path.rawValue] = nil
            above.children[Self.lastElement(node.path)] = nil
            node = above
        }
    }

    /// The object managers above a path, the nearest first.
    func managers(above path: ObjectPath) -> [Node] {
        var found: [Node] = []
        var next = path.parent
        while let path = next {
            if let node = nodes[path.rawValue], node.isManager { found.append(node) }
            next = path.parent
        }
        return found
    }

    /// All objects below a node, that one not included.
    static func objects(below node: Node, _ body: (Node) throws(DBusError) -> Void) throws(DBusError) {
        // A list instead of recursion: how deep paths go is not bounded.
        var remaining = Array(node.children.values)
        while let next = remaining.popLast() {
            if !next.exports.isEmpty { try body(next) }
            remaining.append(contentsOf: next.children.values)
        }
    }

    private static func lastElement(_ path: ObjectPath) -> String {
        guard let slash = path.rawValue.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path.rawValue }
        return String(path.rawValue[path.rawValue.utf8.index(after: slash)...])
    }
}
