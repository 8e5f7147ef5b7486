//! What changed in pass Culture since December 2025: the same requests to each version.

use passerelle::sandbox::Generation::{self, December2025, February2026, September2026};
use passerelle::sandbox::{Bookable, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{BOOK, EAN_PATH, NOVEL, READER, call, get, put_on_sale, start_as, upsert};

const BOOKINGS: &str = "/public/bookings/v1/bookings";
const EVENTS: &str = "/public/offers/v1/events";
const PRODUCTS: &str = "/public/offers/v1/products";
const ALL: [Generation; 3] = [December2025, February2026, September2026];

async fn refused(sandbox: &Sandbox, products: Value) -> Value {
    let (status, body) = upsert(sandbox, 535, products).await;
    assert_eq!(status, 400, "{body}");
    body
}

#[tokio::test]
async fn the_upsert_speaks_the_validator_of_its_time() {
    for generation in ALL {
        let sandbox = start_as(generation).await;
        let new = generation == September2026;
        let say = |old: &str, new_text: &str| json!([if new { new_text } else { old }]);
        let item = |stock: Value| json!([{"ean": BOOK, "stock": stock}]);
        assert_eq!(
            refused(&sandbox, item(json!({"quantity": 1}))).await,
            json!({"products.0.stock.price": say("field required", "Field required")})
        );
        let body = refused(&sandbox, item(json!({"price": "10", "quantity": 1}))).await;
        let expected = say("value is not a valid integer", "Input should be a valid integer");
        assert_eq!(body, json!({"products.0.stock.price": expected}));
        let body = refused(&sandbox, item(json!({"price": 30_001, "quantity": 1}))).await;
        let expected =
            say("ensure this value is less than or equal to 30000", "Input should be less than or equal to 30000");
        assert_eq!(body, json!({"products.0.stock.price": expected}));
        let body = refused(&sandbox, item(json!({"price": null, "quantity": 1}))).await;
        let expected = say("none is not an allowed value", "Input should be a valid integer");
        assert_eq!(body, json!({"products.0.stock.price": expected}));
        let body = refused(&sandbox, item(json!({"price": 1, "quantity": 1.5}))).await;
        let expected = if new {
            json!({
                "products.0.stock.quantity.int": ["Input should be a valid integer"],
                "products.0.stock.quantity.literal['unlimited']": ["Input should be 'unlimited'"],
            })
        } else {
            json!({"products.0.stock.quantity":
                ["value is not a valid integer", "unexpected value; permitted: 'unlimited'"]})
        };
        assert_eq!(body, expected);
        let body = refused(&sandbox, json!([{"ean": "978207028625", "stock": {"price": 1}}])).await;
        let expected = say("ensure this value has at least 13 characters", "String should have at least 13 characters");
        assert_eq!(body, json!({"products.0.ean": expected}));
        let body = refused(&sandbox, json!([{"ean": BOOK, "stock": {"price": 1}, "publicationDatetime": "NOW"}])).await;
        let expected = if new {
            json!({
                "products.0.publicationDatetime.datetime":
                    ["Input should be a valid datetime or date, input is too short"],
                "products.0.publicationDatetime.literal['now']": ["Input should be 'now'"],
            })
        } else {
            json!({"products.0.publicationDatetime":
                ["invalid datetime format", "unexpected value; permitted: 'now'"]})
        };
        assert_eq!(body, expected);
        let limit = json!([{"ean": BOOK, "publicationDatetime": "2099-01-02T00:00:00Z",
                            "stock": {"price": 1, "bookingLimitDatetime": "2099-01-01T00:00:00Z"}}]);
        let key = if new { "products.0" } else { "products.0.__root__" };
        let body = refused(&sandbox, limit).await;
        assert_eq!(body, json!({key: ["`stock.bookingLimitDatetime` must be after `publicationDatetime`"]}));
        let many: Vec<Value> = (0..501).map(|_| json!({"ean": BOOK, "stock": {"price": 1}})).collect();
        let expected = say(
            "ensure this value has at most 500 items",
            "List should have at most 500 items after validation, not 501",
        );
        assert_eq!(refused(&sandbox, json!(many)).await, json!({"products": expected}));
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn what_december_let_through_september_refuses() {
    for generation in ALL {
        let sandbox = start_as(generation).await;
        let new = generation == September2026;
        let number: u64 = BOOK.parse().unwrap();
        let (status, body) = upsert(&sandbox, 535, json!([{"ean": number, "stock": {"price": 1}}])).await;
        let expected = json!({"products.0.ean": ["Input should be a valid string"]});
        assert_eq!((status, body), if new { (400, expected) } else { (204, Value::Null) });
        let (status, body) = upsert(&sandbox, 535, json!([{"ean": BOOK, "stock": {"price": 1, "shelf": 2}}])).await;
        let expected = json!({"products.0.stock.shelf": ["Extra inputs are not permitted"]});
        assert_eq!((status, body), if new { (400, expected) } else { (204, Value::Null) });
        let send = async |location: Value| {
            let products = json!([{"ean": NOVEL, "stock": {"price": 1}}]);
            let body = json!({"location": location, "products": products});
            call(&sandbox, Method::POST, EAN_PATH, Some(body)).await
        };
        let (status, body) = send(json!({"type": "physical", "venueId": 535, "floor": 1})).await;
        let expected = json!({"location.physical.floor": ["Extra inputs are not permitted"]});
        assert_eq!((status, body), if new { (400, expected) } else { (204, Value::Null) });
        assert_eq!(send(json!({"type": "physical", "venueId": "535"})).await.0, 204);
        let (_, body) = send(json!({"venueId": 535})).await;
        let expected = if new {
            "Unable to extract tag using discriminator 'type'"
        } else {
            "Discriminator 'type' is missing in value"
        };
        assert_eq!(body, json!({"location": [expected]}));
        let (_, body) = send(json!({"type": "x", "venueId": 535})).await;
        let expected = if new {
            "Input tag 'x' found using 'type' does not match any of the expected tags: 'physical', 'digital', 'address'"
        } else {
            "No match for discriminator 'type' and value 'x' (allowed values: 'physical', 'digital', 'address')"
        };
        assert_eq!(body, json!({"location": [expected]}));
        let (_, body) = send(json!({"type": "physical"})).await;
        let expected = if new {
            json!({"location.physical.venueId": ["Field required"]})
        } else {
            json!({"location.PhysicalLocation.venueId": ["field required"]})
        };
        assert_eq!(body, expected);
        let (status, body) = get(&sandbox, &format!("{PRODUCTS}?venueId=535&colour=red")).await;
        assert_eq!(status, if new { 400 } else { 200 });
        if new {
            assert_eq!(body, json!({"colour": ["Extra inputs are not permitted"]}));
        }
        // Events keep the old validator, and lists of them ignore what they do not know.
        assert_eq!(get(&sandbox, &format!("{EVENTS}?colour=red")).await.0, 200);
        let (_, body) = call(&sandbox, Method::POST, EVENTS, Some(json!({}))).await;
        assert_eq!(body["name"], json!(["field required"]));
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn bookings_are_listed_by_venue_since_february() {
    for generation in ALL {
        let sandbox = start_as(generation).await;
        let by_venue = generation >= February2026;
        let offers = [put_on_sale(&sandbox, BOOK, 50, 5).await, put_on_sale(&sandbox, NOVEL, 60, 5).await];
        let booked: Vec<u64> =
            offers.iter().map(|offer| sandbox.book(READER, Bookable::Offer(*offer), 1).unwrap().id).collect();
        assert!(sandbox.cancel(booked[0]));
        let ask = async |query: &str| get(&sandbox, &format!("{BOOKINGS}?{query}")).await;
        let ids = |body: &Value| -> Vec<u64> {
            body["bookings"].as_array().unwrap().iter().filter_map(|row| row["id"].as_u64()).collect()
        };
        if !by_venue {
            assert_eq!(ask("").await, (400, json!({"offerId": ["Field required"]})));
            let expected = json!({"offerId": ["Field required"], "venueId": ["Extra inputs are not permitted"]});
            assert_eq!(ask("venueId=535").await, (400, expected));
            assert_eq!(ask("offerId=999").await, (404, json!({"offer": "we could not find this offer id"})));
            continue;
        }
        let neither = json!({"global": ["`offerId` or `venueId` must be set"]});
        assert_eq!(ask("").await, (400, neither.clone()));
        assert_eq!(ask("venueId=0&offerId=0").await, (400, neither));
        assert_eq!(ids(&ask("venueId=535").await.1), booked);
        assert_eq!(ids(&ask("venue_id=535&status=CONFIRMED").await.1), booked[1..]);
        assert_eq!(ids(&ask(&format!("venueId=535&firstIndex={}", booked[1])).await.1), booked[1..]);
        assert_eq!(ids(&ask(&format!("venueId=535&offerId={}", offers[0])).await.1), booked[..1]);
        assert_eq!(ids(&ask(&format!("venueId=536&offerId={}", offers[0])).await.1), Vec::<u64>::new());
        assert_eq!(ask("venueId=700").await, (404, json!({"venueId": "we could not find this venue"})));
        assert_eq!(ask("venueId=700&offerId=999").await.1, json!({"venueId": "we could not find this venue"}));
        assert_eq!(ask("offerId=999").await, (404, json!({"offerId": "we could not find this offer"})));
        for (query, key, text) in [
            ("venueId=535&limit=51", "limit", "Input should be less than or equal to 50"),
            ("venueId=535&limit=0", "limit", "Input should be greater than or equal to 1"),
            ("venueId=535&firstIndex=0", "firstIndex", "Input should be greater than or equal to 1"),
            ("venueId=535&status=X", "status", "Input should be 'CONFIRMED', 'USED', 'CANCELLED' or 'REIMBURSED'"),
            ("venueId=x", "venueId", "Input should be a valid integer, unable to parse string as an integer"),
            ("venueId=535&since=1", "since", "Extra inputs are not permitted"),
        ] {
            assert_eq!(ask(query).await, (400, json!({key: [text]})), "{query}");
        }
        sandbox.stop().await;
    }
}

fn event(fields: Value) -> Value {
    let flags = ["audio", "mental", "motor", "visual"].map(|flag| (format!("{flag}DisabilityCompliant"), true));
    let mut body = json!({
        "name": "Essai", "location": {"type": "physical", "venueId": 535}, "hasTicket": false,
        "categoryRelatedFields": {"category": "CONFERENCE"},
        "accessibility": flags.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn an_event_is_shorter_than_a_day_and_its_category_has_a_label_since_february() {
    const TOO_LONG: &str = "The duration must be under 1440 minutes (24 hours). For events lasting 24 hours or more (e.g., a 3-day festival pass), please leave this field empty.";
    for generation in ALL {
        let sandbox = start_as(generation).await;
        let recent = generation >= February2026;
        let make = async |fields: Value| call(&sandbox, Method::POST, EVENTS, Some(event(fields))).await;
        assert_eq!(make(json!({"eventDuration": 1439})).await.0, 200);
        let (status, body) = make(json!({"eventDuration": 1440})).await;
        assert_eq!(status, if recent { 400 } else { 200 }, "{body}");
        if recent {
            assert_eq!(body, json!({"eventDuration": [TOO_LONG]}));
        }
        let (_, made) = make(json!({"eventDuration": -1})).await;
        let path = format!("{EVENTS}/{}", made["id"]);
        let (status, _) = call(&sandbox, Method::PATCH, &path, Some(json!({"eventDuration": 1440}))).await;
        assert_eq!(status, if recent { 400 } else { 200 });
        let (_, categories) = get(&sandbox, &format!("{EVENTS}/categories")).await;
        let cinema = categories.as_array().unwrap().iter().find(|row| row["id"] == "SEANCE_CINE").unwrap();
        assert_eq!(cinema.get("label"), recent.then(|| json!("Séance de cinéma")).as_ref());
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn half_a_position_and_an_address_labelled_as_the_venue() {
    for generation in ALL {
        let sandbox = start_as(generation).await;
        let recent = generation >= February2026;
        let path = "/public/offers/v1/addresses";
        let address = json!({"street": "1 rue X", "city": "Nantes", "postalCode": "44000"});
        let make = async |more: Value| {
            let mut body = address.clone();
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            call(&sandbox, Method::POST, path, Some(body)).await
        };
        let prefix = if recent { "" } else { "Value error, " };
        let text = format!("{prefix}`longitude` must be set if `latitude` is provided");
        assert_eq!(make(json!({"latitude": 48.8})).await, (400, json!({"longitude": [text]})));
        let text = format!("{prefix}`latitude` must be set if `longitude` is provided");
        assert_eq!(make(json!({"longitude": 2.3})).await, (400, json!({"latitude": [text]})));
        let (_, made) = make(json!({})).await;
        let location =
            |label: &str| json!({"type": "address", "venueId": 535, "addressId": made["id"], "addressLabel": label});
        for (label, expected) in [("Place du Marché", "address"), ("Librairie d'essai", "physical")] {
            let (_, made) =
                call(&sandbox, Method::POST, EVENTS, Some(event(json!({"location": location(label)})))).await;
            assert_eq!(made["location"]["type"], if recent { expected } else { "address" }, "{label}");
        }
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_seat_booked_when_it_can_no_longer_be_given_back_is_confirmed_at_once() {
    let sandbox = start_as(September2026).await;
    let (_, made) =
        call(&sandbox, Method::POST, EVENTS, Some(event(json!({"priceCategories": [{"label": "A", "price": 10}]}))))
            .await;
    let begins = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let date = json!({"beginningDatetime": begins.to_string(), "bookingLimitDatetime": begins.to_string(), "quantity": 5,
                      "priceCategoryId": made["priceCategories"][0]["id"]});
    let path = format!("{EVENTS}/{}/dates", made["id"]);
    let (status, made) = call(&sandbox, Method::POST, &path, Some(json!({ "dates": [date] }))).await;
    assert_eq!(status, 200, "{made}");
    let stock = made["dates"][0]["id"].as_u64().unwrap();
    let booked = sandbox.book(READER, Bookable::Stock(stock), 1).unwrap();
    let token = format!("/public/bookings/v1/token/{}", booked.token);
    assert_eq!(get(&sandbox, &token).await.0, 200, "it can be validated at once");
    let path = format!("/public/bookings/v1/cancel/token/{}", booked.token);
    let (status, body) = call(&sandbox, Method::PATCH, &path, None).await;
    assert_eq!((status, body), (403, json!({"booking": "This booking cannot be cancelled anymore"})));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_venue_that_closed_takes_no_writes_and_has_no_live_booking() {
    let sandbox = start_as(September2026).await;
    let offer = put_on_sale(&sandbox, BOOK, 50, 5).await;
    let booked = sandbox.book(READER, Bookable::Offer(offer), 1).unwrap();
    let close = async |verb: &str| {
        let url = format!("{}/_sandbox/venues/535/{verb}", sandbox.base_url());
        super::support::read(super::support::http().post(url)).await.0
    };
    assert_eq!(close("close").await, 204);
    assert_eq!(sandbox.booking(booked.id).unwrap().status, "CANCELLED");
    let item = json!([{"ean": BOOK, "stock": {"price": 50, "quantity": 1}}]);
    assert_eq!(upsert(&sandbox, 535, item.clone()).await, (404, json!({"global": "Venue cannot be found"})));
    let (status, _) = call(&sandbox, Method::POST, EVENTS, Some(event(json!({})))).await;
    assert_eq!(status, 404);
    assert_eq!(get(&sandbox, &format!("{BOOKINGS}?venueId=535")).await.0, 200);
    assert_eq!(close("reopen").await, 204);
    assert_eq!(upsert(&sandbox, 535, item).await.0, 204);
    sandbox.stop().await;
}
