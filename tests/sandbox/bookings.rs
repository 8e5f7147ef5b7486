//! The beneficiary's side, the messages it causes, and the countermark routes.

use std::sync::{Arc, Mutex};

use passerelle::sandbox::message::signature;
use passerelle::sandbox::{Bookable, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::*;

/// A receiver that keeps the raw requests it gets.
struct Receiver {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/notice?key=1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut raw = Vec::new();
                let mut part = [0; 4096];
                while let Ok(read) = stream.read(&mut part).await {
                    raw.extend_from_slice(&part[..read]);
                    // The body is one JSON string on one line: complete when it ends as it began.
                    if read == 0 || raw.ends_with(b"}\"") {
                        break;
                    }
                }
                kept.lock().unwrap().push(String::from_utf8(raw).unwrap());
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn register(sandbox: &Sandbox, path: &str, url: &str) {
    let (status, _) = call(sandbox, Method::PATCH, path, Some(json!({"notificationUrl": url}))).await;
    assert!(status < 300);
}

#[tokio::test]
async fn booking_and_cancelling_notify_the_registered_url() {
    let sandbox = start().await;
    let receiver = Receiver::start().await;
    register(&sandbox, "/public/providers/v1/provider", &receiver.url).await;
    let offer = put_on_sale(&sandbox, BOOK, 799, 3).await;
    let control = format!("{}/_sandbox/bookings", sandbox.base_url());
    let (status, booked) = read(http().post(&control).json(&json!({
        "email": READER, "offer_id": offer, "quantity": 1,
    })))
    .await;
    assert_eq!(status, 200, "{booked}");
    assert_eq!(booked["token"].as_str().map(str::len), Some(6));
    eventually("the BOOK notification", || receiver.seen().len() == 1).await;
    let cancel = format!("{control}/{}/cancel", booked["id"]);
    assert_eq!(read(http().post(&cancel)).await.1["status"], "CANCELLED");
    eventually("the CANCEL notification", || receiver.seen().len() == 2).await;
    assert_eq!(read(http().post(&cancel)).await.0, 200, "again is harmless");

    let mut dates = Vec::new();
    for (raw, action) in receiver.seen().iter().zip(["BOOK", "CANCEL"]) {
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some("POST /notice?key=1 HTTP/1.1"));
        let headers: Vec<(String, &str)> =
            lines.map(|l| l.split_once(": ").unwrap()).map(|(k, v)| (k.to_lowercase(), v)).collect();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "host",
                "user-agent",
                "accept-encoding",
                "accept",
                "connection",
                "content-type",
                "passculture-signature",
                "content-length"
            ]
        );
        let inner: String = serde_json::from_str(body).unwrap();
        assert_eq!(headers[6].1, signature(HMAC_KEY, &inner));
        assert_eq!(headers[5].1, "application/json");
        let message: Value = serde_json::from_str(&inner).unwrap();
        dates.push(message["booking_creation_date"].clone());
        let stock = sandbox.offer_by_ean(535, BOOK).unwrap().stock_id;
        assert_eq!(
            message,
            json!({
                "booking_confirmation_date": null, "booking_creation_date": dates[0], "booking_quantity": 1,
                "offer_ean": BOOK, "offer_id": offer, "offer_id_at_provider": null, "offer_name": "Un livre",
                "offer_price": 799, "price_category_id": null, "price_category_id_at_provider": null,
                "price_category_label": null, "stock_id": stock, "stock_id_at_provider": null,
                "user_birth_date": "2008-01-01", "user_email": READER, "user_first_name": "Léa",
                "user_last_name": "Exemple", "user_phone": "+33600000000", "venue_address": "2 rue de l'Essai",
                "venue_department_code": "974", "venue_id": 535, "venue_name": "Librairie d'essai", "action": action,
            })
        );
        let keys: Vec<&str> = inner.split("\": ").map(|part| part.rsplit('"').next().unwrap()).collect();
        assert_eq!((keys[0], keys[22]), ("booking_confirmation_date", "action"), "keys in their order");
    }
    eventually("the log of both", || sandbox.messages().len() == 2).await;
    assert!(sandbox.messages().iter().all(|m| m.status == Some(204)), "{:?}", sandbox.messages());
    sandbox.stop().await;
}

#[tokio::test]
async fn a_venues_own_url_wins_over_the_providers() {
    let sandbox = start().await;
    let (provider, venue) = (Receiver::start().await, Receiver::start().await);
    register(&sandbox, "/public/providers/v1/provider", &provider.url).await;
    register(&sandbox, "/public/providers/v1/venues/535", &venue.url).await;
    let offer = put_on_sale(&sandbox, BOOK, 799, 3).await;
    sandbox.book(READER, Bookable::Offer(offer), 1).unwrap();
    eventually("a message to the venue's URL", || venue.seen().len() == 1).await;
    assert_eq!(provider.seen().len(), 0);
    sandbox.stop().await;
}

