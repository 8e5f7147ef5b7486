//! What is known of a film or a show: by its key, its number at the vendor, or its number at pass Culture.

use serde_json::{Value, json};

use crate::cli::{CliContext, CliError};
use crate::clock::show;
use crate::gateway::Gateway;
use crate::rules::screenings::{DateTerms, EventTerms};
use crate::store::events::{DateRow, EventRow};

/// Tells every date that the thing names; of an event, all its dates. False when there is none.
pub(super) async fn explain(context: &CliContext, gateway: &Gateway, thing: &str) -> Result<bool, CliError> {
    let mut known = false;
    for connection in gateway.store.connections().await? {
        let events = gateway.store.events(&connection.id).await?;
        if events.is_empty() {
            continue;
        }
        let dates = gateway.store.dates(&connection.id).await?;
        for event in &events {
            let its: Vec<&DateRow> = dates.iter().filter(|date| date.event == event.key).collect();
            let whole = names_event(event, &its, thing);
            let told: Vec<&&DateRow> = its.iter().filter(|date| whole || names_date(date, thing)).collect();
            if !whole && told.is_empty() {
                continue;
            }
            known = true;
            tell_event(context, &connection.id, event);
            for date in told {
                tell_date(context, &connection.id, date);
            }
        }
    }
    Ok(known)
}

fn names_event(event: &EventRow, dates: &[&DateRow], thing: &str) -> bool {
    event.key == thing
        || event.offer_id.is_some_and(|id| id.to_string() == thing)
        || dates.iter().filter_map(|date| terms(date)).any(|terms| terms.order.film_key == thing)
}

fn names_date(date: &DateRow, thing: &str) -> bool {
    date.key == thing
        || date.stock_id.is_some_and(|id| id.to_string() == thing)
        || terms(date).is_some_and(|terms| terms.order.show_key == thing || terms.order.places_key == thing)
}

fn terms(date: &DateRow) -> Option<DateTerms> {
    serde_json::from_str(date.desired.as_deref().or(date.acknowledged.as_deref())?).ok()
}

fn tell_event(context: &CliContext, connection: &str, event: &EventRow) {
    let wanted: Option<EventTerms> = event.desired.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let name = wanted.as_ref().map_or("", |wanted| wanted.name.as_str());
    let picture = event.picture.as_deref().and_then(|known| known.lines().nth(1));
    context.output.json(&json!({
        "event": "offer", "connection": connection, "key": event.key, "name": name, "offer_id": event.offer_id,
        "in_step": event.acknowledged.is_some() && event.acknowledged == event.desired, "refused": event.refused,
        "picture": picture,
    }));
    let number = event.offer_id.map_or_else(|| "not made yet".to_owned(), |id| format!("offer {id}"));
    context.output.text(format!("“{name}” at {connection} ({}): {number}", event.key));
    if let Some(why) = &event.refused {
        context.output.text(format!("  refused           {why}"));
    }
    if let Some(why) = picture.filter(|text| text.starts_with("useless")) {
        context.output.text(format!("  picture           {why}"));
    }
}

fn tell_date(context: &CliContext, connection: &str, date: &DateRow) {
    let wanted: Option<DateTerms> = date.desired.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let had: Option<DateTerms> = date.acknowledged.as_deref().and_then(|text| serde_json::from_str(text).ok());
    context.output.json(&json!({
        "event": "date", "connection": connection, "key": date.key, "offer_key": date.event, "starts_at": show(date.starts_at),
        "stock_id": date.stock_id, "desired": wanted.as_ref().map(|terms| object(terms, date.desired_quantity)),
        "acknowledged": had.as_ref().map(|terms| object(terms, date.acknowledged_quantity)), "refused": date.refused,
        "verdict": verdict(date),
    }));
    let number = date.stock_id.map_or_else(|| "not made yet".to_owned(), |id| format!("stock {id}"));
    context.output.text(format!("  {} ({}): {number}", show(date.starts_at), date.key));
    let told = |terms: &Option<DateTerms>, places| {
        terms.as_ref().map_or_else(|| "nothing".to_owned(), |terms| sentence(terms, places))
    };
    context.output.text(format!("    the vendor says   {}", told(&wanted, date.desired_quantity)));
    context.output.text(format!("    pass Culture has  {}", told(&had, date.acknowledged_quantity)));
    context.output.text(format!("    verdict           {}", verdict(date)));
}

fn object(terms: &DateTerms, places: Option<u32>) -> Value {
    json!({
        "label": terms.category.label, "price_cents": terms.category.price_cents, "starts_at": show(terms.starts_at),
        "quantity": places.map_or_else(|| json!("unlimited"), |places| json!(places)),
    })
}

fn sentence(terms: &DateTerms, places: Option<u32>) -> String {
    let places = places.map_or_else(|| "unlimited places".to_owned(), |places| format!("{places} place(s)"));
    let price = passerelle_contract::Cents(terms.category.price_cents);
    format!("{places} at {price}, {}, {}", terms.category.label, show(terms.starts_at))
}

fn verdict(date: &DateRow) -> String {
    match (&date.refused, &date.desired) {
        (Some(why), _) => format!("refused by pass Culture: {why}"),
        (None, None) => "gone at the vendor; closed while somebody holds a ticket".to_owned(),
        (None, Some(_)) if date.stock_id.is_none() => "waits to be pushed: `passerelle push` does it now".to_owned(),
        (None, desired) if *desired == date.acknowledged && date.desired_quantity == date.acknowledged_quantity => {
            "in step".to_owned()
        }
        (None, Some(_)) => "waits to be pushed: `passerelle push` does it now".to_owned(),
    }
}
