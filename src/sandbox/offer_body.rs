//! What the bodies of events and products have in common, as either validator reads it.
//!
//! Pure: values in, fields or errors out. Absent, null and a value are told apart, for an edition changes only what
//! it names.
//!
//! Invariant: reading never looks at the state; what depends on it is checked by `offer_rules`.

use jiff::Timestamp;
use serde_json::Value;

use super::errors::{Errors, Problem, problem};
use super::location::{LocationBody, read_location};
use super::offer::Accessibility;
use super::validate::{DateProblem, Fields, Loc, cast_bool, cast_int, datetime, is_whole};

/// Longest id of the provider's own, for offers, dates and price categories.
pub(super) const MAX_ID_AT_PROVIDER: usize = 70;
const MAX_DESCRIPTION: usize = 10_000;
const MAX_URL: usize = 2083;
/// Names: longest on creation, longest on edition.
const MAX_NEW_NAME: usize = 90;
const MAX_NAME: usize = 140;
const FLAGS: [&str; 4] =
    ["audioDisabilityCompliant", "mentalDisabilityCompliant", "motorDisabilityCompliant", "visualDisabilityCompliant"];

/// A field of an edition: absent, null, or a value.
pub(super) type Change<T> = Option<Option<T>>;

/// Fields of any offer, each as far as the body names it.
#[derive(Default)]
pub(super) struct CommonBody {
    pub(super) name: Option<String>,
    pub(super) accessibility: [Option<bool>; 4],
    pub(super) booking_contact: Change<String>,
    pub(super) booking_email: Change<String>,
    pub(super) description: Change<String>,
    pub(super) ticket_office_url: Change<String>,
    pub(super) collection_details: Change<String>,
    pub(super) id_at_provider: Change<String>,
    pub(super) duo: Change<bool>,
    pub(super) image: Option<ImageBody>,
    /// Absent, unpublished, or at a moment.
    pub(super) publication: Change<Timestamp>,
    pub(super) booking_allowed: Change<Timestamp>,
    pub(super) location: Option<LocationBody>,
    /// `isActive` of an edition, deprecated.
    pub(super) active: Option<bool>,
}

/// A picture in a JSON body.
pub(super) struct ImageBody {
    pub(super) file: String,
    pub(super) credit: Option<String>,
}

/// Names of the fields that a creation takes, whatever the kind.
pub(super) const CREATION_FIELDS: [&str; 14] = [
    "name",
    "accessibility",
    "bookingContact",
    "bookingEmail",
    "categoryRelatedFields",
    "description",
    "externalTicketOfficeUrl",
    "itemCollectionDetails",
    "idAtProvider",
    "enableDoubleBookings",
    "image",
    "publicationDatetime",
    "bookingAllowedDatetime",
    "location",
];

/// Names of the fields that an edition takes, whatever the kind.
pub(super) const EDITION_FIELDS: [&str; 14] = [
    "name",
    "accessibility",
    "bookingContact",
    "bookingEmail",
    "categoryRelatedFields",
    "description",
    "isActive",
    "itemCollectionDetails",
    "idAtProvider",
    "enableDoubleBookings",
    "image",
    "publicationDatetime",
    "bookingAllowedDatetime",
    "location",
];

/// Reads a creation.
pub(super) fn read_creation(fields: &Fields<'_>, now: Timestamp, errors: &mut Errors) -> CommonBody {
    let mut body = read_shared(fields, now, errors);
    body.name = fields
        .required("name", &Loc::Root, errors)
        .and_then(|value| read_text(value, "name", 0..=MAX_NEW_NAME, errors));
    body.ticket_office_url = optional(fields, "externalTicketOfficeUrl", errors, read_url);
    if let Some(value) = fields.required("accessibility", &Loc::Root, errors) {
        body.accessibility = read_accessibility(value, true, errors);
    }
    body.location = read_location(fields, errors);
    body
}

/// Reads an edition. A null name is told by the caller, for kinds differ.
pub(super) fn read_edition(fields: &Fields<'_>, now: Timestamp, errors: &mut Errors) -> CommonBody {
    let mut body = read_shared(fields, now, errors);
    body.name = fields.present("name").and_then(|value| read_text(value, "name", 1..=MAX_NAME, errors));
    if let Some(value) = fields.present("accessibility") {
        body.accessibility = read_accessibility(value, false, errors);
    }
    if fields.present("location").is_some() {
        body.location = read_location(fields, errors);
    }
    body.active = optional(fields, "isActive", errors, read_bool).flatten();
    body
}

fn read_shared(fields: &Fields<'_>, now: Timestamp, errors: &mut Errors) -> CommonBody {
    CommonBody {
        booking_contact: optional(fields, "bookingContact", errors, read_email),
        booking_email: optional(fields, "bookingEmail", errors, read_email),
        description: optional(fields, "description", errors, |v, k, e| read_text(v, k, 0..=MAX_DESCRIPTION, e)),
        collection_details: optional(fields, "itemCollectionDetails", errors, |v, k, e| {
            read_text(v, k, 0..=usize::MAX, e)
        }),
        id_at_provider: read_id_at_provider(fields, &Loc::Root, errors),
        duo: optional(fields, "enableDoubleBookings", errors, read_bool),
        image: fields.present("image").and_then(|value| read_image(value, errors)),
        publication: read_publication(fields, now, errors),
        booking_allowed: optional(fields, "bookingAllowedDatetime", errors, |value, key, errors| {
            super::validate::future(value, now).map_err(|message| errors.add(key, message)).ok()
        }),
        ..CommonBody::default()
    }
}

