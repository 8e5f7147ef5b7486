use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2035-03-01T12:00:00Z";

fn rules<'a>(items: Option<&'a [i64]>) -> Rules<'a> {
    Rules { items, channel: "web", now: NOW.parse().unwrap() }
}

fn event() -> Value {
    json!({
        "slug": "mouette", "live": true, "has_subevents": true, "name": { "fr": "La Mouette rieuse" }, "currency": "EUR",
        "date_from": "2035-03-01T20:00:00+01:00", "all_sales_channels": true,
    })
}

fn date() -> Value {
    json!({ "id": 7, "active": true, "date_from": "2035-03-10T20:30:00+01:00" })
}

fn item() -> Value {
    json!({
        "id": 11, "active": true, "name": { "fr": "Tarif pass Culture" }, "admission": true, "default_price": "12.00",
        "all_sales_channels": true,
    })
}

fn kind() -> Value {
    json!({ "id": 21, "active": true, "value": { "fr": "Balcon" }, "default_price": null, "all_sales_channels": true })
}

fn quota(left: Value) -> Value {
    json!({ "subevent": 7, "items": [11], "variations": [21], "closed": false, "available_number": left })
}

fn with(mut base: Value, over: &Value) -> Value {
    for (name, value) in over.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

fn read<T: serde::de::DeserializeOwned>(json: &Value) -> T {
    serde_json::from_str(&json.to_string()).unwrap()
}

fn raw(json: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(json).unwrap()
}

fn programme(event: &Value, items: &[Value], dates: &[Value], quotas: &[Value]) -> Programme {
    Programme {
        event: read(event),
        locale: None,
        items: items.iter().map(raw).collect(),
        dates: dates.iter().map(raw).collect(),
        quotas: quotas.iter().map(|quota| serde_json::from_str(&quota.to_string()).ok()).collect(),
    }
}

fn rows(programme: &Programme) -> Rows {
    Rows::of(programme, &rules(None), 1)
}

fn good(rows: &Rows) -> Vec<&Screening> {
    rows.rows.iter().filter_map(|row| if let Row::Good(one) = row { Some(one) } else { None }).collect()
}

fn codes(rows: &Rows) -> Vec<(&str, Option<&str>)> {
    fn code(row: &Row<Screening>) -> Option<(&str, Option<&str>)> {
        match row {
            Row::Poison(error) => Some((error.problem.code, error.key.as_deref())),
            Row::Good(_) => None,
        }
    }
    rows.rows.iter().filter_map(code).collect()
}

fn open(event_over: &Value, date_over: &Value) -> bool {
    rules(None).is_open(&read(&with(event(), event_over)), Some(&read(&with(date(), date_over))))
}

#[test]
fn what_the_shop_does_not_sell_is_not_open() {
    let same = json!({});
    assert!(open(&same, &same));
    for over in [
        json!({ "live": false }),
        json!({ "all_sales_channels": false }),
        json!({ "all_sales_channels": false, "limit_sales_channels": ["api.other"] }),
        json!({ "all_sales_channels": "true", "limit_sales_channels": "web" }),
        json!({ "presale_end": "2035-03-01T11:59:00Z" }),
        json!({ "presale_end": "soon" }),
        json!({ "presale_start": "2035-03-01T12:01:00Z" }),
    ] {
        assert!(!open(&over, &same), "{over}");
    }
    assert!(open(&json!({ "all_sales_channels": false, "limit_sales_channels": ["pretixpos", "web"] }), &same));
    for over in [
        json!({ "active": false }),
        json!({ "date_from": "2035-03-01T13:00:00+01:00" }),
        json!({ "date_from": null }),
        json!({ "date_from": "2035-03-10T20:30:00" }),
        json!({ "presale_end": NOW }),
        json!({ "presale_start": "2035-03-02T00:00:00Z" }),
    ] {
        assert!(!open(&same, &over), "{over}");
    }
    // The date's own word counts before the event's.
    assert!(open(&json!({ "presale_end": "2035-01-01T00:00:00Z" }), &json!({ "presale_end": "2035-03-09T00:00:00Z" })));
}

fn offer(date_over: &Value, item_over: &Value, kind_over: Option<&Value>) -> Offer {
    let item: Item = read(&with(item(), item_over));
    let kind: Option<Variation> = kind_over.map(|over| read(&with(kind(), over)));
    rules(None).offer(&read(&event()), Some(&read(&with(date(), date_over))), &item, kind.as_ref())
}

#[test]
fn what_keeps_a_beneficiary_from_buying_is_not_offered() {
    let same = json!({});
    assert_eq!(offer(&same, &same, None), Offer::At(Cents(1_200)));
    for over in [
        json!({ "active": false }),
        json!({ "admission": false }),
        json!({ "require_voucher": true }),
        json!({ "hide_without_voucher": true }),
        json!({ "require_approval": true }),
        json!({ "require_membership": "yes" }),
        json!({ "require_bundling": true }),
        json!({ "issue_giftcard": true }),
        json!({ "bundles": [{ "count": 1 }] }),
        json!({ "addons": [{ "min_count": 0 }, { "min_count": 1 }] }),
        json!({ "addons": [{}] }),
        json!({ "min_per_order": 2 }),
        json!({ "available_from": "2035-03-02T00:00:00Z" }),
        json!({ "available_until": "2035-02-01T00:00:00Z" }),
        json!({ "available_until": [] }),
        json!({ "all_sales_channels": false }),
        json!({ "has_variations": true }),
    ] {
        assert_eq!(offer(&same, &over, None), Offer::No, "{over}");
    }
    let harmless =
        json!({ "addons": [{ "min_count": 0 }], "bundles": [], "min_per_order": 1, "require_voucher": null });
    assert_eq!(offer(&same, &harmless, None), Offer::At(Cents(1_200)));
    for over in [
        json!({ "active": false }),
        json!({ "require_approval": true }),
        json!({ "require_membership": true }),
        json!({ "hide_without_voucher": true }),
        json!({ "available_until": NOW }),
        json!({ "all_sales_channels": false }),
    ] {
        assert_eq!(offer(&same, &same, Some(&over)), Offer::No, "{over}");
    }
    assert_eq!(offer(&json!({ "seat_category_mapping": { "Parterre": 11 } }), &same, None), Offer::No);
    assert_eq!(offer(&json!({ "seat_category_mapping": { "Parterre": 12 } }), &same, None), Offer::At(Cents(1_200)));
}

#[test]
fn the_settings_name_items_and_cannot_name_away_what_keeps_people_out() {
    let (event, date): (Event, SubEvent) = (read(&event()), read(&date()));
    let told =
        |items: &[i64], over: &Value| rules(Some(items)).offer(&event, Some(&date), &read(&with(item(), over)), None);
    assert_eq!(told(&[11], &json!({ "admission": false })), Offer::At(Cents(1_200)));
    assert_eq!(told(&[12], &json!({})), Offer::No);
    assert_eq!(told(&[11], &json!({ "require_voucher": true })), Offer::No);
}

#[test]
fn the_price_is_the_dates_else_the_kinds_else_the_items() {
    let same = json!({});
    let special = |name: &str, id: i64, more: &Value| {
        let list = if name == "item" { "item_price_overrides" } else { "variation_price_overrides" };
        json!({ list: [{ name: 99, "price": "1.00" }, with(json!({ name: id }), more)] })
    };
    assert_eq!(offer(&special("item", 11, &json!({ "price": "8.50" })), &same, None), Offer::At(Cents(850)));
    assert_eq!(offer(&special("item", 11, &json!({ "price": null })), &same, None), Offer::At(Cents(1_200)));
    assert_eq!(offer(&special("item", 11, &json!({ "disabled": true })), &same, None), Offer::No);
    assert_eq!(
        offer(&special("item", 11, &json!({ "available_from": "2035-04-01T00:00:00Z" })), &same, None),
        Offer::No
    );
    assert_eq!(offer(&special("item", 11, &json!({ "price": "odd" })), &same, None), Offer::Odd);
    let kind = json!({ "default_price": "25.00" });
    assert_eq!(offer(&same, &same, Some(&same)), Offer::At(Cents(1_200)));
    assert_eq!(offer(&same, &same, Some(&kind)), Offer::At(Cents(2_500)));
    assert_eq!(offer(&special("variation", 21, &json!({ "price": "0.00" })), &same, Some(&kind)), Offer::At(Cents(0)));
    assert_eq!(offer(&special("variation", 21, &json!({ "disabled": true })), &same, Some(&kind)), Offer::No);
    // An item that is off for the date is off in all its kinds; its price is not theirs.
    assert_eq!(offer(&special("item", 11, &json!({ "disabled": true })), &same, Some(&kind)), Offer::No);
    assert_eq!(offer(&special("item", 11, &json!({ "price": "8.50" })), &same, Some(&kind)), Offer::At(Cents(2_500)));
    for odd in ["12.005", "300.01", "-1.00"] {
        assert_eq!(offer(&same, &json!({ "default_price": odd }), None), Offer::Odd, "{odd}");
    }
    assert_eq!(offer(&same, &json!({ "default_price": null }), None), Offer::Odd);
}

#[test]
fn the_smallest_quota_counts() {
    let key = |variation| Key { event: "mouette".into(), date: Some(7), item: 11, variation };
    let left = |quotas: &[Value], variation| remaining(&programme(&event(), &[], &[], quotas).quotas, &key(variation));
    let exactly = |number| Some(Quantity::Exactly(number));
    assert_eq!(left(&[quota(json!(40)), quota(json!(6)), quota(json!(null))], None), exactly(6));
    assert_eq!(left(&[quota(json!(null))], None), Some(Quantity::Unlimited));
    assert_eq!(left(&[], None), exactly(0));
    assert_eq!(left(&[quota(json!(-3))], None), exactly(0));
    assert_eq!(left(&[with(quota(json!(9)), &json!({ "closed": true }))], None), exactly(0));
    assert_eq!(left(&[with(quota(json!(9)), &json!({ "subevent": 8 }))], None), exactly(0));
    assert_eq!(left(&[with(quota(json!(9)), &json!({ "subevent": null }))], None), exactly(0));
    assert_eq!(left(&[with(quota(json!(9)), &json!({ "items": [12] }))], None), exactly(0));
    assert_eq!((left(&[quota(json!(9))], Some(21)), left(&[quota(json!(9))], Some(22))), (exactly(9), exactly(0)));
    // One that cannot be read may be the smallest; one of another date cannot.
    assert_eq!(left(&[quota(json!(9)), quota(json!("many"))], None), None);
    assert_eq!(left(&[quota(json!(9)), json!({ "id": 1 })], None), None);
    assert_eq!(left(&[quota(json!(9)), with(quota(json!("many")), &json!({ "subevent": 8 }))], None), exactly(9));
}

#[test]
fn a_show_has_a_place_for_each_price_category() {
    let with_kinds = with(
        item(),
        &json!({ "id": 12, "name": { "fr": "Place" }, "has_variations": true, "variations": [
        kind(), with(kind(), &json!({ "id": 22, "value": { "fr": "Parterre" }, "default_price": "25.00" })),
    ] }),
    );
    let quotas = [with(quota(json!(5)), &json!({ "items": [11, 12], "variations": [21, 22] }))];
    let read = rows(&programme(&event(), &[item(), with_kinds], &[date()], &quotas));
    let [show] = good(&read)[..] else { panic!("{:?}", read.rows) };
    assert_eq!((show.film.key.as_str(), show.film.title.as_str()), ("mouette", "La Mouette rieuse"));
    assert_eq!(show.showtime.key, "mouette/7");
    let places =
        show.showtime.places.iter().map(|one| (one.key.as_str(), one.tariff.label.as_str(), one.tariff.price.0));
    assert_eq!(
        places.collect::<Vec<_>>(),
        [
            ("mouette/7/11/-", "Tarif pass Culture", 1_200),
            ("mouette/7/12/21", "Place – Balcon", 1_200),
            ("mouette/7/12/22", "Place – Parterre", 2_500),
        ]
    );
    let begins: Timestamp = "2035-03-10T19:30:00Z".parse().unwrap();
    assert_eq!(show.showtime.starts, Starts::At(SystemTime::try_from(begins).unwrap()));
    assert!(!read.hides);
}

#[test]
fn an_event_with_one_date_is_one_show() {
    let single =
        json!({ "has_subevents": false, "date_from": "2035-03-09T20:00:00Z", "date_to": "2035-03-09T21:45:00Z" });
    let quotas = [with(quota(json!(5)), &json!({ "subevent": null }))];
    let read = rows(&programme(&with(event(), &single), &[item()], &[], &quotas));
    let show = good(&read)[0];
    assert_eq!((show.showtime.key.as_str(), show.film.duration_minutes), ("mouette/-", Some(105)));
    assert_eq!(show.showtime.places[0].key, "mouette/-/11/-");
    let season =
        json!({ "has_subevents": false, "date_from": "2035-03-09T20:00:00Z", "date_to": "2035-06-09T21:45:00Z" });
    assert_eq!(
        good(&rows(&programme(&with(event(), &season), &[item()], &[], &quotas)))[0].film.duration_minutes,
        None
    );
}

#[test]
fn a_show_that_is_not_open_is_stated_without_places_whatever_its_quotas_say() {
    let off = with(date(), &json!({ "active": false }));
    for quotas in [vec![quota(json!(5))], vec![json!({})]] {
        let read = rows(&programme(&event(), &[item()], std::slice::from_ref(&off), &quotas));
        assert_eq!(good(&read)[0].showtime.places[0].remaining, Quantity::Exactly(0));
    }
}

#[test]
fn odd_records_lose_nothing_but_themselves() {
    let quotas = [quota(json!(5))];
    let whole = |event: &Value, items: &[Value], dates: &[Value]| rows(&programme(event, items, dates, &quotas));
    let read = whole(&event(), &[json!({ "id": "x" }), item(), json!(7)], &[json!({}), date()]);
    assert_eq!((good(&read).len(), codes(&read)), (1, vec![("UnreadableItem", None); 3]));
    assert!(read.hides);
    let dear = with(item(), &json!({ "id": 13, "default_price": "x" }));
    let read = whole(&event(), &[dear, item()], &[date()]);
    assert_eq!((good(&read).len(), codes(&read)), (1, vec![("UnreadableItem", Some("mouette/7/13/-"))]));
    assert!(read.hides);
    let show = |code| vec![(code, Some("mouette/7"))];
    let read = whole(&event(), &[item()], &[with(date(), &json!({ "date_from": "demain" }))]);
    assert_eq!(codes(&read), show("UnreadableShow"));
    let read = whole(&with(event(), &json!({ "name": {} })), &[item()], &[date()]);
    assert_eq!(codes(&read), show("UnreadableShow"));
    let read = whole(&with(event(), &json!({ "currency": "CHF" })), &[item()], &[date()]);
    assert_eq!(codes(&read), show("Currency"));
    let read = whole(&event(), &[with(item(), &json!({ "active": false }))], &[date()]);
    assert_eq!(codes(&read), show("NoPassCultureTariff"));
    assert!(!read.hides);
    let read = whole(&event(), &[item()], &[with(date(), &json!({ "id": 1_000_000_000 }))]);
    assert_eq!(codes(&read), vec![("UnreadableShow", Some("mouette/1000000000"))]);
}

proptest! {
    // Each case tries every field with every kind of value.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_values_make_it_panic(text in "\\PC{0,30}", number in any::<f64>(), id in any::<i64>()) {
        for odd in [json!(text), json!(number), json!(id), json!([text, id]), json!({ "fr": number, "a": text }), json!(null)] {
            for name in ["name", "date_from", "date_to", "currency", "presale_end", "limit_sales_channels", "default_price",
                "variations", "item_price_overrides", "id", "items", "subevent", "available_number", "seat_category_mapping"] {
                let over = json!({ name: odd });
                let Ok(event) = serde_json::from_str::<Event>(&with(event(), &over).to_string()) else { continue };
                let quotas = [serde_json::from_str(&with(quota(json!(3)), &over).to_string()).ok()];
                let (items, dates) = (vec![raw(&with(item(), &over))], vec![raw(&with(date(), &over))]);
                let programme = Programme { event, locale: Some(text.clone()), items, dates, quotas: quotas.into() };
                let read = rows(&programme);
                prop_assert!(!read.rows.is_empty());
            }
        }
    }
}
