//! Addresses, for offers held away from their venue.
//!
//! The national address base is not here: every well-formed address is taken as known, at coordinates derived from
//! its text. Speaks the new validator generation.
//!
//! Invariant: the same address has one id.

use serde_json::{Value, json};

use super::errors::{Answer, Errors, Outcome, new};
use super::generation::Generation;
use super::server::Call;
use super::state::{Address, World};
use super::validate::{Fields, Loc};

/// Most addresses kept.
const MAX_ADDRESSES: usize = 100_000;
const POSTAL_PATTERN: &str = r"^(?:0[1-9]|[1-8]\d|9[0-8])\d{3}$";

/// `GET /public/offers/v1/addresses/{id}`
pub(crate) fn show(world: &World, id: i64) -> Outcome {
    let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
    index
        .and_then(|index| world.addresses.get(index).map(|a| Answer::ok(address_json(index, a))))
        .ok_or_else(|| Answer::plain(404, "address", "We could not find any address for the given `id`"))
}

/// `GET /public/offers/v1/addresses/search`
pub(crate) fn search(world: &World, call: &Call) -> Outcome {
    let body: Value = call.query.iter().map(|(k, v)| (k.clone(), Value::String(v.clone()))).collect();
    let wanted = read(&body, call.generation)?;
    let found: Vec<Value> = position(world, &wanted)
        .and_then(|index| world.addresses.get(index).map(|a| address_json(index, a)))
        .into_iter()
        .collect();
    Ok(Answer::ok(json!({ "addresses": found })))
}

/// `POST /public/offers/v1/addresses`: get or create.
pub(crate) fn create(world: &mut World, call: &Call) -> Outcome {
    let wanted = read(&call.body, call.generation)?;
    let index = match position(world, &wanted) {
        Some(index) => index,
        None if world.addresses.len() >= MAX_ADDRESSES => return Err(Answer::crash()),
        None => {
            world.addresses.push(wanted);
            world.addresses.len() - 1
        }
    };
    world.addresses.get(index).map(|a| Answer::ok(address_json(index, a))).ok_or_else(Answer::crash)
}

fn position(world: &World, wanted: &Address) -> Option<usize> {
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    world.addresses.iter().position(|a| {
        same(&a.street, &wanted.street) && same(&a.city, &wanted.city) && a.postal_code == wanted.postal_code
    })
}

fn read(body: &Value, generation: Generation) -> Result<Address, Answer> {
    let mut errors = Errors::default();
    let fields = Fields::of(body);
    let known = ["street", "city", "postalCode", "latitude", "longitude"];
    fields.refuse_extra(&known, new::EXTRA, &Loc::Root, &mut errors);
    let street = text(&fields, "street", &mut errors);
    let city = text(&fields, "city", &mut errors);
    let postal_code = text(&fields, "postalCode", &mut errors);
    if !postal_code.is_empty() && !is_postal_code(&postal_code) {
        errors.add("postalCode", format!("String should match pattern '{POSTAL_PATTERN}'"));
    }
    let latitude = coordinate(&fields, "latitude", 90.0, &mut errors);
    let longitude = coordinate(&fields, "longitude", 180.0, &mut errors);
    errors.finish()?;
    let alone = match (latitude, longitude) {
        (Some(_), None) => Some(("longitude", "`longitude` must be set if `latitude` is provided")),
        (None, Some(_)) => Some(("latitude", "`latitude` must be set if `longitude` is provided")),
        _ => None,
    };
    if let Some((missing, message)) = alone {
        let prefix = if generation.prefixes_own_words() { "Value error, " } else { "" };
        return Err(Answer::listed(400, missing, format!("{prefix}{message}")));
    }
    let made_up = street.bytes().chain(city.bytes()).fold(0u32, |sum, b| (sum * 31 + u32::from(b)) % 100_000);
    Ok(Address {
        street,
        city,
        postal_code,
        latitude: latitude.unwrap_or_else(|| 45.0 + f64::from(made_up) / 100_000.0),
        longitude: longitude.unwrap_or_else(|| 2.0 + f64::from(made_up) / 100_000.0),
    })
}

fn text(fields: &Fields<'_>, name: &str, errors: &mut Errors) -> String {
    match fields.get(name) {
        None => errors.add(name, new::MISSING),
        Some(Value::String(text)) => {
            let text = text.trim();
            match text.chars().count() {
                0 => errors.add(name, "String should have at least 1 character"),
                length if length > 200 => errors.add(name, "String should have at most 200 characters"),
                _ => return text.to_owned(),
            }
        }
        Some(_) => errors.add(name, new::STRING),
    }
    String::new()
}

fn coordinate(fields: &Fields<'_>, name: &str, most: f64, errors: &mut Errors) -> Option<f64> {
    let value = fields.present(name)?;
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    match number {
        None => errors.add(name, "Input should be a valid number"),
        Some(number) if number < -most => {
            errors.add(name, format!("Input should be greater than or equal to -{most}"));
        }
        Some(number) if number > most => errors.add(name, format!("Input should be less than or equal to {most}")),
        Some(number) => return Some((number * 1e5).round() / 1e5),
    }
    None
}

fn is_postal_code(text: &str) -> bool {
    let digits = text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    digits && text.get(..2).and_then(|d| d.parse::<u32>().ok()).is_some_and(|d| (1..=98).contains(&d))
}

fn address_json(index: usize, address: &Address) -> Value {
    json!({
        "id": index + 1,
        "latitude": address.latitude,
        "longitude": address.longitude,
        "banId": null,
        "city": address.city,
        "postalCode": address.postal_code,
        "street": address.street,
    })
}
