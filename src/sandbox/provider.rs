//! The provider's own record and its messaging addresses, at provider and venue level.
//!
//! Speaks the new validator generation.
//!
//! Invariant: booking and cancel addresses are both set or both unset, at each level.

use serde_json::{Value, json};
use url::Url;

use super::errors::{Answer, Errors, Outcome, new};
use super::server::Call;
use super::state::{EventDate, MessagingUrls, World};
use super::validate::{Fields, Loc};

/// Longest address accepted by the validator.
const MAX_URL: usize = 2083;
/// Longest notification address the provider's column holds; past it the database fails.
const MAX_STORED_NOTIFICATION: usize = 255;

const BOTH_OR_NONE: &str = "Your `booking_url` and `cancel_url` must be either both set or both unset";

/// `GET /public/providers/v1/provider`
pub(crate) fn show(world: &World, call: &Call) -> Outcome {
    let account = &world.accounts[call.account];
    Ok(Answer::ok(json!({
        "id": account.id,
        "name": account.name,
        "logoUrl": null,
        "notificationUrl": account.urls.notification,
        "bookingUrl": account.urls.booking,
        "cancelUrl": account.urls.cancel,
    })))
}

/// `PATCH /public/providers/v1/provider`
pub(crate) fn update(world: &mut World, call: &Call) -> Outcome {
    let change = UrlChange::read(&call.body, "ProviderUpdate")?;
    let current = &world.accounts[call.account].urls;
    let urls = change.applied_to(current)?;
    if current.has_ticketing() && !urls.has_ticketing() {
        check_can_unset(world, call, None)?;
    }
    if urls.notification.as_ref().is_some_and(|url| url.chars().count() > MAX_STORED_NOTIFICATION) {
        return Err(Answer::crash());
    }
    world.accounts[call.account].urls = urls;
    show(world, call)
}

/// `PATCH /public/providers/v1/venues/{venueId}`
pub(crate) fn update_venue(world: &mut World, call: &Call, venue_id: i64) -> Outcome {
    let change = UrlChange::read(&call.body, "VenueProviderExternalUrlsUpdate")?;
    let not_found = || Answer::plain(404, "global", "This venue cannot be found");
    let id = world.linked_venue(call.account, venue_id).ok_or_else(not_found)?;
    super::closing::refuse_if_closed(world, id)?;
    let current = world.venues.get(&id).and_then(|v| v.urls.get(&call.account)).cloned().unwrap_or_default();
    let urls = change.applied_to(&current)?;
    if current.has_ticketing() && !urls.has_ticketing() {
        check_can_unset(world, call, Some(id))?;
    }
    let venue = world.venues.get_mut(&id).ok_or_else(not_found)?;
    if urls.notification.is_none() && urls.booking.is_none() {
        venue.urls.remove(&call.account);
    } else {
        venue.urls.insert(call.account, urls);
    }
    Ok(Answer::no_content())
}

/// The addresses of a ticketing stay while a date to come was ever booked, even when the booking was cancelled and the
/// date deleted since (measured).
fn check_can_unset(world: &World, call: &Call, venue: Option<u32>) -> Result<(), Answer> {
    let was_booked = |date: &EventDate| {
        let bookings = world.by_stock.get(&date.stock.id).and_then(|offer| world.by_offer.get(offer));
        let of_date = |id: &u64| world.bookings.get(id).is_some_and(|b| b.stock == date.stock.id);
        date.beginning > call.now && bookings.is_some_and(|ids| ids.iter().any(of_date))
    };
    let blocking: Vec<u64> = world
        .offers
        .values()
        .filter(|offer| offer.owner == call.account && venue.is_none_or(|venue| offer.venue == venue))
        .filter(|offer| offer.event().is_some_and(|e| e.has_ticket && e.dates.values().any(was_booked)))
        .map(|offer| offer.id)
        .collect();
    if blocking.is_empty() {
        return Ok(());
    }
    let message = format!(
        "You cannot unset your `booking_url` and `cancel_url` because you have event(s) with stocks linked to your ticketing system. Blocking event ids: {blocking:?}"
    );
    Err(Answer::listed(400, "ticketing_urls", message))
}

/// What a body wants changed: absent is unchanged, null is unset.
struct UrlChange {
    notification: Option<Option<String>>,
    booking: Option<Option<String>>,
    cancel: Option<Option<String>>,
}

impl UrlChange {
    fn read(body: &Value, model: &str) -> Result<Self, Answer> {
        let mut errors = Errors::default();
        if !body.is_object() {
            errors.add("", format!("Input should be a valid dictionary or instance of {model}"));
        }
        let fields = Fields::of(body);
        fields.refuse_extra(&["notificationUrl", "bookingUrl", "cancelUrl"], new::EXTRA, &Loc::Root, &mut errors);
        let mut read = |key: &str| -> Option<Option<String>> {
            let value = fields.get(key)?;
            match checked_url(value) {
                Ok(url) => Some(url),
                Err(message) => {
                    errors.add(key, message);
                    None
                }
            }
        };
        let change =
            Self { notification: read("notificationUrl"), booking: read("bookingUrl"), cancel: read("cancelUrl") };
        errors.finish()?;
        Ok(change)
    }

    fn applied_to(self, current: &MessagingUrls) -> Result<MessagingUrls, Answer> {
        let urls = MessagingUrls {
            notification: self.notification.unwrap_or_else(|| current.notification.clone()),
            booking: self.booking.unwrap_or_else(|| current.booking.clone()),
            cancel: self.cancel.unwrap_or_else(|| current.cancel.clone()),
        };
        if urls.booking.is_some() == urls.cancel.is_some() {
            Ok(urls)
        } else {
            Err(Answer::listed(400, "ticketing_urls", BOTH_OR_NONE))
        }
    }
}

/// The text as sent (blanks around it taken away) when it is an http(s) address.
fn checked_url(value: &Value) -> Result<Option<String>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim(),
        _ => return Err(new::URL_TYPE.to_owned()),
    };
    if text.chars().count() > MAX_URL {
        return Err(new::URL_LONG.to_owned());
    }
    match Url::parse(text) {
        _ if text.is_empty() => Err("Input should be a valid URL, input is empty".to_owned()),
        Err(error) => Err(format!("Input should be a valid URL, {error}")),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => Err(new::URL_SCHEME.to_owned()),
        Ok(_) => Ok(Some(text.to_owned())),
    }
}
