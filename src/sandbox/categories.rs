//! The categories a provider may create offers in: which fields each takes, where it takes place, duo, withdrawal.
//!
//! One table; everything else reads it. Labels are the backend's French ones, which its refusals quote.
//!
//! Invariant: a category field of the tables is one that a body may set; [`LISTED_ONLY`] ones are shown and ignored.

use serde_json::{Map, Value, json};

use super::errors::{Answer, Errors, Outcome, Problem, problem};
use super::generation::Generation;
use super::genres::{is_music_type, is_show_type, shown_music_type, shown_show_type};
use super::validate::{Fields, Loc};

/// Where offers of a category take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Online,
    OnSite,
}

/// A category of offers.
#[derive(Debug)]
pub(crate) struct Category {
    pub(crate) id: &'static str,
    pub(crate) label: &'static str,
    /// Fields a body may set; those in [`Category::required`] must be set on creation.
    fields: &'static [&'static str],
    required: &'static [&'static str],
    pub(crate) place: Place,
    /// Whether one beneficiary may book two seats.
    pub(crate) duo: bool,
    /// Whether tickets can be withdrawn, which needs a booking contact.
    pub(crate) withdrawable: bool,
}

const fn on_site(
    id: &'static str,
    label: &'static str,
    fields: &'static [&'static str],
    required: &'static [&'static str],
) -> Category {
    Category { id, label, fields, required, place: Place::OnSite, duo: false, withdrawable: false }
}

const fn online(
    id: &'static str,
    label: &'static str,
    fields: &'static [&'static str],
    required: &'static [&'static str],
) -> Category {
    Category { place: Place::Online, ..on_site(id, label, fields, required) }
}

const fn event(
    id: &'static str,
    label: &'static str,
    fields: &'static [&'static str],
    required: &'static [&'static str],
) -> Category {
    Category { duo: true, ..on_site(id, label, fields, required) }
}

const fn withdrawable(
    id: &'static str,
    label: &'static str,
    fields: &'static [&'static str],
    required: &'static [&'static str],
) -> Category {
    Category { withdrawable: true, ..event(id, label, fields, required) }
}

const NONE: &[&str] = &[];
const MUSIC: &[&str] = &["musicType"];
const SHOW: &[&str] = &["showType"];
const EAN: &[&str] = &["ean"];
const SPEAKER: &[&str] = &["speaker"];
const CINEMA: &[&str] = &["author", "visa", "stageDirector"];
const CONCERT: &[&str] = &["author", "musicType", "performer"];
const STAGE: &[&str] = &["author", "showType", "stageDirector", "performer"];

/// Categories of events, in the backend's order.
pub(crate) static EVENTS: [Category; 26] = [
    event("ATELIER_PRATIQUE_ART", "Atelier, stage de pratique artistique", SPEAKER, NONE),
    event("CINE_PLEIN_AIR", "Cinéma plein air", CINEMA, NONE),
    withdrawable("CONCERT", "Concert", CONCERT, MUSIC),
    event("CONCOURS", "Concours - jeux", NONE, NONE),
    event("CONFERENCE", "Conférence", SPEAKER, NONE),
    event("EVENEMENT_CINE", "Évènement cinématographique", CINEMA, NONE),
    event("EVENEMENT_JEU", "Évènements - jeux", NONE, NONE),
    withdrawable("EVENEMENT_MUSIQUE", "Autre type d'évènement musical", CONCERT, MUSIC),
    event("EVENEMENT_PATRIMOINE", "Évènement et atelier patrimoine", NONE, NONE),
    withdrawable("FESTIVAL_ART_VISUEL", "Festival d'arts visuels / arts numériques", &["author", "performer"], NONE),
    event("FESTIVAL_CINE", "Festival de cinéma", CINEMA, NONE),
    event("FESTIVAL_LIVRE", "Festival et salon du livre", NONE, NONE),
    withdrawable("FESTIVAL_MUSIQUE", "Festival de musique", CONCERT, MUSIC),
    withdrawable("FESTIVAL_SPECTACLE", "Festival de spectacle vivant", STAGE, SHOW),
    online("LIVESTREAM_EVENEMENT", "Livestream d'évènement", STAGE, SHOW),
    online("LIVESTREAM_MUSIQUE", "Livestream musical", CONCERT, MUSIC),
    online("LIVESTREAM_PRATIQUE_ARTISTIQUE", "Pratique artistique - livestream", NONE, NONE),
    online("RENCONTRE_EN_LIGNE", "Rencontre en ligne", SPEAKER, NONE),
    event("RENCONTRE_JEU", "Rencontres - jeux", NONE, NONE),
    event("RENCONTRE", "Rencontre", SPEAKER, NONE),
    event("SALON", "Salon, Convention", SPEAKER, NONE),
    event("SEANCE_CINE", "Séance de cinéma", CINEMA, NONE),
    event("SEANCE_ESSAI_PRATIQUE_ART", "Séance d'essai", SPEAKER, NONE),
    withdrawable("SPECTACLE_REPRESENTATION", "Spectacle, représentation", STAGE, SHOW),
    event("VISITE_GUIDEE", "Visite guidée", NONE, NONE),
    event("VISITE", "Visite", NONE, NONE),
];

