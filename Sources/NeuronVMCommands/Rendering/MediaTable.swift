import VMModel

/// The list of media.
enum MediaTable {
    static func text(_ media: [Medium], colours: Bool) -> String {
        Table(
            columns: [.init(title: "Name"), .init(title: "Size", isNumber: true)],
            rows: media.map { [.init(text: $0.name), .init(text: Sizes.text(bytes: $0.sizeBytes))] }
        ).text(colours: colours)
    }

    static func json(_ media: [Medium]) -> String {
        JSON.lines(media.map { .object([("name", .string($0.name)), ("size_bytes", .integer($0.sizeBytes))]) })
    }
}
