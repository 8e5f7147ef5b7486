//! The signature against vectors computed with the real backend's own serialiser and HTTP client.

use passerelle::passculture::messages::{Kind, read};
use passerelle::sandbox::message::{Form, inner_text, sign_message, signature, wire_body};
use passerelle_kit::secret::Secret;
use serde_json::{Value, json};

struct Vector {
    name: &'static str,
    key: &'static str,
    form: Form,
    fields: Vec<(&'static str, Value)>,
    inner_bytes: usize,
    wire_bytes: usize,
    signature: &'static str,
    /// What a receiver that signs the raw body would compute: must differ.
    over_the_wire: &'static str,
}

fn product_booking(phone: Value, action: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("booking_confirmation_date", json!(null)),
        ("booking_creation_date", json!("2026-03-12T18:05:09")),
        ("booking_quantity", json!(1)),
        ("offer_ean", json!("9782070286256")),
        ("offer_id", json!(4213)),
        ("offer_id_at_provider", json!(null)),
        ("offer_name", json!("Le \"Petit\" \\ Prince 🎭")),
        ("offer_price", json!(799)),
        ("price_category_id", json!(null)),
        ("price_category_id_at_provider", json!(null)),
        ("price_category_label", json!(null)),
        ("stock_id", json!(9001)),
        ("stock_id_at_provider", json!(null)),
        ("user_birth_date", json!("2008-01-01")),
        ("user_email", json!("lea.nunez@example.com")),
        ("user_first_name", json!("Léa")),
        ("user_last_name", json!("Nuñez")),
        ("user_phone", phone),
        ("venue_address", json!(null)),
        ("venue_department_code", json!(null)),
        ("venue_id", json!(535)),
        ("venue_name", json!("Librairie 100% Bulles / BD")),
        ("action", json!(action)),
    ]
}

fn compact_booking(created: &str, phone: Value, venue: &str, action: &str) -> Vec<(&'static str, Value)> {
    let mut fields = product_booking(phone, action);
    for (key, value) in &mut fields {
        match *key {
            "booking_creation_date" => *value = json!(created),
            "offer_name" => *value = json!("Le \"Petit\" \\ Prince é 🎭 / <b>"),
            "venue_name" => *value = json!(venue),
            _ => {}
        }
    }
    fields
}

fn vectors() -> Vec<Vector> {
    vec![
        Vector {
            name: "booking, duo, accents, typographic apostrophe, fractional seconds",
            key: "hmac-test-key-0001",
            form: Form::Spaced,
            fields: vec![
                ("booking_confirmation_date", json!("2026-03-14T18:05:09.123456")),
                ("booking_creation_date", json!("2026-03-12T18:05:09.123456")),
                ("booking_quantity", json!(2)),
                ("offer_ean", json!(null)),
                ("offer_id", json!(4213)),
                ("offer_id_at_provider", json!("spec-0042")),
                ("offer_name", json!("La fête aux acouphènes")),
                ("offer_price", json!(1250)),
                ("price_category_id", json!(77)),
                ("price_category_id_at_provider", json!("cat-A")),
                ("price_category_label", json!("Carré d'or")),
                ("stock_id", json!(9001)),
                ("stock_id_at_provider", json!("seance-7")),
                ("user_birth_date", json!("2008-01-01")),
                ("user_email", json!("lea.nunez@example.com")),
                ("user_first_name", json!("Léa")),
                ("user_last_name", json!("Nuñez")),
                ("user_phone", json!("+33601020304")),
                ("venue_address", json!("12 rue de l'Église")),
                ("venue_department_code", json!("974")),
                ("venue_id", json!(535)),
                ("venue_name", json!("Théâtre de l\u{2019}Île")),
            ],
            inner_bytes: 758,
            wire_bytes: 844,
            signature: "144183af000f3d38e48e466cb571b84ccdbb9dfd978dd782537df9c0280b5f59",
            over_the_wire: "9ccd0ac071c8f2fb5be7bf7859a116663168ef3691022b98cb77a90e2d62b90f",
        },
        Vector {
            name: "notification BOOK, empty phone, quote, backslash, emoji, slash",
            key: "hmac-test-key-0001",
            form: Form::Spaced,
            fields: product_booking(json!(""), "BOOK"),
            inner_bytes: 687,
            wire_bytes: 765,
            signature: "7a038fe5f2eadf345826639ed3c25aa502ef460a15e9e927c6331b01570faab7",
            over_the_wire: "facae487099f7193ec378ee384bc87f3aaced9e3957e86896fbae9540ed0005c",
        },
        Vector {
            name: "notification CANCEL, null phone, key with accents",
            key: "clé-secrète-é",
            form: Form::Spaced,
            fields: product_booking(json!(null), "CANCEL"),
            inner_bytes: 691,
            wire_bytes: 767,
            signature: "23b69f79c0096d544e500c7b91367a58ae57de26ff7d12c9d609b1e96e47efc6",
            over_the_wire: "a426bace368d928263ef3a40b0d90afd03877029c3499b08a1cdc98d7a1cf562",
        },
        Vector {
            name: "notification, compact: emoji, line separator, delete",
            key: "hmac-test-key-0001",
            form: Form::Compact,
            fields: compact_booking("2026-09-12T18:05:09.123456", json!(""), "Théâtre de l’île\u{2028}\u{7f}", "BOOK"),
            inner_bytes: 641,
            wire_bytes: 758,
            signature: "aca0d585c71ee96c1aecd44040cc49e03d838961f45fb8dcb4102227cc079f76",
            over_the_wire: "37680533ac6e3aab6ecf7a8b46a4e799dc31d6f2206ca382f1afe3a828d5a614",
        },
        Vector {
            name: "notification, compact: non-ASCII key, no microseconds",
            key: "clé-secrète-é",
            form: Form::Compact,
            fields: compact_booking("2026-09-12T18:05:09", json!(null), "Librairie", "CANCEL"),
            inner_bytes: 622,
            wire_bytes: 714,
            signature: "ae06b9e782adacdd7cbf606a69c6d8a9913b4ad1a79f7ea9538eeecbb9f3f67d",
            over_the_wire: "5540ccc4fb7a31b1b800365aa40a40aa6fa48c039c0fdccc39c5a6622e08de2f",
        },
        Vector {
            name: "cancellation, two barcodes",
            key: "hmac-test-key-0001",
            form: Form::Spaced,
            fields: vec![("barcodes", json!(["1234567AJSQ", "1234567AJSA"]))],
            inner_bytes: 44,
            wire_bytes: 52,
            signature: "37ea9f9499825b3deaef4f634c56e42dd3ba59b82123256b46eda7c3c7c3df9d",
            over_the_wire: "7c78c2fac543c58d45086e775ec281b97ee4fec8569f4142e96285b8bf1398d3",
        },
        Vector {
            name: "cancellation, non-ASCII and control characters",
            key: "hmac-test-key-0001",
            form: Form::Spaced,
            fields: vec![("barcodes", json!(["É-001\t☃"]))],
            inner_bytes: 36,
            wire_bytes: 45,
            signature: "04bc4a511fa8c72770a59221129f86d979e906533604bde8672d514f78827791",
            over_the_wire: "e23cd2db545e3fbc533af6b93a460bd29ffb8593610ca242f34ec0ea5dab5360",
        },
        Vector {
            name: "cancellation, empty list",
            key: "hmac-test-key-0001",
            form: Form::Spaced,
            fields: vec![("barcodes", json!([]))],
            inner_bytes: 16,
            wire_bytes: 20,
            signature: "2d5f80f56f8782980b8cf42279ac54f3cceb9e5ca8f2fd4fe6361c7dcd2d9c21",
            over_the_wire: "433c594e31b108215cf1199daae13e688d9b63a20fbd7a20fb18769ce19a8642",
        },
    ]
}