/// Reads a field that may be absent or null.
pub(super) fn optional<T>(
    fields: &Fields<'_>,
    name: &str,
    errors: &mut Errors,
    read: impl Fn(&Value, &str, &mut Errors) -> Option<T>,
) -> Change<T> {
    match fields.get(name)? {
        Value::Null => Some(None),
        value => read(value, name, errors).map(Some),
    }
}

/// Text between two lengths, in characters.
pub(super) fn read_text(
    value: &Value,
    key: &str,
    length: std::ops::RangeInclusive<usize>,
    errors: &mut Errors,
) -> Option<String> {
    let Some(text) = errors.read_text(value) else {
        errors.add(key, problem::STRING);
        return None;
    };
    let count = text.chars().count();
    if count < *length.start() {
        errors.add(key, Problem::text_below(*length.start()));
    } else if count > *length.end() {
        errors.add(key, Problem::text_above(*length.end()));
    } else {
        return Some(text);
    }
    None
}

/// `idAtProvider`, wherever it stands.
pub(super) fn read_id_at_provider(fields: &Fields<'_>, at: &Loc<'_>, errors: &mut Errors) -> Change<String> {
    let key = at.key("idAtProvider").to_string();
    match fields.get("idAtProvider")? {
        Value::Null => Some(None),
        value => read_text(value, &key, 0..=MAX_ID_AT_PROVIDER, errors).map(Some),
    }
}

pub(super) fn read_bool(value: &Value, key: &str, errors: &mut Errors) -> Option<bool> {
    let flag = cast_bool(value);
    if flag.is_none() {
        errors.add(key, Problem::not_boolean(value));
    }
    flag
}

pub(super) fn read_int(value: &Value, key: &str, errors: &mut Errors) -> Option<i64> {
    let number = cast_int(value).filter(|_| !errors.is_new() || is_whole(value));
    if number.is_none() {
        errors.add(key, Problem::not_cast(value));
    }
    number
}

fn read_email(value: &Value, key: &str, errors: &mut Errors) -> Option<String> {
    let Some(text) = value.as_str() else {
        errors.add(key, problem::STRING);
        return None;
    };
    let text = text.trim();
    let well_formed = text.split_once('@').is_some_and(|(local, domain)| {
        let plain = |part: &str| !part.is_empty() && !part.contains(['@', ' ', ',', ';']);
        plain(local) && plain(domain) && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
    });
    if !well_formed {
        errors.add(key, problem::EMAIL);
        return None;
    }
    Some(text.to_owned())
}

/// An http(s) address, kept as it was sent.
pub(super) fn read_url(value: &Value, key: &str, errors: &mut Errors) -> Option<String> {
    let Some(text) = value.as_str() else {
        errors.add(key, problem::STRING);
        return None;
    };
    if text.chars().count() > MAX_URL {
        errors.add(key, Problem::text_above(MAX_URL));
        return None;
    }
    match super::location::url_problem(text) {
        None => Some(text.to_owned()),
        Some(message) => {
            errors.add(key, message);
            None
        }
    }
}

fn read_accessibility(value: &Value, required: bool, errors: &mut Errors) -> [Option<bool>; 4] {
    let root = Loc::Root;
    let at = root.key("accessibility");
    let Some(fields) = Fields::of_object(value, &at, errors) else { return [None; 4] };
    fields.refuse_extra_inside(&FLAGS, &at, errors);
    FLAGS.map(|name| {
        let found = if required { fields.required(name, &at, errors) } else { fields.present(name) };
        found.and_then(|value| read_bool(value, &at.key(name).to_string(), errors))
    })
}

fn read_image(value: &Value, errors: &mut Errors) -> Option<ImageBody> {
    let root = Loc::Root;
    let at = root.key("image");
    let fields = Fields::of_object(value, &at, errors)?;
    fields.refuse_extra_inside(&["file", "credit"], &at, errors);
    let file = fields.required("file", &at, errors)?;
    let file = read_text(file, "image.file", 0..=usize::MAX, errors)?;
    let credit = fields.present("credit").and_then(|v| read_text(v, "image.credit", 0..=usize::MAX, errors));
    Some(ImageBody { file, credit })
}

/// `"now"`, a future moment, or null.
fn read_publication(fields: &Fields<'_>, now: Timestamp, errors: &mut Errors) -> Change<Timestamp> {
    const KEY: &str = "publicationDatetime";
    let value = match fields.get(KEY)? {
        Value::Null => return Some(None),
        Value::String(text) if text == "now" => return Some(Some(now)),
        value => value,
    };
    match datetime(value) {
        Ok(moment) if moment < now => errors.add(KEY, problem::PAST),
        Ok(moment) => return Some(Some(moment)),
        Err(DateProblem::Naive) => errors.add(KEY, problem::NAIVE),
        Err(problem) => {
            errors.add_branches(KEY, [("datetime", problem.of(value)), ("literal['now']", problem::NOW)]);
        }
    }
    None
}

/// The four flags of a creation, which are all there once it was accepted.
pub(super) fn all_flags(flags: [Option<bool>; 4]) -> Accessibility {
    flags.map(Option::unwrap_or_default)
}
