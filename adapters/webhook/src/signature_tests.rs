//! The published examples, those that must pass and those that must not.

use super::*;

const K1: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const K2: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const K3: &str = "whsec_Z2F0ZXdheS10ZXN0LXNlY3JldC0yNGJ5";
const AT: i64 = 2_052_000_000;
const CREATED: &str = r#"{"type":"booking.created","timestamp":"2035-01-10T00:00:00Z","sequence":1,"data":{"booking_id":"bk_7Q2M9XWTA4D5","stock_id":"mouette/1/A","quantity":2,"unit_price_cents":1200,"currency":"EUR","tickets":[{"barcode":"GW0000000001"},{"barcode":"GW0000000002"}],"holder":null}}"#;
const CANCELLED: &str = r#"{"type":"booking.cancelled","timestamp":"2035-01-11T09:30:00Z","sequence":2,"data":{"booking_id":"bk_7Q2M9XWTA4D5","barcodes":["GW0000000002"],"reason":"beneficiary"}}"#;
const UNICODE: &str = r#"{"type":"booking.created","data":{"label":"Théâtre — été ☀"}}"#;
const A: &str = "v1,m0EF9er2R1nddTaDe0fM62lHVSoh+H1QHlDHEJAbCEk=";
const C: &str = "v1,7OzbCFOMMOokuAQoBOifRKokd4LoHXxg+kO51yWp7qc=";

fn key(secret: &str) -> Key {
    Key::read(&Secret::new(secret)).unwrap()
}

fn passes(keys: &[&str], id: &str, timestamp: &str, signature: &str, body: &str, now: i64) -> bool {
    let keys: Vec<Key> = keys.iter().map(|secret| key(secret)).collect();
    verify(&keys, Presented { id, timestamp, signature }, body.as_bytes(), now)
}

fn a_passes(signature: &str) -> bool {
    passes(&[K1], "msg_A1", "2052000000", signature, CREATED, AT)
}

#[test]
fn every_published_example_is_signed_alike_and_passes() {
    let examples = [
        (K1, "msg_A1", AT, CREATED, A),
        (K1, "msg_B1", AT, CANCELLED, "v1,RpDxtHztp08U7Pm7tcXsGmeEeUoEFK2nsc6/dahpo8c="),
        (K2, "msg_A1", AT, CREATED, C),
        (K1, "msg_D1", AT, UNICODE, "v1,3y5S1SBQAxyFkza80whv7i/Eo/siToN6j+74ayzPQgM="),
        (K1, "msg_E1", AT, "", "v1,gzXZZB9Gx4holA7tB9zD8uQ4VBo4/+1LoZjGcNi+rvc="),
        (K3, "msg_F1", AT, "{}", "v1,1YM4eh7JbpNS99Hae7k7GUGFzAM+Y3AYOEU0+G8wrGY="),
        (K1, "msg_A1", AT + 5, CREATED, "v1,ppRymu1NPcq5B2zurgZTmkn8gMohShGVQITCsUoI66o="),
        // The reference libraries' own.
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];
    assert_eq!((CREATED.len(), CANCELLED.len(), UNICODE.len()), (273, 167, 69));
    for (secret, id, at, body, expected) in examples {
        assert_eq!(key(secret).sign(id, at, body.as_bytes()), expected, "{id}");
        assert!(passes(&[secret], id, &at.to_string(), expected, body, at), "{id}");
    }
}

#[test]
fn while_a_secret_is_replaced_both_open_the_door() {
    let signer = Signer { current: key(K2), previous: Some(key(K1)) };
    let header = signer.header("msg_A1", AT, CREATED.as_bytes());
    assert_eq!(header, format!("{C} {A}"));
    for (secret, fits) in [(K1, true), (K2, true), (K3, false)] {
        assert_eq!(passes(&[secret], "msg_A1", "2052000000", &header, CREATED, AT), fits, "{secret}");
    }
    assert!(passes(&[K3, K1], "msg_A1", "2052000000", &header, CREATED, AT), "a receiver with several secrets");
    let alone = Signer { current: key(K1), previous: None };
    assert_eq!(alone.header("msg_A1", AT, CREATED.as_bytes()), A);
}

#[test]
fn what_was_changed_on_the_way_does_not_pass() {
    let more = format!("{CREATED}\n");
    assert!(!passes(&[K1], "msg_A1", "2052000000", A, &more, AT));
    assert_eq!(key(K1).sign("msg_A1", AT, more.as_bytes()), "v1,dSuinvalvkUlqK/3NTPiH+0CFcspY0TSIpZEndroVmQ=");
    assert!(!passes(&[K1], "msg_A2", "2052000000", A, CREATED, AT));
    assert!(!passes(&[K1], "msg_A1", "2052000001", A, CREATED, AT));
}

#[test]
fn five_minutes_are_the_limit_both_ways() {
    let at = |now| passes(&[K1], "msg_A1", "2052000000", A, CREATED, now);
    assert!(at(AT + 300) && at(AT - 300));
    assert!(!at(AT + 301) && !at(AT - 301) && !at(i64::MIN) && !at(i64::MAX));
    for odd in ["", "now", "2052000000.0", " 2052000000", "99999999999999999999"] {
        assert!(!passes(&[K1], "msg_A1", odd, A, CREATED, AT), "{odd:?}");
    }
}

#[test]
fn the_usual_mistakes_do_not_pass() {
    let code = &A["v1,".len()..];
    for wrong in [
        // Keyed with the secret's text.
        "v1,w2D0aFvJPileGaQDL3YWbCBK00Y60DZwwcqqqLYEEiM=",
        // Hexadecimal.
        "v1,9b4105f5eaf64759dd7536837b47cceb6947552a21f87d501e50c710901b0849",
        "",
        "v1,",
        "v1",
        code,
        "v1,%%%",
        &format!("v1a,{code}"),
        &format!("v2,{code}"),
        &format!("V1,{code}"),
        // Cut short.
        &A[..A.len() - 4],
    ] {
        assert!(!a_passes(wrong), "{wrong:?}");
    }
}

#[test]
fn other_entries_and_spaces_do_not_disturb() {
    for fine in [
        format!("  {A}  "),
        format!("v1a,AAAA {A}"),
        format!("{C}   {A} v1,AAAA"),
        format!("v1, {A}"),
        format!("nonsense {A}"),
    ] {
        assert!(a_passes(&fine), "{fine:?}");
    }
}

#[test]
fn secrets_are_of_the_right_form_and_length() {
    let of = |bytes: usize| format!("{PREFIX}{}", STANDARD.encode(vec![7; bytes]));
    for (secret, good) in [
        (of(24), true),
        (of(64), true),
        (of(23), false),
        (of(65), false),
        (STANDARD.encode([7; 32]), false),
        // Without its padding, in the alphabet of addresses, with a line end inside.
        (K1.trim_end_matches('=').to_owned(), false),
        (format!("{PREFIX}{}", "_-".repeat(16)), false),
        (format!("{PREFIX}\n{}", STANDARD.encode([7; 32])), false),
        (PREFIX.to_owned(), false),
    ] {
        assert_eq!(Key::read(&Secret::new(&secret)).is_some(), good, "{secret:?}");
    }
    assert_eq!(format!("{:?}", key(K1)), "Key(***)");
}
