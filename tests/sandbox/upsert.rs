//! The bulk upsert: what it refuses, and what it does later.

use std::time::{Duration, Instant};

use passerelle::sandbox::{OfferTruth, ProductStatus, Sandbox, SeedProduct, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::*;

fn item() -> Value {
    json!({"ean": BOOK, "stock": {"price": 799, "quantity": 3}})
}

/// The item with one field of itself or, with `stock.`, of its stock changed.
fn item_with(field: &str, value: Value) -> Value {
    let mut item = item();
    match field.strip_prefix("stock.") {
        Some(field) => item["stock"][field] = value,
        None => item[field] = value,
    }
    item
}

#[tokio::test]
async fn one_bad_item_refuses_the_whole_call_with_its_key() {
    let sandbox = start().await;
    let integer = "value is not a valid integer";
    let unlimited = "unexpected value; permitted: 'unlimited'";
    let cases: Vec<(Value, &str, Vec<&str>)> = vec![
        (item_with("ean", json!("978207028625")), "ean", vec!["ensure this value has at least 13 characters"]),
        (item_with("ean", json!("97820702862560")), "ean", vec!["ensure this value has at most 13 characters"]),
        (item_with("ean", json!(null)), "ean", vec!["none is not an allowed value"]),
        (item_with("ean", json!([])), "ean", vec!["str type expected"]),
        (json!({"stock": {"price": 1}}), "ean", vec!["field required"]),
        (json!({"ean": BOOK}), "stock", vec!["field required"]),
        (item_with("stock", json!(null)), "stock", vec!["none is not an allowed value"]),
        (item_with("stock", json!({"quantity": 1})), "stock.price", vec!["field required"]),
        (item_with("stock.price", json!("1000")), "stock.price", vec![integer]),
        (item_with("stock.price", json!(1000.0)), "stock.price", vec![integer]),
        (item_with("stock.price", json!(12.34)), "stock.price", vec![integer]),
        (item_with("stock.price", json!(true)), "stock.price", vec![integer]),
        (item_with("stock.price", json!(null)), "stock.price", vec!["none is not an allowed value"]),
        (item_with("stock.price", json!(-1)), "stock.price", vec!["ensure this value is greater than or equal to 0"]),
        (
            item_with("stock.price", json!(30001)),
            "stock.price",
            vec!["ensure this value is less than or equal to 30000"],
        ),
        (item_with("stock.quantity", json!("3")), "stock.quantity", vec![integer, unlimited]),
        (item_with("stock.quantity", json!(3.0)), "stock.quantity", vec![integer, unlimited]),
        (item_with("stock.quantity", json!(true)), "stock.quantity", vec![integer, unlimited]),
        (item_with("stock.quantity", json!("Unlimited")), "stock.quantity", vec![integer, unlimited]),
        (item_with("stock.quantity", json!(-1)), "stock.quantity", vec!["Value must be positive"]),
        (item_with("stock.quantity", json!(1_000_001)), "stock.quantity", vec!["Value must be less than 1000000"]),
        (
            item_with("stock.bookingLimitDatetime", json!("2031-01-01T00:00:00")),
            "stock.bookingLimitDatetime",
            vec!["The datetime must be timezone-aware."],
        ),
        (
            item_with("stock.bookingLimitDatetime", json!("2021-01-01T00:00:00Z")),
            "stock.bookingLimitDatetime",
            vec!["The datetime must be in the future."],
        ),
        (
            item_with("stock.bookingLimitDatetime", json!("demain")),
            "stock.bookingLimitDatetime",
            vec!["invalid datetime format"],
        ),
        (
            item_with("publicationDatetime", json!("NOW")),
            "publicationDatetime",
            vec!["invalid datetime format", "unexpected value; permitted: 'now'"],
        ),
        (
            item_with("publicationDatetime", json!("2021-01-01T00:00:00+02:00")),
            "publicationDatetime",
            vec!["The datetime must be in the future."],
        ),
        (
            item_with("publicationDatetime", json!(1_000_000)),
            "publicationDatetime",
            vec!["The datetime must be in the future."],
        ),
        (
            item_with("bookingAllowedDatetime", json!("2031-01-01T00:00:00")),
            "bookingAllowedDatetime",
            vec!["The datetime must be timezone-aware."],
        ),
        (item_with("idAtProvider", json!("x")), "idAtProvider", vec!["extra fields not permitted"]),
        (item_with("name", json!("x")), "name", vec!["extra fields not permitted"]),
        (json!(null), "", vec!["none is not an allowed value"]),
        (
            json!({"ean": BOOK, "publicationDatetime": "2032-01-01T00:00:00Z",
                "stock": {"price": 1, "bookingLimitDatetime": "2031-01-01T00:00:00Z"}}),
            "__root__",
            vec!["`stock.bookingLimitDatetime` must be after `publicationDatetime`"],
        ),
        (
            json!({"ean": BOOK, "bookingAllowedDatetime": "2032-01-01T00:00:00Z",
                "stock": {"price": 1, "bookingLimitDatetime": "2031-01-01T00:00:00Z"}}),
            "__root__",
            vec!["`stock.bookingLimitDatetime` must be after `bookingAllowedDatetime`"],
        ),
    ];
    for (bad, key, messages) in cases {
        let good = json!({"ean": NOVEL, "stock": {"price": 1, "quantity": 1}});
        let answer = upsert(&sandbox, 535, json!([good, bad])).await;
        let key = if key.is_empty() { "products.1".to_owned() } else { format!("products.1.{key}") };
        assert_eq!(answer, (400, json!({ key: messages })), "{bad}");
    }
    assert_eq!(sandbox.offers(), [], "nothing was queued");
    sandbox.stop().await;
}

#[tokio::test]
async fn locations_are_told_apart_by_their_type() {
    let sandbox = start().await;
    let cases = [
        (json!({"venueId": 535}), 400, json!({"location": ["Discriminator 'type' is missing in value"]})),
        (
            json!({"type": "orbital", "venueId": 535}),
            400,
            json!({"location": [
                "No match for discriminator 'type' and value 'orbital' (allowed values: 'physical', 'digital', 'address')"
            ]}),
        ),
        (json!(null), 400, json!({"location": ["none is not an allowed value"]})),
        (json!({"type": "physical"}), 400, json!({"location.PhysicalLocation.venueId": ["field required"]})),
        (
            json!({"type": "physical", "venueId": "x"}),
            400,
            json!({"location.PhysicalLocation.venueId": ["value is not a valid integer"]}),
        ),
        (json!({"type": "digital", "venueId": 535}), 400, json!({"location.DigitalLocation.url": ["field required"]})),
        (
            json!({"type": "address", "venueId": 535, "addressId": "x"}),
            400,
            json!({"location.AddressLocation.addressId": ["value is not a valid integer"]}),
        ),
        (
            json!({"type": "address", "venueId": 535, "addressId": 7}),
            404,
            json!({"location.AddressLocation.addressId": ["There is no address with id 7"]}),
        ),
        (json!({"type": "physical", "venueId": 700}), 404, json!({"global": "Venue cannot be found"})),
        (json!({"type": "physical", "venueId": 9999}), 404, json!({"global": "Venue cannot be found"})),
        (
            json!({"type": "physical", "venueId": 800}),
            400,
            json!({"location": ["Cannot create product offer for virtual venues"]}),
        ),
        (json!({"type": "physical", "venueId": "535"}), 204, Value::Null),
        (json!({"type": "physical", "venue_id": 535, "colour": "red"}), 204, Value::Null),
        (json!({"type": "digital", "venueId": 535, "url": "https://x.example"}), 204, Value::Null),
    ];
    for (location, status, answer) in cases {
        let body = json!({"location": location, "products": [item()]});
        let got = call(&sandbox, Method::POST, EAN_PATH, Some(body)).await;
        assert_eq!(got, (status, answer), "{location}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn the_call_itself_has_a_shape_and_a_limit() {
    let sandbox = start().await;
    let location = json!({"type": "physical", "venueId": 535});
    let cases = [
        (json!({"location": location, "products": 5}), 400, json!({"products": ["value is not a valid list"]})),
        (json!({"location": location, "products": null}), 400, json!({"products": ["none is not an allowed value"]})),
        (json!({"location": location, "products": [], "x": 1}), 400, json!({"x": ["extra fields not permitted"]})),
        (json!({"location": location, "products": []}), 204, Value::Null),
        (json!({"location": location, "products": vec![item(); 500]}), 204, Value::Null),
        (
            json!({"location": location, "products": vec![item(); 501]}),
            400,
            json!({"products": ["ensure this value has at most 500 items"]}),
        ),
    ];
    for (body, status, answer) in cases {
        let got = call(&sandbox, Method::POST, EAN_PATH, Some(body)).await;
        assert_eq!(got, (status, answer));
    }
    assert_eq!(sandbox.offers().len(), 1, "equal EANs of one call are one");
    sandbox.stop().await;
}

#[tokio::test]
async fn what_cannot_be_sold_is_lost_without_a_word() {
    let sandbox = start().await;
    let wrong_digit = "9782070286257";
    let eans = [BANNED, FRAUD, FILM, UNRELEASED, UNKNOWN, wrong_digit, "abcdefghijklm", VINYL];
    let items: Vec<Value> = eans.iter().map(|ean| json!({"ean": ean, "stock": {"price": 1, "quantity": 1}})).collect();
    assert_eq!(upsert(&sandbox, 535, json!(items)).await, (204, Value::Null));
    let kept: Vec<Option<String>> = sandbox.offers().into_iter().map(|o| o.ean).collect();
    assert_eq!(kept, [Some(VINYL.to_owned())]);
    sandbox.drop_eans([BOOK]);
    assert_eq!(upsert(&sandbox, 535, json!([item()])).await.0, 204);
    assert_eq!(sandbox.offer_by_ean(535, BOOK), None);
    sandbox.keep_all_eans();
    assert_eq!(upsert(&sandbox, 535, json!([item()])).await.0, 204);
    assert!(sandbox.offer_by_ean(535, BOOK).is_some());
    sandbox.stop().await;
}

async fn stock(sandbox: &Sandbox) -> Value {
    let (_, body) = get(sandbox, &format!("{EAN_PATH}?eans={BOOK}&venueId=535")).await;
    body["products"][0]["stock"].clone()
}

#[tokio::test]
async fn a_quantity_written_is_what_is_left_and_a_quantity_read_is_the_total() {
    let sandbox = start().await;
    let offer = put_on_sale(&sandbox, BOOK, 799, 5).await;
    sandbox.book(READER, passerelle::sandbox::Bookable::Offer(offer), 1).unwrap();
    let shown = |quantity: Value| json!({"price": 799, "quantity": quantity, "bookedQuantity": 1, "bookingLimitDatetime": null});
    assert_eq!(stock(&sandbox).await, shown(json!(5)));
    // What was sent, and the total it gives.
    for (sent, total) in [
        (json!(5), json!(6)),
        (json!(0), json!(1)),
        (json!("unlimited"), json!("unlimited")),
        (json!(2), json!(3)),
        (json!(null), json!("unlimited")),
    ] {
        upsert(&sandbox, 535, json!([item_with("stock.quantity", sent.clone())])).await;
        assert_eq!(stock(&sandbox).await, shown(total), "{sent}");
    }
    upsert(&sandbox, 535, json!([{"ean": BOOK, "stock": {"price": 799}}])).await;
    assert_eq!(stock(&sandbox).await, shown(json!("unlimited")), "left out is unlimited");
    sandbox.stop().await;
}

#[tokio::test]
async fn quantity_zero_keeps_a_sold_out_stock() {
    let sandbox = start().await;
    upsert(&sandbox, 535, json!([item_with("stock.quantity", json!(0))])).await;
    let offer = sandbox.offer_by_ean(535, BOOK).unwrap();
    assert_eq!((offer.status, offer.remaining, offer.total), ("SOLD_OUT", Some(0), Some(0)));
    sandbox.stop().await;
}

#[tokio::test]
async fn statuses_follow_publication_booking_date_limit_and_stock() {
    let sandbox = start().await;
    let later = "2031-01-01T00:00:00Z";
    let cases = [
        (item(), "ACTIVE"),
        (item_with("publicationDatetime", json!("now")), "ACTIVE"),
        (item_with("publicationDatetime", json!(null)), "INACTIVE"),
        (item_with("publicationDatetime", json!(later)), "SCHEDULED"),
        (item_with("bookingAllowedDatetime", json!(later)), "PUBLISHED"),
        (item_with("publicationDatetime", json!(1_924_992_000)), "SCHEDULED"),
        (item_with("stock.quantity", json!(0)), "SOLD_OUT"),
    ];
    for (item, status) in cases {
        upsert(&sandbox, 535, json!([item.clone()])).await;
        assert_eq!(sandbox.offer_by_ean(535, BOOK).unwrap().status, status, "{item}");
    }
    upsert(&sandbox, 535, json!([item_with("stock.bookingLimitDatetime", json!(later))])).await;
    sandbox.set_settings(Settings { clock_offset_seconds: 6 * 366 * 86_400, ..sandbox.settings() });
    assert_eq!(sandbox.offer_by_ean(535, BOOK).unwrap().status, "EXPIRED");
    sandbox.stop().await;
}

#[tokio::test]
async fn leaving_the_publication_out_republishes() {
    let sandbox = start().await;
    upsert(&sandbox, 535, json!([item_with("publicationDatetime", json!(null))])).await;
    assert!(!sandbox.offer_by_ean(535, BOOK).unwrap().published);
    upsert(&sandbox, 535, json!([item()])).await;
    assert!(sandbox.offer_by_ean(535, BOOK).unwrap().published);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_same_state_sent_again_changes_nothing() {
    let sandbox = start().await;
    upsert(&sandbox, 535, json!([item()])).await;
    let before = get(&sandbox, &format!("{EAN_PATH}?eans={BOOK}&venueId=535")).await;
    upsert(&sandbox, 535, json!([item()])).await;
    assert_eq!(get(&sandbox, &format!("{EAN_PATH}?eans={BOOK}&venueId=535")).await, before);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_last_of_two_equal_eans_wins_and_a_number_is_an_ean() {
    let sandbox = start().await;
    let number = json!({"ean": 9_782_070_286_256_u64, "stock": {"price": 500, "quantity": 9}});
    upsert(&sandbox, 535, json!([item(), number])).await;
    let offer = sandbox.offer_by_ean(535, BOOK).unwrap();
    assert_eq!((offer.price_cents, offer.remaining), (Some(500), Some(9)));
    assert_eq!(sandbox.offers().len(), 1);
    sandbox.stop().await;
}

#[tokio::test]
async fn another_providers_offer_is_taken_over_and_keeps_its_id() {
    let sandbox = start().await;
    let body = json!({"location": {"type": "physical", "venueId": 535}, "products": [item()]});
    assert_eq!(call_as(&sandbox, OTHER_KEY, Method::POST, EAN_PATH, Some(body)).await.0, 204);
    let theirs = sandbox.offer_by_ean(535, BOOK).unwrap();
    assert_eq!(theirs.account, "beta");
    upsert(&sandbox, 535, json!([item()])).await;
    let ours = sandbox.offer_by_ean(535, BOOK).unwrap();
    assert_eq!(ours, OfferTruth { account: "alpha".into(), ..theirs });
    sandbox.stop().await;
}

#[tokio::test]
async fn the_effect_comes_after_the_answer_and_within_two_seconds() {
    let sandbox = start_with(Settings::default()).await;
    let start = Instant::now();
    upsert(&sandbox, 535, json!([item()])).await;
    assert_eq!(sandbox.offers(), [], "204 says queued, no more");
    sandbox.settled().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(sandbox.offer_by_ean(535, BOOK).is_some());
    sandbox.stop().await;
}

#[tokio::test]
async fn two_calls_in_flight_double_a_new_ean_and_later_calls_use_the_newest() {
    let sandbox = start_with(Settings { upsert_delay_ms: 600, ..Settings::default() }).await;
    upsert(&sandbox, 535, json!([item()])).await;
    upsert(&sandbox, 535, json!([item()])).await;
    sandbox.settled().await;
    let ids: Vec<u64> = sandbox.offers().iter().map(|o| o.offer_id).collect();
    assert_eq!(ids.len(), 2);
    upsert(&sandbox, 535, json!([item_with("stock.price", json!(111))])).await;
    sandbox.settled().await;
    assert_eq!(sandbox.offers().len(), 2);
    assert_eq!(sandbox.offer_by_ean(535, BOOK).map(|o| (o.offer_id, o.price_cents)), Some((ids[1], Some(111))));
    sandbox.stop().await;
}

#[tokio::test]
async fn chunks_of_35_are_applied_in_no_fixed_order() {
    let sandbox = start_with(Settings { upsert_delay_ms: 20, any_ean: true, ..Settings::default() }).await;
    let eans: Vec<String> = (0..350).map(book_ean).collect();
    let items: Vec<Value> = eans.iter().map(|ean| json!({"ean": ean, "stock": {"price": 1, "quantity": 1}})).collect();
    upsert(&sandbox, 535, json!(items)).await;
    sandbox.settled().await;
    let applied: Vec<String> = sandbox.offers().into_iter().filter_map(|o| o.ean).collect();
    assert_eq!(applied.len(), eans.len());
    assert_ne!(applied, eans, "ten chunks in their own order would be chance");
    for chunk in eans.chunks(35) {
        let place = applied.iter().position(|e| *e == chunk[0]).unwrap();
        assert_eq!(&applied[place..place + 35], chunk, "a chunk is one transaction");
    }
    sandbox.stop().await;
}

/// The `n`th book EAN with a right check digit.
fn book_ean(n: u64) -> String {
    let body = format!("978{n:09}");
    let sum: u32 = body.bytes().enumerate().map(|(i, b)| u32::from(b - b'0') * if i % 2 == 0 { 1 } else { 3 }).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

#[tokio::test]
async fn a_ban_rejects_the_offer_and_its_lifting_approves_it_again() {
    let sandbox = start().await;
    let offer = put_on_sale(&sandbox, BOOK, 799, 5).await;
    let booking = sandbox.book(READER, passerelle::sandbox::Bookable::Offer(offer), 1).unwrap();
    let product = |status| SeedProduct { ean: BOOK.into(), name: None, category: "LIVRE_PAPIER".into(), status };
    sandbox.set_products(&[product(ProductStatus::ProviderIncompatible)]).unwrap();
    let banned = sandbox.offer_by_ean(535, BOOK).unwrap();
    assert_eq!((banned.status, banned.booked), ("REJECTED", 0));
    let token = format!("/public/bookings/v1/token/{}", booking.token);
    assert_eq!(get(&sandbox, &token).await.0, 410);
    upsert(&sandbox, 535, json!([item_with("stock.price", json!(1))])).await;
    assert_eq!(sandbox.offer_by_ean(535, BOOK).unwrap().price_cents, Some(799), "a rejected offer is frozen");
    sandbox.set_products(&[product(ProductStatus::Compatible)]).unwrap();
    assert_eq!(sandbox.offer_by_ean(535, BOOK).unwrap().status, "ACTIVE");
    sandbox.stop().await;
}
