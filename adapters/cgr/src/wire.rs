//! The vendor's own shapes inside the result, read leniently: films and shows one by one, numbers as text or as numbers, unknown
//! fields ignored.

use std::borrow::Cow;

use passerelle_kit::json::Scalar;
use passerelle_kit::lenient::{Amount, Flag, Int, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What every answer says first.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Head<'a> {
    #[serde(borrow, default)]
    code_erreur: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) intitule_erreur: Text<'a>,
}

impl Head<'_> {
    /// The code; 0 is success. `0`, `0.0` and `"0"` are one.
    pub(crate) fn code(&self) -> Option<i64> {
        let scalar = Scalar::of(self.code_erreur);
        let text = scalar.number_text()?;
        let whole = match text.split_once('.') {
            Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|digit| digit == b'0') => whole,
            _ => text,
        };
        whole.parse().ok()
    }
}

/// An answer with films.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed<'a> {
    #[serde(borrow)]
    pub(crate) objet_retour: Listing<'a>,
}

/// Films of one cinema.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listing<'a> {
    /// The vendor's number of the cinema; sales name it.
    #[serde(default)]
    pub(crate) num_cine: Int,
    /// `null` says nothing about films.
    #[serde(borrow, default)]
    pub(crate) films: Option<Vec<&'a RawValue>>,
}

/// A film.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Film<'a> {
    #[serde(rename = "IDFilm", default)]
    pub(crate) id: Int,
    #[serde(rename = "IDFilmAlloCine", default)]
    pub(crate) allocine: Int,
    #[serde(borrow, default)]
    pub(crate) titre: Text<'a>,
    #[serde(default)]
    pub(crate) num_visa: Int,
    #[serde(default)]
    pub(crate) duree: Int,
    #[serde(borrow, default)]
    pub(crate) synopsis: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) affiche: Text<'a>,
    #[serde(borrow, default)]
    seances: Option<&'a RawValue>,
}

impl<'a> Film<'a> {
    /// Its shows; `None` when it does not say which.
    pub(crate) fn shows(&self) -> Option<Vec<&'a RawValue>> {
        serde_json::from_str(self.seances?.get()).ok()
    }
}

/// A showtime.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Show<'a> {
    #[serde(borrow, default)]
    pub(crate) date: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) heure: Text<'a>,
    #[serde(default)]
    pub(crate) nb_places_restantes: Int,
    #[serde(rename = "bICE", default)]
    pub(crate) ice: Flag,
    #[serde(borrow, default)]
    pub(crate) relief: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) version: Text<'a>,
    #[serde(default)]
    pub(crate) prix_unitaire: Amount,
    #[serde(rename = "libTarif", borrow, default)]
    pub(crate) tarif: Text<'a>,
}

/// Its number, read apart: it must be known even when the rest cannot be read.
#[derive(Deserialize)]
pub(crate) struct ShowId {
    #[serde(rename = "IDSeance", default)]
    pub(crate) id: Int,
}

/// A sale.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Sold<'a> {
    #[serde(borrow, default)]
    pub(crate) qr_code: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) placement: Text<'a>,
}

/// A text on one line, without what no title or label has in it. Some servers escape their JSON twice: `\u00e9` is then still there as six
/// characters after reading, and is read once more.
pub(crate) fn clean(text: &str) -> Option<String> {
    let text = unescaped(text);
    let line = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let kept: String = line.filter(|c| !c.is_control()).collect();
    let trimmed = kept.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hex = rest.strip_prefix("\\u").and_then(|after| after.get(..4));
        let hex = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let length = match hex.and_then(|hex| u16::from_str_radix(hex, 16).ok()) {
            Some(unit) => {
                units.push(unit);
                6
            }
            None => {
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                c.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    // Halves of a pair that have lost each other become a replacement character.
    Cow::Owned(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_any_way_to_write_a_whole_number() {
        let code = |text: &str| serde_json::from_str::<Head<'_>>(text).ok().and_then(|head| head.code());
        for (text, expected) in [
            (r#"{"CodeErreur":0}"#, Some(0)),
            (r#"{"CodeErreur":"0"}"#, Some(0)),
            (r#"{"CodeErreur":0.0}"#, Some(0)),
            (r#"{"CodeErreur":-1,"IntituleErreur":null}"#, Some(-1)),
            (r#"{"CodeErreur":"99"}"#, Some(99)),
            (r#"{"CodeErreur":0.5}"#, None),
            (r#"{"CodeErreur":"0."}"#, None),
            (r#"{"CodeErreur":null}"#, None),
            (r#"{"CodeErreur":[0]}"#, None),
            (r#"{"CodeErreur":true}"#, None),
            ("{}", None),
            ("null", None),
            ("[]", None),
            ("\"text\"", None),
            ("12", None),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_lose_what_no_text_has() {
        assert_eq!(clean("  Le\tPhare\u{1} "), Some("Le Phare".to_owned()));
        assert_eq!(clean(r"Un \u00e9t\u00e9 \ud83c\udfac"), Some("Un été 🎬".to_owned()));
        assert_eq!(clean(r"\u00 \uzzzz \"), Some(r"\u00 \uzzzz \".to_owned()));
        assert_eq!(clean(r"\ud83c seul"), Some("\u{fffd} seul".to_owned()));
        assert_eq!(clean(" \u{7} "), None);
        assert_eq!(clean("<script>"), Some("<script>".to_owned()));
    }
}