#[tokio::test]
async fn without_a_url_or_when_it_expires_nothing_is_sent() {
    let sandbox = start().await;
    let offer = put_on_sale(&sandbox, BOOK, 799, 3).await;
    let booking = sandbox.book(READER, Bookable::Offer(offer), 1).unwrap();
    let receiver = Receiver::start().await;
    register(&sandbox, "/public/providers/v1/provider", &receiver.url).await;
    let expire = format!("{}/_sandbox/bookings/{}/expire", sandbox.base_url(), booking.id);
    assert_eq!(read(http().post(&expire)).await.1["status"], "CANCELLED");
    // A message that is sent stands in line behind none.
    let second = sandbox.book(READER, Bookable::Offer(offer), 1).unwrap();
    eventually("the only message", || sandbox.messages().len() == 1).await;
    assert_eq!(sandbox.messages()[0].booking_id, second.id);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_beneficiary_is_refused_as_the_application_refuses() {
    let sandbox = start().await;
    let offer = put_on_sale(&sandbox, BOOK, 799, 1).await;
    let book = |email, quantity| sandbox.book(email, Bookable::Offer(offer), quantity).map_err(|e| (e.status, e.body));
    assert_eq!(book(POOR, 1).unwrap_err(), (400, json!({"code": "INSUFFICIENT_CREDIT"})));
    assert_eq!(book(READER, 2).unwrap_err().0, 400);
    assert_eq!(book("personne@example.com", 1).unwrap_err().0, 404);
    let first = book(READER, 1).unwrap();
    assert_eq!(book(READER, 1).unwrap_err(), (400, json!({"code": "STOCK_NOT_BOOKABLE"})), "sold out");
    put_on_sale(&sandbox, BOOK, 799, 1).await;
    assert_eq!(book(READER, 1).unwrap_err(), (400, json!({"code": "ALREADY_BOOKED"})));
    assert!(sandbox.cancel(first.id));
    assert!(!sandbox.cancel(first.id));
    let offer = sandbox.offer_by_ean(535, BOOK).unwrap();
    assert_eq!((offer.remaining, offer.booked), (Some(2), 0), "the seat is on sale again");
    sandbox.book(READER, Bookable::Stock(offer.stock_id.unwrap()), 1).unwrap();
    sandbox.stop().await;
}

#[tokio::test]
async fn the_list_shows_bookings_of_one_offer_without_their_token() {
    let sandbox = start().await;
    let offer = put_on_sale(&sandbox, BOOK, 50, 3).await;
    let first = sandbox.book(READER, Bookable::Offer(offer), 1).unwrap();
    let second = sandbox.book(POOR, Bookable::Offer(offer), 1).unwrap();
    sandbox.cancel(second.id);
    let path = |rest: &str| format!("/public/bookings/v1/bookings?offerId={offer}{rest}");
    let (status, body) = get(&sandbox, &path("")).await;
    assert_eq!(status, 200);
    let created = body["bookings"][0]["creationDate"].clone();
    assert!(created.as_str().is_some_and(|d| d.ends_with('Z')), "{created}");
    assert_eq!(
        body["bookings"][0],
        json!({
            "id": first.id, "quantity": 1, "creationDate": created, "confirmationDate": null, "price": 50,
            "status": "CONFIRMED", "offerId": offer, "stockId": first.stock_id, "priceCategoryId": null,
            "priceCategoryLabel": null, "offerName": "Un livre", "offerEan": BOOK, "offerAddress": "2 rue de l'Essai",
            "offerDepartmentCode": "974", "venueId": 535, "venueName": "Librairie d'essai", "userEmail": READER,
            "userPhoneNumber": "+33600000000", "userFirstName": "Léa", "userLastName": "Exemple",
            "userBirthDate": "2008-01-01", "userPostalCode": null,
        })
    );
    let ids = |body: &Value| -> Vec<u64> {
        body["bookings"].as_array().unwrap().iter().map(|b| b["id"].as_u64().unwrap()).collect()
    };
    let both = vec![first.id, second.id];
    for (filter, expected) in [
        (String::new(), both.clone()),
        ("&status=CANCELLED".into(), vec![second.id]),
        ("&limit=1".into(), vec![first.id]),
        (format!("&firstIndex={}", first.id + 1), vec![second.id]),
        (format!("&stockId={}", first.stock_id), both),
        ("&stockId=999999".into(), vec![]),
        ("&priceCategoryId=4".into(), vec![]),
    ] {
        assert_eq!(ids(&get(&sandbox, &path(&filter)).await.1), expected, "{filter}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn the_list_refuses_what_the_backend_refuses() {
    let sandbox = start().await;
    let offer = put_on_sale(&sandbox, BOOK, 50, 3).await;
    let integer = "Input should be a valid integer, unable to parse string as an integer";
    let cases = [
        ("".to_owned(), 400, json!({"offerId": ["Field required"]})),
        ("?offerId=x".into(), 400, json!({"offerId": [integer]})),
        (format!("?offerId={offer}&foo=1"), 400, json!({"foo": ["Extra inputs are not permitted"]})),
        (format!("?offerId={offer}&limit=0"), 400, json!({"limit": ["Input should be greater than 0"]})),
        (format!("?offerId={offer}&limit=51"), 400, json!({"limit": ["Input should be less than or equal to 50"]})),
        (
            format!("?offerId={offer}&firstIndex=0"),
            400,
            json!({"firstIndex": ["Input should be greater than or equal to 1"]}),
        ),
        (
            format!("?offerId={offer}&status=LOST"),
            400,
            json!({"status": ["Input should be 'CONFIRMED', 'USED', 'CANCELLED' or 'REIMBURSED'"]}),
        ),
        ("?offerId=999999".into(), 404, json!({"offer": "we could not find this offer id"})),
    ];
    for (query, status, answer) in cases {
        assert_eq!(get(&sandbox, &format!("/public/bookings/v1/bookings{query}")).await, (status, answer), "{query}");
    }
    sandbox.unlink_venue(535);
    let (status, _) = get(&sandbox, &format!("/public/bookings/v1/bookings?offerId={offer}")).await;
    assert_eq!(status, 404, "an unlinked venue's offers are gone");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_token_routes_follow_the_table() {
    let sandbox = start().await;
    let offer = put_on_sale(&sandbox, BOOK, 50, 30).await;
    let reimbursed_already = json!({"payment": "This booking has already been reimbursed"});
    let reimbursed = json!({"payment": "This booking has been reimbursed"});
    let said = |text: &str| json!({ "booking": text });
    // For each state: status and body of GET, use, keep, cancel.
    let table: Vec<(&str, [(u16, Value); 4])> = vec![
        (
            "confirmed",
            [(200, Value::Null), (204, Value::Null), (403, said("This booking has not been used")), (204, Value::Null)],
        ),
        (
            "used",
            [
                (410, said("This booking has already been validated")),
                (410, said("This booking has already been validated")),
                (204, Value::Null),
                (410, said("This booking has been validated")),
            ],
        ),
        (
            "cancelled",
            [
                (410, said("This booking has been cancelled")),
                (410, said("This booking has been cancelled")),
                (410, said("This booking has been cancelled")),
                (410, said("This booking has already been cancelled")),
            ],
        ),
        (
            "reimbursed",
            [
                (403, reimbursed_already.clone()),
                (403, reimbursed_already),
                (403, reimbursed.clone()),
                (403, reimbursed),
            ],
        ),
    ];
    let routes = [
        (Method::GET, "/public/bookings/v1/token/"),
        (Method::PATCH, "/public/bookings/v1/use/token/"),
        (Method::PATCH, "/public/bookings/v1/keep/token/"),
        (Method::PATCH, "/public/bookings/v1/cancel/token/"),
    ];
    for (state, answers) in table {
        for ((method, path), (status, body)) in routes.iter().zip(answers) {
            let booking = sandbox.book(READER, Bookable::Offer(offer), 1).unwrap();
            let token = &booking.token;
            if matches!(state, "used" | "reimbursed") {
                let path = format!("/public/bookings/v1/use/token/{token}");
                assert_eq!(call(&sandbox, Method::PATCH, &path, None).await.0, 204);
            }
            if state == "reimbursed" {
                let path = format!("{}/_sandbox/bookings/{}/reimburse", sandbox.base_url(), booking.id);
                assert_eq!(read(http().post(path)).await.0, 200);
            }
            if state == "cancelled" {
                assert!(sandbox.cancel(booking.id));
            }
            let lower = token.to_lowercase();
            let (got, got_body) = call(&sandbox, method.clone(), &format!("{path}{lower}"), None).await;
            assert_eq!(got, status, "{state} {method} {path}: {got_body}");
            if got == 200 {
                assert_eq!(got_body["id"], booking.id);
            } else {
                assert_eq!(got_body, body, "{state} {method} {path}");
            }
            // A used or reimbursed booking would stand in the way of the next one.
            sandbox.reset();
            sandbox.set_settings(passerelle::sandbox::Settings { upsert_delay_ms: 0, ..Default::default() });
            assert_eq!(put_on_sale(&sandbox, BOOK, 50, 30).await, offer, "ids start again");
        }
    }
    let unknown = json!({"global": "This countermark cannot be found"});
    let booking = sandbox.book(READER, Bookable::Offer(offer), 1).unwrap();
    for (method, path) in routes {
        assert_eq!(call(&sandbox, method.clone(), &format!("{path}AAAAAA"), None).await, (404, unknown.clone()));
        sandbox.unlink_venue(535);
        let answer = call(&sandbox, method, &format!("{path}{}", booking.token), None).await;
        assert_eq!(answer, (404, unknown.clone()), "not yours");
        sandbox.link_venue(535);
    }
    sandbox.stop().await;
}
