//! Signed messages as the sandbox's serialiser writes them, and what nobody signed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use passerelle::passculture::messages::{
    Action, BookingAnswer, CancellationAnswer, Kind, MAX_BODY_BYTES, Message, Rejected, SoldTicket,
    fingerprint_of_notice, fingerprint_of_wish, read,
};
use passerelle::sandbox::message::{Form, sign_message, signature, wire_body};
use passerelle_contract::{Cents, Quantity};
use passerelle_kit::secret::Secret;
use proptest::prelude::*;
use serde_json::{Value, json};

const KEY: &str = "hmac-test-key-0001";

fn keys() -> Vec<Secret> {
    vec![Secret::new("another key"), Secret::new(KEY)]
}

fn booking() -> Vec<(&'static str, Value)> {
    vec![
        ("booking_creation_date", json!("2026-03-12T18:05:09.123456")),
        ("booking_quantity", json!(2)),
        ("offer_ean", json!(null)),
        ("offer_id", json!(4213)),
        ("offer_id_at_provider", json!("c:film:1")),
        ("offer_name", json!("Le Phare")),
        ("offer_price", json!(600)),
        ("stock_id", json!(9001)),
        ("stock_id_at_provider", json!("")),
        ("user_birth_date", json!("2008-01-01")),
        ("user_email", json!("Beneficiary@example.com")),
        ("user_first_name", json!("A")),
        ("user_last_name", json!("B")),
        ("user_phone", json!("")),
        ("venue_address", json!(null)),
        ("venue_id", json!(535)),
        ("a_key_of_tomorrow", json!({"deep": [1]})),
    ]
}

