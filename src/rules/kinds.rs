//! The kind of show or of music that some categories of events want.
//!
//! Invariant: a category that wants a kind has one, so that an organiser who names none is published all the same.

use passerelle_contract::EventKind;

/// Categories that want a kind of music (pass Culture public API, `categoryRelatedFields`).
const MUSICAL: [&str; 4] = ["CONCERT", "EVENEMENT_MUSIQUE", "FESTIVAL_MUSIQUE", "LIVESTREAM_MUSIQUE"];
/// Categories that want a kind of show.
const STAGED: [&str; 3] = ["SPECTACLE_REPRESENTATION", "FESTIVAL_SPECTACLE", "LIVESTREAM_EVENEMENT"];
/// pass Culture's word for any other music.
const OTHER_MUSIC: &str = "AUTRES";
/// pass Culture's word for any other show.
const OTHER_SHOW: &str = "OTHER";

/// The kind of show to send: the one that was named, else "other" where the category wants one.
pub(super) fn show_type(kind: &EventKind) -> Option<String> {
    named_or(kind.show_type.as_ref(), &STAGED, &kind.category, OTHER_SHOW)
}

/// The kind of music to send, in the same way.
pub(super) fn music_type(kind: &EventKind) -> Option<String> {
    named_or(kind.music_type.as_ref(), &MUSICAL, &kind.category, OTHER_MUSIC)
}

fn named_or(named: Option<&String>, wanted_by: &[&str], category: &str, other: &str) -> Option<String> {
    named.cloned().or_else(|| wanted_by.contains(&category).then(|| other.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_that_wants_a_kind_has_one() {
        let kind = |category: &str| EventKind { category: category.to_owned(), ..EventKind::film() };
        assert_eq!(show_type(&kind("SPECTACLE_REPRESENTATION")).as_deref(), Some("OTHER"));
        assert_eq!(music_type(&kind("CONCERT")).as_deref(), Some("AUTRES"));
        let rock = EventKind { music_type: Some("ROCK".to_owned()), ..kind("CONCERT") };
        assert_eq!((music_type(&rock).as_deref(), show_type(&rock)), (Some("ROCK"), None));
        assert_eq!((show_type(&kind("SEANCE_CINE")), music_type(&kind("CONFERENCE"))), (None, None));
    }
}
