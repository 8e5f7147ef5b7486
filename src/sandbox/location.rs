//! The `location` of an offer: at the venue, at an address, or online.
//!
//! Pure, as either validator reads it: the old one ignores unknown fields. Snake case is taken.
//!
//! Invariant: an error inside a location carries the variant's name in its key.

use serde_json::Value;

use super::errors::{Errors, Problem, problem};
use super::validate::{Fields, Loc, cast_int, is_whole};

/// Longest and shortest address label.
const LABEL: std::ops::RangeInclusive<usize> = 1..=200;

/// How a location is tagged, the old validator's name of its model, and its fields.
const VARIANTS: [(&str, &str, &[&str]); 3] = [
    ("physical", "PhysicalLocation", &["type", "venueId"]),
    ("digital", "DigitalLocation", &["type", "venueId", "url"]),
    ("address", "AddressLocation", &["type", "venueId", "addressId", "addressLabel"]),
];

/// What a location says; an address by id and label.
pub(super) struct LocationBody {
    pub(super) venue_id: i64,
    pub(super) address: Option<(i64, Option<String>)>,
    /// Where an online offer takes place.
    pub(super) url: Option<String>,
}

/// The three variants of a location; a field's key carries the variant's name.
pub(super) fn read_location(fields: &Fields<'_>, errors: &mut Errors) -> Option<LocationBody> {
    let value = fields.required("location", &Loc::Root, errors)?;
    let root = Loc::Root;
    let location = root.key("location");
    let inner = Fields::of_object(value, &location, errors)?;
    let kind = match inner.get("type") {
        None => {
            errors.add("location", problem::NO_TYPE);
            return None;
        }
        Some(kind) => kind,
    };
    let Some((tag, model, own)) = VARIANTS.iter().find(|(tag, _, _)| kind.as_str() == Some(tag)) else {
        errors.add("location", Problem::no_such_tag("type", kind, &["physical", "digital", "address"]));
        return None;
    };
    let at = location.key(if errors.is_new() { tag } else { model });
    inner.refuse_extra_inside(own, &at, errors);
    let venue_id = required_int(&inner, "venueId", &at, errors);
    let mut address = None;
    let mut url = None;
    match *tag {
        "digital" => url = read_digital_url(&inner, &at, errors),
        "address" => {
            let id = required_int(&inner, "addressId", &at, errors);
            let label = read_label(&inner, &at, errors);
            address = id.map(|id| (id, label));
        }
        _ => {}
    }
    Some(LocationBody { venue_id: venue_id?, address, url })
}

fn required_int(fields: &Fields<'_>, name: &str, at: &Loc<'_>, errors: &mut Errors) -> Option<i64> {
    let value = fields.required(name, at, errors)?;
    let number = cast_int(value).filter(|_| !errors.is_new() || is_whole(value));
    if number.is_none() {
        errors.add(at.key(name).to_string(), Problem::not_cast(value));
    }
    number
}

fn read_label(fields: &Fields<'_>, at: &Loc<'_>, errors: &mut Errors) -> Option<String> {
    let value = fields.present("addressLabel")?;
    let key = || at.key("addressLabel").to_string();
    let Some(label) = errors.read_text(value) else {
        errors.add(key(), problem::STRING);
        return None;
    };
    let length = label.chars().count();
    if length < *LABEL.start() {
        errors.add(key(), Problem::text_below(*LABEL.start()));
    } else if length > *LABEL.end() {
        errors.add(key(), Problem::text_above(*LABEL.end()));
    }
    Some(label)
}

/// The upsert ignores the address of a digital location, but its validator does not.
fn read_digital_url(fields: &Fields<'_>, at: &Loc<'_>, errors: &mut Errors) -> Option<String> {
    let value = fields.required("url", at, errors)?;
    let key = || at.key("url").to_string();
    let Some(text) = value.as_str() else {
        errors.add(key(), problem::STRING);
        return None;
    };
    match url_problem(text) {
        None => Some(text.to_owned()),
        Some(message) => {
            errors.add(key(), message);
            None
        }
    }
}

/// What the validators say of an address that is not http or https.
pub(super) fn url_problem(text: &str) -> Option<Problem> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => None,
        Ok(_) => Some(problem::URL_SCHEME),
        Err(url::ParseError::EmptyHost) => Some(problem::URL_HOST),
        Err(_) => Some(problem::URL_RELATIVE),
    }
}

pub(super) fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}
