//! Mutators that ignore the format: cuts, flips, and prefixes that text should not have.

use crate::Mutator;

/// For a body of any format.
pub const ALL: &[Mutator] = &[
    Mutator { name: "bit flipped", refused: false, make: bit_flipped },
    Mutator { name: "byte replaced", refused: false, make: byte_replaced },
    Mutator { name: "byte left out", refused: false, make: byte_left_out },
    Mutator { name: "byte twice", refused: false, make: byte_twice },
    Mutator { name: "hidden character put in", refused: false, make: hidden_put_in },
    Mutator { name: "piece moved to the front", refused: false, make: piece_moved },
];

/// For a body that ends where its last bracket closes, as JSON does.
pub const CLOSED: &[Mutator] = &[
    Mutator { name: "cut at every byte", refused: true, make: cut },
    Mutator { name: "foreign start or end", refused: true, make: foreign_edge },
    Mutator { name: "other encoding", refused: true, make: other_encoding },
    Mutator { name: "longer than allowed", refused: true, make: too_long },
];

fn cut(body: &str) -> Vec<Vec<u8>> {
    let bytes = body.trim_end().as_bytes();
    (0..bytes.len()).map(|end| bytes[..end].to_vec()).collect()
}

/// One bit of each byte, a different one from byte to byte.
fn bit_flipped(body: &str) -> Vec<Vec<u8>> {
    each_byte(body, |bytes, at| bytes[at] ^= 1 << (at % 8))
}

fn byte_replaced(body: &str) -> Vec<Vec<u8>> {
    let hostile = [0, 0xff, b'"', b'\\', b'{', b'}', b'\n', b'-', b'0', b'%', b'='];
    each_byte(body, |bytes, at| bytes[at] = hostile[at % hostile.len()])
}

fn byte_left_out(body: &str) -> Vec<Vec<u8>> {
    each_byte(body, |bytes, at| {
        bytes.remove(at);
    })
}

fn byte_twice(body: &str) -> Vec<Vec<u8>> {
    each_byte(body, |bytes, at| bytes.insert(at, bytes[at]))
}

fn each_byte(body: &str, change: impl Fn(&mut Vec<u8>, usize)) -> Vec<Vec<u8>> {
    let changed = |at| {
        let mut bytes = body.as_bytes().to_vec();
        change(&mut bytes, at);
        bytes
    };
    (0..body.len()).map(changed).collect()
}

/// Bidirectional, zero-width, control and look-alike characters, one at every seventh place.
fn hidden_put_in(body: &str) -> Vec<Vec<u8>> {
    let hidden = ["\u{202e}", "\u{2066}", "\u{200b}", "\u{feff}", "\0", "\u{1b}[2J", "\u{2028}"];
    let place = |(turn, (at, _)): (usize, (usize, char))| {
        let (before, after) = body.split_at(at);
        format!("{before}{}{after}", hidden[turn % hidden.len()]).into_bytes()
    };
    body.char_indices().step_by(7).enumerate().map(place).collect()
}

fn piece_moved(body: &str) -> Vec<Vec<u8>> {
    let bytes = body.as_bytes();
    (1..bytes.len()).step_by(5).map(|at| [&bytes[at..], &bytes[..at]].concat()).collect()
}

fn foreign_edge(body: &str) -> Vec<Vec<u8>> {
    let edges = [
        "\u{feff}",
        "\0",
        "\u{a0}",
        "\u{2028}",
        "\u{200b}",
        "x",
        "}",
        "]",
        "{",
        "[",
        ",",
        "//",
        "/**/",
        "#",
        "null",
        "{}",
        "\"",
        ")]}',",
        "\u{1b}[0m",
        "\u{0b}",
        "\u{0c}",
    ];
    edges
        .iter()
        .flat_map(|edge| [format!("{edge}{body}"), format!("{body}{edge}")])
        .map(String::into_bytes)
        .collect()
}

/// UTF-16 in both orders, with and without a mark; UTF-32; a byte that is no UTF-8 at each end.
fn other_encoding(body: &str) -> Vec<Vec<u8>> {
    let little: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = body.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let wide: Vec<u8> = body.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    vec![
        [b"\xff\xfe".as_slice(), &little].concat(),
        [b"\xfe\xff".as_slice(), &big].concat(),
        little,
        big,
        wide,
        [b"\xff".as_slice(), body.as_bytes()].concat(),
        [body.as_bytes(), b"\xff"].concat(),
        [b"\xc0\xaf".as_slice(), body.as_bytes()].concat(),
        [b"\xed\xa0\x80".as_slice(), body.as_bytes()].concat(),
    ]
}

/// One byte and more above the megabyte that is read.
fn too_long(body: &str) -> Vec<Vec<u8>> {
    let long = |more: usize, filler: &str| {
        let count = ((1 << 20) + more - body.len()).div_ceil(filler.len());
        format!("{body}{}", filler.repeat(count)).into_bytes()
    };
    vec![long(1, " "), long(1, "\n"), long(1 << 20, " "), long(1, "\t"), long(1, body)]
}
