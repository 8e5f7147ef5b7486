//! Bytes of a field to text, and column names to the form in which they are compared.
//!
//! Invariant: a wrong accent never blocks a row: every byte sequence decodes to something, and ASCII is never copied.

use std::borrow::Cow;

use crate::settings::EncodingName;

/// The upper half of code page 850.
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{AD}±‗¾¶§÷¸°¨·¹³²■\u{A0}";

/// Decodes one field.
pub(crate) fn decode(bytes: &[u8], encoding: EncodingName) -> Cow<'_, str> {
    if bytes.is_ascii()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Cow::Borrowed(text);
    }
    match encoding {
        // UTF-16 was turned into UTF-8 before it was cut into fields.
        EncodingName::Utf8 | EncodingName::Utf16Le | EncodingName::Utf16Be => String::from_utf8_lossy(bytes),
        EncodingName::Auto => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
        },
        EncodingName::Windows1252 => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
        EncodingName::Iso8859_15 => encoding_rs::ISO_8859_15.decode_without_bom_handling(bytes).0,
        EncodingName::Macintosh => encoding_rs::MACINTOSH.decode_without_bom_handling(bytes).0,
        EncodingName::Cp850 => Cow::Owned(bytes.iter().map(|byte| cp850(*byte)).collect()),
    }
}

fn cp850(byte: u8) -> char {
    if byte < 0x80 {
        return char::from(byte);
    }
    CP850.chars().nth(usize::from(byte - 0x80)).unwrap_or('\u{FFFD}')
}

/// A column name as it is compared: lower case, no accents, letters and digits only.
pub(crate) fn normalised_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => out.push('a'),
            'ç' => out.push('c'),
            'è' | 'é' | 'ê' | 'ë' => out.push('e'),
            'ì' | 'í' | 'î' | 'ï' => out.push('i'),
            'ñ' => out.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' => out.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => out.push('u'),
            'ý' | 'ÿ' => out.push('y'),
            'œ' => out.push_str("oe"),
            'æ' => out.push_str("ae"),
            c if c.is_alphanumeric() => out.push(c),
            _ => {}
        }
    }
    out
}

/// At most this many characters, for keys and messages.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_gives_the_same_accents() {
        for (bytes, encoding) in [
            ("été €".as_bytes(), EncodingName::Auto),
            (b"\xE9t\xE9 \x80".as_slice(), EncodingName::Auto),
            (b"\xE9t\xE9 \x80", EncodingName::Windows1252),
            (b"\xE9t\xE9 \xA4", EncodingName::Iso8859_15),
            (b"\x8Et\x8E \xDB", EncodingName::Macintosh),
        ] {
            assert_eq!(decode(bytes, encoding), "été €", "{encoding:?}");
        }
        assert_eq!(decode(b"\x82t\x82 1\xFF234", EncodingName::Cp850), "été 1\u{A0}234");
        assert_eq!(CP850.chars().count(), 128);
    }

    #[test]
    fn names_are_compared_without_case_accents_and_punctuation() {
        assert_eq!(normalised_name(" Qté. en STOCK "), "qteenstock");
        assert_eq!(normalised_name("Code-barres"), "codebarres");
        assert_eq!(normalised_name("Prix (€)"), "prix");
    }
}
