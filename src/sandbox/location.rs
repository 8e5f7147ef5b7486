//! The `location` of an offer: at the venue, at an address, or online.
//!
//! Pure, in the old validator generation. Unknown fields are ignored, snake case is taken.
//!
//! Invariant: an error inside a location carries the variant's name in its key.

use serde_json::Value;

use super::errors::{Errors, old};
use super::validate::{Fields, Loc, cast_int, cast_str};

/// Longest and shortest address label.
const LABEL: std::ops::RangeInclusive<usize> = 1..=200;

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
    let inner = Fields::of(value);
    let kind = match inner.get("type") {
        None => {
            errors.add("location", "Discriminator 'type' is missing in value");
            return None;
        }
        Some(kind) => kind,
    };
    let variant = match kind.as_str() {
        Some("physical") => "PhysicalLocation",
        Some("digital") => "DigitalLocation",
        Some("address") => "AddressLocation",
        _ => {
            let shown = python_repr(kind);
            errors.add(
                "location",
                format!(
                    "No match for discriminator 'type' and value {shown} (allowed values: 'physical', 'digital', 'address')"
                ),
            );
            return None;
        }
    };
    let root = Loc::Root;
    let location = root.key("location");
    let at = location.key(variant);
    let venue_id = required_int(&inner, "venueId", &at, errors);
    let mut address = None;
    let mut url = None;
    match variant {
        "DigitalLocation" => url = read_digital_url(&inner, &at, errors),
        "AddressLocation" => {
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
    let number = cast_int(value);
    if number.is_none() {
        errors.add(at.key(name).to_string(), old::INTEGER);
    }
    number
}

fn read_label(fields: &Fields<'_>, at: &Loc<'_>, errors: &mut Errors) -> Option<String> {
    let value = fields.present("addressLabel")?;
    let key = || at.key("addressLabel").to_string();
    let Some(label) = cast_str(value) else {
        errors.add(key(), old::STRING);
        return None;
    };
    let length = label.chars().count();
    if length < *LABEL.start() {
        errors.add(key(), "ensure this value has at least 1 characters");
    } else if length > *LABEL.end() {
        errors.add(key(), "ensure this value has at most 200 characters");
    }
    Some(label)
}

/// The upsert ignores the address of a digital location, but its validator does not.
fn read_digital_url(fields: &Fields<'_>, at: &Loc<'_>, errors: &mut Errors) -> Option<String> {
    let value = fields.required("url", at, errors)?;
    let key = || at.key("url").to_string();
    let Some(text) = value.as_str() else {
        errors.add(key(), old::STRING);
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

/// What the old validator says of an address that is not http or https.
pub(super) fn url_problem(text: &str) -> Option<&'static str> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => None,
        Ok(_) => Some("URL scheme not permitted"),
        Err(url::ParseError::EmptyHost) => Some("URL host invalid"),
        Err(_) => Some("invalid or missing URL scheme"),
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
