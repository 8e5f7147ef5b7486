//! The vendor's French sentences and what they mean. Its codes say too little: the same number stands for everything.
//!
//! Invariant: one table. Matching ignores case, accents and the kind of apostrophe, composed or not (`é` as one character or
//! as two), and no pattern but these makes a refusal.

/// What a sentence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// Fewer places than asked for; so many are left.
    TooFew { remaining: u32 },
    /// No such show.
    ShowGone,
    /// A ticket that is not known, or that may not be voided any more.
    NotCancellable,
    /// The account is refused.
    Account,
    /// Something else.
    Other,
}

/// Words of a refused account. A guess: nobody has published what the vendor says then.
const ACCOUNT_WORDS: [&str; 5] = ["mot de passe", "identifiant", "authentification", "utilisateur", "acces refuse"];

/// How a show that is not there is named, by its beginning or anywhere.
const SHOW_UNKNOWN: &str = "seance inconnue";
const SHOW_ID_UNKNOWN: &str = "pass culture impossible erreur creation resa (site) : idseance(";

/// Sentences of a cancellation that will never work.
const NOT_CANCELLABLE: [&str; 2] = ["code barre non reconnu", "annulation impossible"];

/// Reads a sentence.
pub(crate) fn read(text: &str) -> Sentence {
    let plain = plain(text);
    let plain = plain.trim();
    if let Some(remaining) = too_few(plain) {
        Sentence::TooFew { remaining }
    } else if plain.contains(SHOW_UNKNOWN) || is_unknown_id(plain) {
        Sentence::ShowGone
    } else if NOT_CANCELLABLE.iter().any(|words| plain.contains(words)) {
        Sentence::NotCancellable
    } else if ACCOUNT_WORDS.iter().any(|words| plain.contains(words)) {
        Sentence::Account
    } else {
        Sentence::Other
    }
}

/// `impossible de delivrer 2 places , il n'en reste que : 1`, with or without those spaces. Below zero counts as none.
fn too_few(plain: &str) -> Option<u32> {
    let (_, rest) = number(plain.strip_prefix("impossible de delivrer ")?)?;
    let rest = rest.strip_prefix(" place")?;
    let rest = rest.strip_prefix('s').unwrap_or(rest).trim_start().strip_prefix(',')?;
    let rest = rest.trim_start().strip_prefix("il n'en reste que")?.trim_start().strip_prefix(':')?.trim_start();
    match rest.strip_prefix('-') {
        Some(below) => number(below).map(|_| 0),
        None => number(rest).map(|(left, _)| left),
    }
}

fn is_unknown_id(plain: &str) -> bool {
    let after = plain.strip_prefix(SHOW_ID_UNKNOWN).and_then(number);
    after.is_some_and(|(_, rest)| rest.starts_with(") inconnu"))
}

/// The digits at the start and what follows; a number that no room has is the largest one.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    (!digits.is_empty()).then(|| (digits.parse().unwrap_or(u32::MAX), rest))
}

/// Lower case, without accents, with straight apostrophes.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .filter_map(|c| match c {
            // An accent that follows its letter.
            '\u{300}'..='\u{36f}' => None,
            'à' | 'â' | 'ä' => Some('a'),
            'é' | 'è' | 'ê' | 'ë' => Some('e'),
            'î' | 'ï' => Some('i'),
            'ô' | 'ö' => Some('o'),
            'ù' | 'û' | 'ü' => Some('u'),
            'ç' => Some('c'),
            '\u{2019}' | '\u{2bc}' | '\u{60}' | '\u{b4}' => Some('\''),
            '\u{a0}' | '\u{202f}' => Some(' '),
            c => Some(c),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOO_FEW: &str = "Impossible de délivrer 2 places , il n'en reste que : 1";

    #[test]
    fn the_vendors_sentences_mean_what_the_table_says() {
        let table = [
            (TOO_FEW, Sentence::TooFew { remaining: 1 }),
            ("Impossible de délivrer 1 places , il n'en reste que : 0", Sentence::TooFew { remaining: 0 }),
            ("Impossible de délivrer 10 places , il n'en reste que : 12", Sentence::TooFew { remaining: 12 }),
            ("Impossible de délivrer 1 place, il n\u{2019}en reste que: -3", Sentence::TooFew { remaining: 0 }),
            ("IMPOSSIBLE DE DE\u{301}LIVRER 2 PLACES , IL N'EN RESTE QUE : 1", Sentence::TooFew { remaining: 1 }),
            ("Séance inconnue.", Sentence::ShowGone),
            ("Erreur : SÉANCE INCONNUE", Sentence::ShowGone),
            ("PASS CULTURE IMPOSSIBLE erreur création résa (site) : IdSeance(402117) inconnu", Sentence::ShowGone),
            (
                "L'annulation n'a pas pu être prise en compte : Code barre non reconnu / annulation impossible",
                Sentence::NotCancellable,
            ),
            ("Annulation impossible", Sentence::NotCancellable),
            ("Identifiant ou mot de passe incorrect", Sentence::Account),
            ("Accès refusé", Sentence::Account),
            ("Échec d'AUTHENTIFICATION", Sentence::Account),
        ];
        for (text, meaning) in table {
            assert_eq!(read(text), meaning, "{text}");
        }
    }

    #[test]
    fn what_the_table_does_not_know_is_no_refusal() {
        for text in [
            "",
            "Erreur interne",
            "Tarif incorrect",
            "Impossible de délivrer deux places , il n'en reste que : 1",
            "Impossible de délivrer 2 places",
            "Impossible de délivrer 2 places , il n'en reste que : plus",
            "Oups : Impossible de délivrer 2 places , il n'en reste que : 1",
            "PASS CULTURE IMPOSSIBLE erreur création résa (site) : IdSeance() inconnu",
            "PASS CULTURE IMPOSSIBLE erreur création résa (site) : IdTarif(3) inconnu",
        ] {
            assert_eq!(read(text), Sentence::Other, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}", at in 0_usize..60) {
            let _ = read(&text);
            let cut: String = TOO_FEW.chars().take(at).collect();
            let _ = read(&format!("{cut}{text}"));
        }
    }
}
