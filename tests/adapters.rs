//! What adapters can do is told by their facets; the table for people is held against them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use passerelle::registry::{ADAPTERS, SIMULATORS};
use passerelle_contract::{Adapter, Context};
use serde_json::{Value, json};

/// Settings with which each adapter can be made; a new one is added here.
fn settings(id: &str) -> Value {
    match id {
        "csv" => json!({ "path": "stock.csv" }),
        "stock-api" => json!({ "api_url": "https://shop.example/stocks", "siret": "1", "price_unit": "euro" }),
        "stock-push" => json!({ "token": { "file": "token" } }),
        "boost" => json!({ "base_url": "https://boost.example/", "username": "u", "password": { "file": "token" } }),
        "cds" => json!({ "account_id": "reseau", "cinema_id": "cinema", "api_token": { "file": "token" } }),
        "ems" => json!({
            "schedule_url": "https://ems.example/schedule", "user": "u", "password": { "file": "token" },
            "booking_url": "https://ems.example/booking/", "source": "s", "secret": { "file": "token" }, "site_id": "0042",
        }),
        "allocine" => json!({ "api_key": { "file": "token" }, "theater_id": "P9421", "price_cents": 650 }),
        "cgr" => {
            json!({ "base_url": "https://cgr.example/ws", "username": "u", "password": { "file": "token" }, "cinema_id": "c" })
        }
        "pretix" => json!({
            "base_url": "https://pretix.example/", "organizer": "o", "token": { "file": "token" }, "events": ["e"],
            "category": "CONCERT", "music_type": "ROCK", "booking_contact": "a@theatre.example",
        }),
        "billetweb" => json!({
            "user": "1", "key": { "file": "token" }, "events": ["1"], "category": "CONCERT", "music_type": "JAZZ",
            "booking_contact": "a@b.example",
        }),
        "weezevent" => json!({
            "username": "u", "password": { "file": "token" }, "api_key": { "file": "token" }, "events": ["1"],
            "category": "CONCERT", "music_type": "JAZZ", "booking_contact": "a@b.example",
        }),
        "webhook" => json!({
            "mode": "synchronous", "booking_url": "https://theatre.example/book", "cancel_url": "https://theatre.example/free",
            "secret": { "file": "signing" },
        }),
        other => panic!("no settings for `{other}` yet"),
    }
}

fn row(id: &str, title: &str, adapter: &dyn Adapter) -> String {
    let mark = |can: bool| if can { "yes" } else { "–" };
    let simulated = SIMULATORS.iter().any(|(simulated, _)| *simulated == id);
    // Shows that its software states itself are none that the adapter pulls.
    let shows = if adapter.states_shows() { "stated" } else { mark(adapter.screenings().is_some()) };
    format!(
        "| `{id}` | {title} | {} | {} | {shows} | {} | {} | {} |\n",
        mark(adapter.stock().is_some()),
        mark(adapter.push_intake().is_some()),
        mark(adapter.box_office().is_some()),
        mark(adapter.notices().is_some()),
        mark(simulated)
    )
}

#[test]
fn the_capability_table_is_what_the_facets_say() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "t").unwrap();
    let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    std::fs::write(folder.path().join("signing"), secret).unwrap();
    let head =
        "| Adapter | | pulls stock | takes posted stock | screenings | sells seats | told of bookings | simulator |";
    let mut table = format!("{head}\n|---|---|---|---|---|---|---|---|\n");
    for descriptor in ADAPTERS {
        let context = Context { base_dir: folder.path().into(), ..Context::default() };
        let adapter = (descriptor.connect)(&settings(descriptor.id), context).unwrap();
        table.push_str(&row(descriptor.id, descriptor.title, adapter.as_ref()));
    }
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/adapters/README.md")).unwrap();
    assert!(guide.contains(&table), "adapters/README.md should hold this table:\n{table}");
}

#[test]
fn every_adapter_has_a_schema_with_properties_and_an_id_of_its_own() {
    for (index, descriptor) in ADAPTERS.iter().enumerate() {
        let schema = (descriptor.settings_schema)();
        assert!(schema["properties"].as_object().is_some_and(|properties| !properties.is_empty()), "{}", descriptor.id);
        assert!(ADAPTERS.iter().skip(index + 1).all(|other| other.id != descriptor.id));
    }
}