/// Categories of products that are made one by one, in the backend's order.
pub(crate) static PRODUCTS: [Category; 27] = [
    on_site("ABO_BIBLIOTHEQUE", "Abonnement (bibliothèques, médiathèques...)", NONE, NONE),
    on_site("ABO_CONCERT", "Abonnement concert", MUSIC, MUSIC),
    online("ABO_LIVRE_NUMERIQUE", "Abonnement livres numériques", NONE, NONE),
    on_site("ABO_MEDIATHEQUE", "Abonnement médiathèque", NONE, NONE),
    online("ABO_PLATEFORME_MUSIQUE", "Abonnement plateforme musicale", NONE, NONE),
    online("ABO_PLATEFORME_VIDEO", "Abonnement plateforme streaming", NONE, NONE),
    on_site("ABO_PRATIQUE_ART", "Abonnement pratique artistique", NONE, NONE),
    online("ABO_PRESSE_EN_LIGNE", "Abonnement presse en ligne", NONE, NONE),
    on_site("ABO_SPECTACLE", "Abonnement spectacle", SHOW, SHOW),
    on_site("ACHAT_INSTRUMENT", "Achat instrument", EAN, EAN),
    online("APP_CULTURELLE", "Application culturelle", NONE, NONE),
    online("AUTRE_SUPPORT_NUMERIQUE", "Autre support numérique", NONE, NONE),
    on_site("CARTE_JEUNES", "Carte jeunes", NONE, NONE),
    event("CARTE_MUSEE", "Abonnement musée, carte ou pass", NONE, NONE),
    on_site("LIVRE_AUDIO_PHYSIQUE", "Livre audio sur support physique", &["author", "ean"], EAN),
    online("LIVRE_NUMERIQUE", "Livre numérique, e-book", &["author", "ean"], NONE),
    on_site("LOCATION_INSTRUMENT", "Location instrument", EAN, EAN),
    on_site("PARTITION", "Partition", EAN, EAN),
    online("PLATEFORME_PRATIQUE_ARTISTIQUE", "Pratique artistique - plateforme en ligne", NONE, NONE),
    online("PODCAST", "Podcast", NONE, NONE),
    online("PRATIQUE_ART_VENTE_DISTANCE", "Pratique artistique - vente à distance", SPEAKER, NONE),
    online("SPECTACLE_ENREGISTRE", "Spectacle enregistré", STAGE, SHOW),
    on_site("SUPPORT_PHYSIQUE_FILM", "Support physique (DVD, Blu-ray...)", EAN, EAN),
    online("TELECHARGEMENT_LIVRE_AUDIO", "Livre audio à télécharger", &["author"], NONE),
    online("TELECHARGEMENT_MUSIQUE", "Téléchargement de musique", &["author", "musicType", "performer", "ean"], MUSIC),
    online("VISITE_VIRTUELLE", "Visite virtuelle", NONE, NONE),
    online("VOD", "Vidéo à la demande", NONE, NONE),
];

/// Shown in the product list, refused at creation; it stands before `CARTE_JEUNES`.
static CAPTATION: Category = on_site("CAPTATION_MUSIQUE", "Captation musicale", CONCERT, MUSIC);

/// The category of an event.
pub(crate) fn event_category(id: &str) -> Option<&'static Category> {
    EVENTS.iter().find(|category| category.id == id)
}

/// The category of a product made one by one.
pub(crate) fn product_category(id: &str) -> Option<&'static Category> {
    PRODUCTS.iter().find(|category| category.id == id)
}

/// Ids of the categories whose products can be edited, as the refusal names them.
pub(crate) fn editable_products() -> Vec<&'static str> {
    product_rows().map(|category| category.id).collect()
}

