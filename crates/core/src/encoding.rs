//! Reads the bytes of a file as text, and names the encoding where it is not UTF-8.

/// Bytes that are no UTF-8 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotUtf8 {
    /// UTF-16, as some editors and shells of Windows write it.
    #[error(
        "the text is UTF-16, expected UTF-8: save it as UTF-8, or convert it with `iconv -f UTF-16 -t UTF-8`"
    )]
    Utf16,
    /// Something else.
    #[error("the text is not UTF-8: byte {0} begins no character; save it as UTF-8")]
    Byte(usize),
}

/// The text of a file in UTF-8, without a byte order mark.
///
/// # Errors
/// What the bytes are instead.
pub fn utf8(bytes: &[u8]) -> Result<&str, NotUtf8> {
    if is_utf16(bytes) {
        return Err(NotUtf8::Utf16);
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| NotUtf8::Byte(error.valid_up_to() + 1))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Whether a byte order mark says so or, without one, every other byte of the beginning is null: the
/// formats that are read here begin with ASCII.
fn is_utf16(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xff, 0xfe, ..]
            | [0xfe, 0xff, ..]
            | [0, 1..=255, 0, 1..=255, ..]
            | [1..=255, 0, 1..=255, 0, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: bool, of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(of).collect()
    }

    #[test]
    fn utf8_is_read_with_and_without_a_byte_order_mark() {
        for text in ["", "{}", "ünïcode 漢字", "\u{feff}inner \u{feff}"] {
            let expected = text.strip_prefix('\u{feff}').unwrap_or(text);
            assert_eq!(utf8(text.as_bytes()), Ok(expected));
        }
        assert_eq!(utf8("\u{feff}{}".as_bytes()), Ok("{}"));
    }

    #[test]
    fn utf16_is_named_in_either_order_and_without_a_mark() {
        for mark in [true, false] {
            for of in [u16::to_le_bytes, u16::to_be_bytes] {
                assert_eq!(utf8(&utf16("{\"a\": 1}", mark, of)), Err(NotUtf8::Utf16));
            }
        }
    }

    #[test]
    fn other_bytes_are_refused_at_their_place() {
        assert_eq!(utf8(b"ab\xe9d"), Err(NotUtf8::Byte(3)));
        assert_eq!(utf8(b"\xff"), Err(NotUtf8::Byte(1)));
    }
}
