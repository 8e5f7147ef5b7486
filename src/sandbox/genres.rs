//! Music and show types: what a body may say, what the lists show, and what is read back.
//!
//! Invariant: every slug of the lists is accepted by [`is_music_type`] or [`is_show_type`].

use serde_json::{Value, json};

use super::errors::{Answer, Outcome};

/// Slug, label, whether the event list shows it.
const MUSIC: [(&str, &str, bool); 19] = [
    ("MUSIQUE_CLASSIQUE", "Musique Classique", true),
    ("JAZZ-BLUES", "Jazz / Blues", true),
    ("BANDES_ORIGINALES", "Bandes originales", false),
    ("ELECTRO", "Electro", true),
    ("POP", "Pop", true),
    ("ROCK", "Rock", true),
    ("METAL", "Metal", true),
    ("ALTERNATIF", "Alternatif", true),
    ("VARIETES", "Variétés", true),
    ("FUNK-SOUL-RNB-DISCO", "Funk / Soul / RnB / Disco", true),
    ("RAP-HIP HOP", "Rap / Hip Hop", true),
    ("REGGAE-RAGGA", "Reggae / Ragga", true),
    ("MUSIQUE_DU_MONDE", "Musique du monde", true),
    ("COUNTRY-FOLK", "Country / Folk", true),
    ("VIDEOS_MUSICALES", "Vidéos musicales", false),
    ("COMPILATIONS", "Compilations", false),
    ("AMBIANCE", "Ambiance", true),
    ("ENFANTS", "Enfants", false),
    ("AUTRES", "Autre", true),
];

/// Families of the deprecated slugs, some two hundred, that are still taken: `ELECTRO-HOUSE`, `JAZZ-BEBOP`, …
const OLD_MUSIC_FAMILIES: [&str; 15] = [
    "JAZZ",
    "BLUES",
    "REGGAE",
    "CLASSIQUE",
    "MUSIQUE_DU_MONDE",
    "POP",
    "ROCK",
    "METAL",
    "PUNK",
    "FOLK",
    "COUNTRY",
    "ELECTRO",
    "HIP_HOP_RAP",
    "GOSPEL",
    "CHANSON_VARIETE",
];

/// Family of show types, its kinds as slug and label; each family also has `…-OTHER`.
type ShowFamily = (&'static str, &'static [(&'static str, &'static str)]);

const SHOWS: [ShowFamily; 10] = [
    (
        "ART_DE_LA_RUE",
        &[
            ("CARNAVAL", "Carnaval"),
            ("FANFARE", "Fanfare"),
            ("MIME", "Mime"),
            ("PARADE", "Parade"),
            ("THEATRE_DE_RUE", "Théâtre de Rue"),
            ("THEATRE_PROMENADE", "Théâtre Promenade"),
        ],
    ),
    (
        "CIRQUE",
        &[
            ("CIRQUE_CONTEMPORAIN", "Cirque Contemporain"),
            ("CIRQUE_HORS_LES_MURS", "Cirque Hors les murs"),
            ("CIRQUE_TRADITIONNEL", "Cirque Traditionel"),
            ("CIRQUE_VOYAGEUR", "Cirque Voyageur"),
            ("CLOWN", "Clown"),
            ("HYPNOSE", "Hypnose"),
            ("MENTALISTE", "Mentaliste"),
            ("SPECTACLE_DE_MAGIE", "Spectacle de Magie"),
            ("SPECTACLE_EQUESTRE", "Spectacle Équestre"),
        ],
    ),
    (
        "DANSE",
        &[
            ("BALLET", "Ballet"),
            ("CANCAN", "Cancan"),
            ("CLAQUETTE", "Claquette"),
            ("CLASSIQUE", "Classique"),
            ("CONTEMPORAINE", "Contemporaine"),
            ("DANSE_DU_MONDE", "Danse du Monde"),
            ("FLAMENCO", "Flamenco"),
            ("MODERNE_JAZZ", "Moderne Jazz"),
            ("SALSA", "Salsa"),
            ("SWING", "Swing"),
            ("TANGO", "Tango"),
            ("URBAINE", "Urbaine"),
        ],
    ),
    (
        "HUMOUR",
        &[
            ("CAFE_THEATRE", "Café Théâtre"),
            ("IMPROVISATION", "Improvisation"),
            ("SEUL_EN_SCENE", "Seul.e en scène"),
            ("SKETCH", "Sketch"),
            ("STAND_UP", "Stand Up"),
            ("VENTRILOQUE", "Ventriloque"),
        ],
    ),
    (
        "SPECTACLE_MUSICAL",
        &[
            ("CABARET", "Cabaret"),
            ("CAFE_CONCERT", "Café Concert"),
            ("CLAQUETTE", "Claquette"),
            ("COMEDIE_MUSICALE", "Comédie Musicale"),
            ("OPERA_BOUFFE", "Opéra Bouffe"),
            ("OPERETTE", "Opérette"),
            ("REVUE", "Revue"),
            ("BURLESQUE", "Burlesque"),
            ("COMEDIE_BALLET", "Comédie-Ballet"),
            ("OPERA_COMIQUE", "Opéra Comique"),
            ("OPERA_BALLET", "Opéra-Ballet"),
            ("THEATRE_MUSICAL", "Théâtre musical"),
        ],
    ),
    (
        "SPECTACLE_JEUNESSE",
        &[
            ("CONTE", "Conte"),
            ("THEATRE_JEUNESSE", "Théâtre jeunesse"),
            ("SPECTACLE_PETITE_ENFANCE", "Spectacle Petite Enfance"),
            ("MAGIE_ENFANCE", "Magie Enfance"),
            ("SPECTACLE_PEDAGOGIQUE", "Spectacle pédagogique"),
            ("MARIONETTES", "Marionettes"),
            ("COMEDIE_MUSICALE_JEUNESSE", "Comédie musicale jeunesse"),
            ("THEATRE_D_OMBRES", "Théâtre d'Ombres"),
        ],
    ),
    (
        "THEATRE",
        &[
            ("BOULEVARD", "Boulevard"),
            ("CLASSIQUE", "Classique"),
            ("COMEDIE", "Comédie"),
            ("CONTEMPORAIN", "Contemporain"),
            ("LECTURE", "Lecture"),
            ("SPECTACLE_SCENOGRAPHIQUE", "Spectacle Scénographique"),
            ("THEATRE_EXPERIMENTAL", "Théâtre Experimental"),
            ("THEATRE_D_OBJET", "Théâtre d'Objet"),
            ("TRAGEDIE", "Tragédie"),
        ],
    ),
    ("PLURIDISCIPLINAIRE", &[("PERFORMANCE", "Performance"), ("POESIE", "Poésie")]),
    (
        "OTHER",
        &[
            ("SON_ET_LUMIERE", "Son et lumière"),
            ("SPECTACLE_SUR_GLACE", "Spectacle sur glace"),
            ("SPECTACLE_HISTORIQUE", "Spectacle historique"),
            ("SPECTACLE_AQUATIQUE", "Spectacle aquatique"),
        ],
    ),
    (
        "OPERA",
        &[
            ("OPERA_SERIE", "Opéra série"),
            ("GRAND_OPERA", "Grand opéra"),
            ("OPERA_BOUFFE", "Opéra bouffe"),
            ("OPERA_COMIQUE", "Opéra comique"),
            ("OPERA_BALLET", "Opéra-ballet"),
            ("SINGSPIEL", "Singspiel"),
        ],
    ),
];