fn product_rows() -> impl Iterator<Item = &'static Category> {
    let captation_at = PRODUCTS.iter().position(|c| c.id == "CARTE_JEUNES").unwrap_or(PRODUCTS.len());
    let (before, after) = PRODUCTS.split_at(captation_at);
    before.iter().chain(std::iter::once(&CAPTATION)).chain(after)
}

/// Fields that the event list shows along with another one, whether required, and that no body sets.
const LISTED_ONLY: [(&str, &str, bool); 3] =
    [("musicType", "musicSubType", false), ("musicType", "gtl_id", false), ("showType", "showSubType", true)];

/// `GET …/events/categories`
pub(crate) fn list_events(generation: Generation) -> Outcome {
    let rows: Vec<Value> = EVENTS
        .iter()
        .map(|category| {
            let mut fields = conditional_fields(category);
            for (beside, name, required) in LISTED_ONLY {
                if category.fields.contains(&beside) {
                    fields.insert(name.to_owned(), json!(required));
                }
            }
            if generation.labels_categories() {
                json!({ "id": category.id, "label": category.label, "conditionalFields": fields })
            } else {
                json!({ "id": category.id, "conditionalFields": fields })
            }
        })
        .collect();
    Ok(Answer::ok(Value::Array(rows)))
}

/// `GET …/products/categories`
pub(crate) fn list_products() -> Outcome {
    let rows: Vec<Value> = product_rows()
        .map(|category| {
            let place = if category.place == Place::Online { "DIGITAL" } else { "PHYSICAL" };
            json!({ "id": category.id, "conditionalFields": conditional_fields(category), "locationType": place })
        })
        .collect();
    Ok(Answer::ok(Value::Array(rows)))
}

fn conditional_fields(category: &Category) -> Map<String, Value> {
    category.fields.iter().map(|name| ((*name).to_owned(), json!(category.required.contains(name)))).collect()
}

/// A category and the fields of it that a body sets.
#[derive(Debug)]
pub(crate) struct CategoryBody {
    pub(crate) category: &'static Category,
    pub(crate) fields: Map<String, Value>,
}

/// Whether a body makes an offer or changes one: nothing is required to change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Create,
    Edit,
}

impl Purpose {
    fn suffix(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Edit => "edit",
        }
    }
}

const KEY: &str = "categoryRelatedFields";

/// Reads `categoryRelatedFields` where the category tells which fields there are: errors carry the variant's name.
pub(crate) fn read_variant(
    value: &Value,
    among: &'static [Category],
    purpose: Purpose,
    errors: &mut Errors,
) -> Option<CategoryBody> {
    let fields = Fields::of(value);
    let Some(id) = fields.get("category").or_else(|| fields.get("subcategory_id")) else {
        errors.add(KEY, problem::NO_CATEGORY);
        return None;
    };
    let Some(category) = among.iter().find(|category| id.as_str() == Some(category.id)) else {
        let allowed: Vec<&str> = among.iter().map(|category| category.id).collect();
        errors.add(KEY, Problem::no_such_tag("subcategory_id", id, &allowed));
        return None;
    };
    let root = Loc::Root;
    let at = root.key(KEY);
    let variant =
        if errors.is_new() { category.id.to_owned() } else { format!("{}_{}", category.id, purpose.suffix()) };
    let at = at.key(&variant);
    let read = read_fields(&fields, category, purpose, &at, errors);
    let known: Vec<&str> = category.fields.iter().copied().chain(["category"]).collect();
    fields.refuse_extra_inside(&known, &at, errors);
    if purpose == Purpose::Edit && read.get("musicType").is_some_and(Value::is_null) {
        errors.add(KEY, "If musicType is set, it cannot be NULL");
    }
    Some(CategoryBody { category, fields: read })
}

/// Reads `categoryRelatedFields` of a product's creation. The old validator tries every category, and when none fits, each
/// says why; the new one goes by the tag.
pub(crate) fn read_union(value: &Value, errors: &mut Errors) -> Option<CategoryBody> {
    if errors.is_new() {
        return read_variant(value, &PRODUCTS, Purpose::Create, errors);
    }
    let fields = Fields::of(value);
    let root = Loc::Root;
    let at = root.key(KEY);
    let id = fields.get("category").or_else(|| fields.get("subcategory_id"));
    let mut all = Errors::default();
    for category in &PRODUCTS {
        let mut own = Errors::default();
        let read = read_fields(&fields, category, Purpose::Create, &at, &mut own);
        let key = || at.key("category").to_string();
        match id {
            None => own.add(key(), problem::MISSING),
            Some(Value::Null) => own.add(key(), Problem::null("category")),
            Some(id) if id.as_str() == Some(category.id) => {}
            Some(_) => own.add(key(), format!("unexpected value; permitted: '{}'", category.id)),
        }
        if own.count() == 0 {
            return Some(CategoryBody { category, fields: read });
        }
        all.extend(own);
    }
    errors.extend(all);
    None
}