#[test]
fn every_vector_has_the_bytes_and_the_signature_of_the_real_backend() {
    for vector in vectors() {
        let message = sign_message(vector.key, &vector.fields, vector.form);
        assert_eq!(message.inner.len(), vector.inner_bytes, "{}: {}", vector.name, message.inner);
        assert_eq!(message.wire.len(), vector.wire_bytes, "{}: {}", vector.name, message.wire);
        assert_eq!(message.signature, vector.signature, "{}", vector.name);
        assert_eq!(signature(vector.key, &message.wire), vector.over_the_wire, "{}", vector.name);
    }
}

#[test]
fn the_gateway_takes_every_vector_by_its_signature_and_by_no_other() {
    for vector in vectors() {
        let wire = sign_message(vector.key, &vector.fields, vector.form).wire;
        let kind = match vector.name.split([' ', ',']).next() {
            Some("booking") => Kind::Booking,
            Some("notification") => Kind::Notification,
            _ => Kind::Cancellation,
        };
        let keys = [Secret::new("the key before"), Secret::new(vector.key)];
        let taken = read(kind, wire.as_bytes(), Some(vector.signature.as_bytes()), &keys);
        // An empty list is signed rightly and still names nothing to void.
        let expected = if vector.name.ends_with("empty list") { Some(400) } else { None };
        assert_eq!(taken.err().map(|rejected| rejected.reply().status), expected, "{}", vector.name);
        let raw = read(kind, wire.as_bytes(), Some(vector.over_the_wire.as_bytes()), &keys);
        assert_eq!(raw.err().map(|rejected| rejected.reply().status), Some(401), "{}", vector.name);
    }
}

#[test]
fn a_compact_message_is_verified_as_received_and_in_no_other_form() {
    for (name, spaced) in [
        ("notification, compact: emoji", "3537dcb1f854f5d611542672097574bb2cc0315dc70cdbe493f8f98b08851558"),
        ("notification, compact: non-ASCII", "2e2f9ba1936602ee4b0b1996b74ed16ad0c9d6cbd4407235305f63ca16764afc"),
    ] {
        let vector = vectors().into_iter().find(|vector| vector.name.starts_with(name)).unwrap();
        assert_eq!(sign_message(vector.key, &vector.fields, Form::Spaced).signature, spaced, "{name}");
        let wire = sign_message(vector.key, &vector.fields, Form::Compact).wire;
        let keys = [Secret::new(vector.key)];
        let rewritten = read(Kind::Notification, wire.as_bytes(), Some(spaced.as_bytes()), &keys);
        assert_eq!(rewritten.err().map(|rejected| rejected.reply().status), Some(401), "{name}");
    }
}

#[test]
fn the_two_layers_look_as_they_travel() {
    let inner = inner_text(&[("a", json!("é\"")), ("b", json!(null))]);
    assert_eq!(inner, r#"{"a": "\u00e9\"", "b": null}"#);
    assert_eq!(wire_body(&inner), r#""{\"a\": \"\\u00e9\\\"\", \"b\": null}""#);
}