const OTHER: &str = "OTHER";
const OTHER_LABEL: &str = "Autre";

/// Whether a body may say this: the slugs of the lists and the deprecated ones.
pub(crate) fn is_music_type(slug: &str) -> bool {
    slug == OTHER || MUSIC.iter().any(|(known, ..)| *known == slug) || is_old_music_type(slug)
}

fn is_old_music_type(slug: &str) -> bool {
    let upper = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_uppercase() || "_&".contains(c));
    slug.split_once('-').is_some_and(|(family, kind)| OLD_MUSIC_FAMILIES.contains(&family) && upper(kind))
}

/// Whether a body may say this.
pub(crate) fn is_show_type(slug: &str) -> bool {
    slug == OTHER
        || slug.split_once('-').is_some_and(|(family, kind)| {
            SHOWS
                .iter()
                .any(|(known, kinds)| *known == family && (kind == OTHER || kinds.iter().any(|(k, _)| *k == kind)))
        })
}

/// What a music type reads back as. The backend stores the deprecated code a slug stands for and shows that code's
/// slug; most slugs of the lists stand for the code "other".
pub(crate) fn shown_music_type(slug: &str) -> &str {
    match slug {
        "FUNK-SOUL-RNB-DISCO" => "HIP_HOP_RAP-SOUL",
        "REGGAE-RAGGA" => "REGGAE-ROOTS",
        listed if MUSIC.iter().any(|(known, ..)| *known == listed) => OTHER,
        old if old.ends_with("-OTHER") => OTHER,
        old => old,
    }
}

/// What a show type reads back as: the code "other" is the same under every family.
pub(crate) fn shown_show_type(slug: &str) -> &str {
    if slug.ends_with("-OTHER") { OTHER } else { slug }
}

/// `GET …/music_types/all` and `…/music_types/event`
pub(crate) fn list_music_types(for_events: bool) -> Outcome {
    let rows: Vec<Value> = MUSIC
        .iter()
        .filter(|(.., event)| *event || !for_events)
        .map(|(id, label, _)| json!({ "id": id, "label": label }))
        .collect();
    Ok(Answer::ok(Value::Array(rows)))
}

/// `GET …/show_types`
pub(crate) fn list_show_types() -> Outcome {
    let mut rows = Vec::new();
    for (family, kinds) in SHOWS {
        for (kind, label) in kinds {
            rows.push(json!({ "id": format!("{family}-{kind}"), "label": label }));
        }
        rows.push(json!({ "id": format!("{family}-{OTHER}"), "label": OTHER_LABEL }));
    }
    rows.push(json!({ "id": OTHER, "label": OTHER_LABEL }));
    Ok(Answer::ok(Value::Array(rows)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_accepted_and_read_back() {
        for (sent, shown) in [
            ("ROCK", Some("OTHER")),
            ("RAP-HIP HOP", Some("OTHER")),
            ("REGGAE-RAGGA", Some("REGGAE-ROOTS")),
            ("ELECTRO-HOUSE", Some("ELECTRO-HOUSE")),
            ("POP-OTHER", Some("OTHER")),
            ("rock", None),
            ("TANGO", None),
            ("POP-", None),
        ] {
            assert_eq!(is_music_type(sent).then(|| shown_music_type(sent)), shown, "{sent}");
        }
        for (sent, shown) in [
            ("DANSE-TANGO", Some("DANSE-TANGO")),
            ("OPERA-OTHER", Some("OTHER")),
            ("OTHER", Some("OTHER")),
            ("DANSE", None),
            ("DANSE-CLOWN", None),
        ] {
            assert_eq!(is_show_type(sent).then(|| shown_show_type(sent)), shown, "{sent}");
        }
    }
}