fn read_fields(
    fields: &Fields<'_>,
    category: &'static Category,
    purpose: Purpose,
    at: &Loc<'_>,
    errors: &mut Errors,
) -> Map<String, Value> {
    let mut read = Map::new();
    for name in category.fields {
        let required = purpose == Purpose::Create && category.required.contains(name);
        // These models know no snake case.
        let value = match fields.exact(name) {
            None if required => {
                errors.add(at.key(name).to_string(), problem::MISSING);
                continue;
            }
            Some(Value::Null) if required => {
                errors.add(at.key(name).to_string(), Problem::null(name));
                continue;
            }
            None => continue,
            Some(Value::Null) => Value::Null,
            Some(value) => match read_field(name, value, errors) {
                Ok(value) => value,
                Err(problem) => {
                    errors.add(at.key(name).to_string(), problem);
                    continue;
                }
            },
        };
        read.insert((*name).to_owned(), value);
    }
    read
}

fn read_field(name: &str, value: &Value, errors: &Errors) -> Result<Value, Problem> {
    let known = |is_known: fn(&str) -> bool| match value.as_str() {
        Some(slug) if is_known(slug) => Ok(value.clone()),
        _ => Err(problem::ENUM),
    };
    match name {
        "musicType" => known(is_music_type),
        "showType" => known(is_show_type),
        _ => errors.read_text(value).map(Value::String).ok_or(problem::STRING),
    }
}

/// The fields of a category as they are read: every one of them, null when it was never set.
pub(crate) fn shown_fields(category: &str, ean: Option<String>, set: Option<&Map<String, Value>>) -> Value {
    let known: &[&str] = match category {
        "LIVRE_PAPIER" => &["author", "ean"],
        "SUPPORT_PHYSIQUE_MUSIQUE_CD" | "SUPPORT_PHYSIQUE_MUSIQUE_VINYLE" => {
            &["author", "ean", "musicType", "performer"]
        }
        other => event_category(other).or_else(|| product_category(other)).map_or(EAN, |category| category.fields),
    };
    let mut shown: Map<String, Value> = known
        .iter()
        .map(|name| {
            let value = set.and_then(|set| set.get(*name)).cloned().unwrap_or(Value::Null);
            let value = if *name == "ean" { ean.clone().map_or(value, Value::String) } else { value };
            ((*name).to_owned(), shown_value(name, value))
        })
        .collect();
    shown.insert("category".to_owned(), json!(category));
    Value::Object(shown)
}

/// The backend keeps codes, and shows each code's own slug.
fn shown_value(name: &str, value: Value) -> Value {
    match (name, value.as_str()) {
        ("showType", Some(slug)) => json!(shown_show_type(slug)),
        ("musicType", Some(slug)) => json!(shown_music_type(slug)),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_required_fields_are_fields() {
        let mut seen = std::collections::HashSet::new();
        for category in EVENTS.iter().chain(&PRODUCTS) {
            assert!(seen.insert(category.id), "{}", category.id);
            assert!(category.required.iter().all(|name| category.fields.contains(name)), "{}", category.id);
        }
    }

    #[test]
    fn a_book_as_a_product_names_every_permitted_category() {
        let mut errors = Errors::default();
        assert!(read_union(&json!({"category": "LIVRE_PAPIER", "ean": "9782070286256"}), &mut errors).is_none());
        let Err(answer) = errors.finish() else { panic!("refused") };
        let super::super::errors::AnswerBody::Json(body) = answer.body else { panic!("a JSON body") };
        assert_eq!(body["categoryRelatedFields.category"].as_array().map(Vec::len), Some(27));
        assert_eq!(body["categoryRelatedFields.musicType"], json!(["field required", "field required"]));
        assert_eq!(body["categoryRelatedFields.showType"], json!(["field required", "field required"]));
        assert_eq!(body.as_object().map(Map::len), Some(3));
    }
}
