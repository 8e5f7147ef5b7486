//! The organizer's lists and objects, as its API writes them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::books::{Books, SimEvent, SimItem, SimShow, unix_now};

/// An amount as pretix writes it.
pub(super) fn euros(cents: u32) -> Value {
    json!(format!("{}.{:02}", cents / 100, cents % 100))
}

/// A moment with the offset of Paris.
fn moment(seconds: i64) -> Value {
    let at = Timestamp::from_second(seconds).unwrap_or_default();
    let zone = TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC);
    json!(at.display_with_offset(zone.to_offset(at)).to_string())
}

fn maybe(seconds: Option<i64>) -> Value {
    seconds.map_or(Value::Null, moment)
}

pub(super) fn event(books: &Books, event: &SimEvent) -> Value {
    let single = books.show(&event.slug, None);
    json!({
        "name": event.name, "slug": event.slug, "live": event.live, "testmode": false, "currency": event.currency,
        "date_from": moment(single.map_or_else(unix_now, |show| show.starts_at)),
        "date_to": maybe(single.map(|show| show.starts_at + 5_400)), "date_admission": null, "is_public": true,
        "presale_start": null, "presale_end": maybe(single.and_then(|show| show.presale_end)),
        "location": { "fr": "3 quai des Brumes, 29900 Saint-Orlan" }, "geo_lat": null, "geo_lon": null,
        "has_subevents": event.series, "meta_data": {}, "seating_plan": null, "plugins": [],
        "seat_category_mapping": {}, "timezone": "Europe/Paris", "item_meta_properties": {}, "valid_keys": {},
        "all_sales_channels": true, "limit_sales_channels": [], "public_url": "http://ailleurs.example/demo/",
        "new_in_some_release": { "a": [1] },
    })
}

pub(super) fn date(books: &Books, show: &SimShow) -> Value {
    let first = books.events.get(&show.event).and_then(|event| event.items.first()).map_or(0, |item| item.id);
    let mut overrides: Vec<Value> =
        show.special_cents.map(|cents| special(first, euros(cents), false)).into_iter().collect();
    overrides.extend(show.disabled.iter().map(|item| special(*item, Value::Null, true)));
    json!({
        "id": show.id, "name": { "fr": "La Mouette rieuse" }, "event": show.event, "active": show.active,
        "is_public": true, "date_from": moment(show.starts_at), "date_to": moment(show.starts_at + 7_200),
        "date_admission": null, "presale_start": null, "presale_end": maybe(show.presale_end), "location": null,
        "geo_lat": null, "geo_lon": null, "frontpage_text": {}, "seating_plan": null, "seat_category_mapping": {},
        "item_price_overrides": overrides, "variation_price_overrides": [], "meta_data": {}, "comment": null,
        "last_modified": moment(unix_now()),
    })
}

fn special(item: i64, price: Value, disabled: bool) -> Value {
    json!({ "item": item, "price": price, "disabled": disabled, "available_from": null, "available_until": null })
}

pub(super) fn item(item: &SimItem) -> Value {
    let kinds: Vec<Value> = item
        .variations
        .iter()
        .zip(0..)
        .map(|(kind, position)| {
            json!({
                "id": kind.id, "value": { "fr": kind.value }, "active": true, "description": null, "position": position,
                "default_price": kind.cents.map_or(Value::Null, euros), "price": euros(kind.cents.unwrap_or(item.cents)),
                "original_price": null, "require_approval": false, "require_membership": false,
                "available_from": null, "available_until": null, "hide_without_voucher": false,
                "all_sales_channels": true, "limit_sales_channels": [],
            })
        })
        .collect();
    json!({
        "id": item.id, "name": { "fr": item.name }, "internal_name": null, "active": item.active, "category": null,
        "all_sales_channels": true, "limit_sales_channels": [], "default_price": euros(item.cents),
        "free_price": false, "tax_rate": "0.00", "tax_rule": null, "admission": item.admission, "position": 0,
        "available_from": null, "available_until": null, "require_voucher": item.require_voucher,
        "hide_without_voucher": item.require_voucher, "allow_cancel": true, "require_bundling": false,
        "min_per_order": null, "max_per_order": null, "has_variations": !item.variations.is_empty(),
        "variations": kinds, "addons": [], "bundles": [], "require_approval": false, "require_membership": false,
        "issue_giftcard": false, "meta_data": {}, "validity_mode": null, "media_policy": null,
    })
}

/// The quotas of an event, or of one date of it.
pub(super) fn quotas(books: &Books, event: &SimEvent, date: Option<i64>, counted: bool) -> Vec<Value> {
    let kinds: Vec<i64> = event.items.iter().flat_map(|item| &item.variations).map(|kind| kind.id).collect();
    let all: Vec<i64> = event.items.iter().map(|item| item.id).collect();
    let first = all.first().copied().unwrap_or(0);
    let meant = |show: &&SimShow| show.event == event.slug && date.is_none_or(|date| show.id == date);
    let mut told = Vec::new();
    for show in books.shows.values().filter(meant) {
        for quota in Books::quotas(show, first) {
            let left = books.left_of(show, &quota);
            let mut json = json!({
                "id": quota.id, "name": "jauge", "size": quota.size, "subevent": event.series.then_some(show.id),
                "items": quota.only.map_or_else(|| all.clone(), |only| vec![only]),
                "variations": if quota.only.is_some() { Vec::new() } else { kinds.clone() },
                "closed": show.closed, "close_when_sold_out": false, "release_after_exit": false,
                "ignore_for_event_availability": false,
            });
            if counted && !books.quirks.silent_quotas {
                json["available"] = json!(left != Some(0));
                json["available_number"] = json!(left);
            }
            told.push(json);
        }
    }
    told
}
