//! Venues as a provider sees them.
//!
//! Invariant: a venue whose link is gone answers exactly as one that never existed.

use serde_json::{Value, json};

use super::errors::{Answer, Errors, Outcome};
use super::offer::Accessibility;
use super::seed::is_siret;
use super::server::Call;
use super::state::{Venue, World};

/// When every venue and offerer of the sandbox was created: the seed has no dates.
const CREATED: &str = "2022-02-22T22:22:22Z";
const SIREN_PATTERN: &str = r"^(\d{9}|NC\d{7})$";
const SIRET_PATTERN: &str = r"^(\d{14}|NC\d{10}XX)$";

/// `GET /public/offers/v1/offerer_venues`
pub(crate) fn list(world: &World, call: &Call) -> Outcome {
    let siren = call.query("siren");
    if let Some(siren) = siren
        && !is_siren(siren)
    {
        let mut errors = Errors::default();
        errors.add("siren", format!("string does not match regex \"{SIREN_PATTERN}\""));
        errors.finish()?;
    }
    let offerers = offerers(world);
    let mut groups = Vec::new();
    for (position, (key, venues)) in offerers.iter().enumerate() {
        let linked: Vec<&&Venue> = venues.iter().filter(|v| v.linked.contains(&call.account)).collect();
        if linked.is_empty() || siren.is_some_and(|wanted| wanted != *key) {
            continue;
        }
        groups.push(json!({
            "offerer": {
                "id": position + 1,
                "createdDatetime": CREATED,
                "name": venues.first().map(|v| v.name.as_str()),
                "siren": key,
                "allowedOnAdage": false,
            },
            "venues": linked.iter().map(|v| venue_json(v)).collect::<Vec<_>>(),
        }));
    }
    Ok(Answer::ok(Value::Array(groups)))
}

/// `GET /public/offers/v1/venues/{siret}`
pub(crate) fn by_siret(world: &World, call: &Call, siret: &str) -> Outcome {
    if !is_siret(siret) {
        return Err(Answer::listed(400, "siret", format!("string does not match regex \"{SIRET_PATTERN}\"")));
    }
    let venue = world.venues.values().find(|v| v.siret.as_deref() == Some(siret));
    venue
        .filter(|v| v.linked.contains(&call.account))
        .map(|v| Answer::ok(venue_json(v)))
        .ok_or_else(|| Answer::plain(404, "global", "Venue cannot be found"))
}

/// Venues by SIREN, offerers in the order of their first venue's id.
fn offerers(world: &World) -> Vec<(&str, Vec<&Venue>)> {
    let mut groups: Vec<(&str, Vec<&Venue>)> = Vec::new();
    let mut positions = std::collections::HashMap::new();
    for venue in world.venues.values() {
        let position = *positions.entry(venue.siren()).or_insert_with(|| {
            groups.push((venue.siren(), Vec::new()));
            groups.len() - 1
        });
        groups[position].1.push(venue);
    }
    groups
}

fn is_siren(text: &str) -> bool {
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    digits(text, 9) || text.strip_prefix("NC").is_some_and(|rest| digits(rest, 7))
}

fn venue_json(venue: &Venue) -> Value {
    let location = if venue.siret.is_some() {
        json!({
            "type": "physical",
            "address": venue.street,
            "city": venue.city,
            "postalCode": venue.postal_code,
        })
    } else {
        json!({ "type": "digital" })
    };
    // The backend shows the addresses of the venue's first link, which may be another provider's.
    let urls = venue.linked.first().and_then(|first| venue.urls.get(first));
    json!({
        "id": venue.id,
        "siret": venue.siret,
        "siretComment": null,
        "createdDatetime": CREATED,
        "location": location,
        "legalName": venue.name,
        "publicName": venue.name,
        "activityDomain": venue.activity,
        "accessibility": accessibility(),
        "notificationUrl": urls.and_then(|u| u.notification.as_deref()),
        "bookingUrl": urls.and_then(|u| u.booking.as_deref()),
        "cancelUrl": urls.and_then(|u| u.cancel.as_deref()),
    })
}

/// The four flags; the sandbox's venues declare none of them.
pub(crate) fn accessibility() -> Value {
    flags([false; 4])
}

/// Flags as they are written.
pub(crate) fn flags([audio, mental, motor, visual]: Accessibility) -> Value {
    json!({
        "audioDisabilityCompliant": audio,
        "mentalDisabilityCompliant": mental,
        "motorDisabilityCompliant": motor,
        "visualDisabilityCompliant": visual,
    })
}