fn with(mut fields: Vec<(&'static str, Value)>, key: &'static str, value: Value) -> Vec<(&'static str, Value)> {
    fields.retain(|(known, _)| *known != key);
    fields.push((key, value));
    fields
}

fn receive(kind: Kind, fields: &[(&str, Value)]) -> Result<Message, Rejected> {
    let message = sign_message(KEY, fields, Form::Spaced);
    read(kind, message.wire.as_bytes(), Some(message.signature.as_bytes()), &keys())
}

#[test]
fn a_booking_is_read_with_its_microseconds_and_without_empty_texts() {
    let Message::Booking(request) = receive(Kind::Booking, &booking()).unwrap() else { panic!("another kind") };
    assert_eq!((request.quantity, request.stock_id, request.price), (2, 9001, Cents(600)));
    assert_eq!(request.created_at_micros % 1_000_000, 123_456);
    assert_eq!(request.stock_id_at_provider, None);
    assert_eq!(request.holder.phone, None);
    let shown = format!("{request:?}");
    assert!(!shown.contains("example.com") && !shown.contains("2008"), "{shown}");
}

#[test]
fn what_is_not_signed_over_the_inner_text_is_refused() {
    let message = sign_message(KEY, &booking(), Form::Spaced);
    let wire = message.wire.as_bytes();
    let ask = |body: &[u8], signature: Option<&str>| read(Kind::Booking, body, signature.map(str::as_bytes), &keys());
    assert!(ask(wire, Some(&message.signature)).is_ok());
    assert_eq!(ask(wire, None), Err(Rejected::Signature));
    assert_eq!(ask(wire, Some("")), Err(Rejected::Signature));
    assert_eq!(ask(wire, Some(&signature(KEY, &message.wire))), Err(Rejected::Signature), "over the raw body");
    assert_eq!(ask(wire, Some(&message.signature.to_uppercase())), Err(Rejected::Signature));
    let changed = message.wire.replace("9001", "9002");
    assert_eq!(ask(changed.as_bytes(), Some(&message.signature)), Err(Rejected::Signature));
    assert_eq!(read(Kind::Booking, wire, Some(message.signature.as_bytes()), &[]), Err(Rejected::Signature));
    let empty = [Secret::new("")];
    assert_eq!(
        read(Kind::Booking, wire, Some(signature("", &message.inner).as_bytes()), &empty),
        Err(Rejected::Signature)
    );
}

#[test]
fn a_bare_object_is_verified_over_its_bytes() {
    let inner = sign_message(KEY, &booking(), Form::Spaced).inner;
    let right = signature(KEY, &inner);
    assert!(read(Kind::Booking, inner.as_bytes(), Some(right.as_bytes()), &keys()).is_ok());
    assert_eq!(read(Kind::Booking, inner.as_bytes(), Some(&[b'0'; 64]), &keys()), Err(Rejected::Signature));
}

#[test]
fn what_is_no_message_is_unreadable() {
    for body in ["", " ", "\"", "nonsense", "[]", "12", "null", "\"a\" \"b\""] {
        assert_eq!(
            read(Kind::Booking, body.as_bytes(), Some(&[b'0'; 64]), &keys()),
            Err(Rejected::Unreadable),
            "{body}"
        );
    }
    assert_eq!(read(Kind::Booking, &[0xff, 0xfe], None, &keys()), Err(Rejected::Unreadable));
    let signed =
        |inner: &str| read(Kind::Booking, wire_body(inner).as_bytes(), Some(signature(KEY, inner).as_bytes()), &keys());
    assert_eq!(signed("not json"), Err(Rejected::Unreadable));
    assert_eq!(signed("[1]"), Err(Rejected::Shape));
    let large = vec![b' '; MAX_BODY_BYTES + 1];
    assert_eq!(read(Kind::Booking, &large, None, &keys()), Err(Rejected::TooLarge));
}

#[test]
fn each_kind_stays_on_its_own_route() {
    let cancellation = vec![("barcodes", json!(["B1", "B2", "B1"]))];
    let notification = with(booking(), "action", json!("CANCEL"));
    let all = [(Kind::Booking, booking()), (Kind::Cancellation, cancellation), (Kind::Notification, notification)];
    for (route, _) in &all {
        for (kind, fields) in &all {
            let answer = receive(*route, fields);
            assert_eq!(answer.is_ok(), route == kind, "{kind:?} on the route of {route:?}: {answer:?}");
            assert!(answer.is_ok() || answer == Err(Rejected::Shape));
        }
    }
}

#[test]
fn odd_contents_are_refused() {
    for quantity in [json!(0), json!(3), json!(-1), json!("2"), json!(null)] {
        assert_eq!(receive(Kind::Booking, &with(booking(), "booking_quantity", quantity)), Err(Rejected::Shape));
    }
    for barcodes in [json!([]), json!([""]), json!(["x".repeat(101)]), json!("B1"), json!([1]), json!(vec!["B"; 21])] {
        assert_eq!(receive(Kind::Cancellation, &[("barcodes", barcodes)]), Err(Rejected::Shape));
    }
    assert_eq!(
        receive(Kind::Cancellation, &[("barcodes", json!(["B2", "B1", "B2"]))]),
        Ok(Message::Cancellation(vec!["B1".into(), "B2".into()]))
    );
    assert_eq!(receive(Kind::Notification, &with(booking(), "action", json!("SELL"))), Err(Rejected::Shape));
}

#[test]
fn fingerprints_tell_attempts_apart_and_not_the_spelling_of_an_address() {
    let Message::Booking(one) = receive(Kind::Booking, &booking()).unwrap() else { panic!("another kind") };
    let mut other = (*one).clone();
    other.holder.email = "beneficiary@EXAMPLE.com".into();
    assert_eq!(one.attempt("a").fingerprint(), other.attempt("a").fingerprint());
    assert_ne!(one.attempt("a").fingerprint(), one.attempt("b").fingerprint());
    other.created_at_micros += 1;
    assert_ne!(one.attempt("a").fingerprint(), other.attempt("a").fingerprint());
    assert_eq!(fingerprint_of_wish("a", &one), fingerprint_of_wish("a", &other));
    assert_ne!(fingerprint_of_notice("a", &one, Action::Book), fingerprint_of_notice("a", &one, Action::Cancel));
}

#[test]
fn every_success_says_how_many_places_are_left() {
    let sold = BookingAnswer::Sold {
        tickets: vec![SoldTicket { barcode: "B".into(), seat: None }],
        remaining: Quantity::Exactly(0),
    };
    assert_eq!(sold.reply().body, r#"{"remainingQuantity":0,"tickets":[{"barcode":"B","seat":null}]}"#);
    assert_eq!(
        CancellationAnswer::Cancelled { remaining: Quantity::Exactly(7) }.reply().body,
        r#"{"remainingQuantity":7}"#
    );
    let without_limit = CancellationAnswer::Cancelled { remaining: Quantity::Unlimited };
    assert_eq!(without_limit.reply().body, r#"{"remainingQuantity":null}"#);
    for answer in [BookingAnswer::SoldOut, BookingAnswer::NotEnough { remaining: 1 }, BookingAnswer::Failed] {
        assert!(answer.reply().status >= 400);
    }
    for answer in [CancellationAnswer::Unknown, CancellationAnswer::Refused, CancellationAnswer::Failed] {
        assert!(answer.reply().status >= 400);
    }
}

proptest! {
    #[test]
    fn no_body_makes_it_panic_and_nothing_unsigned_is_believed(
        body in proptest::collection::vec(any::<u8>(), 0..400), signature in "[0-9a-f]{64}",
    ) {
        for kind in [Kind::Booking, Kind::Cancellation, Kind::Notification] {
            prop_assert!(read(kind, &body, Some(signature.as_bytes()), &keys()).is_err());
        }
    }

    #[test]
    fn no_inner_document_makes_it_panic(inner in "\\PC{0,200}") {
        let signed = signature(KEY, &inner);
        let _ = read(Kind::Cancellation, wire_body(&inner).as_bytes(), Some(signed.as_bytes()), &keys());
    }
}
