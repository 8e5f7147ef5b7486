//! What a sale is made of, without anybody to sell it.

use super::*;

fn order(quantity: u32) -> Order {
    Order {
        reference: passerelle_contract::Reference("K7M2QXABCDEFGHJK".to_owned()),
        film_key: "990417".to_owned(),
        show_key: "402117".to_owned(),
        places_key: "402117".to_owned(),
        tariff_key: String::new(),
        title: "Le Phare".to_owned(),
        starts_at: SystemTime::now(),
        quantity,
        price: Cents(690),
        holder: None,
    }
}

fn at(text: &str) -> SystemTime {
    SystemTime::UNIX_EPOCH
        + Duration::from_nanos(u64::try_from(text.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap())
}

#[test]
fn seats_are_named_as_the_vendor_names_them() {
    for (placement, quantity, expected) in [
        ("D8", 1, vec![Some("D8")]),
        ("", 1, vec![None]),
        ("F7,F8", 2, vec![Some("F7"), Some("F8")]),
        (" F7 , F8 ", 2, vec![Some("F7"), Some("F8")]),
        ("", 2, vec![None, None]),
        ("F7", 2, vec![None, None]),
        ("F7,", 2, vec![Some("F7"), None]),
        (",F8", 2, vec![None, Some("F8")]),
        ("F7,F8,F9", 2, vec![Some("F7"), Some("F8")]),
        ("F7,F8", 1, vec![Some("F7")]),
    ] {
        let expected: Vec<Option<String>> = expected.into_iter().map(|seat| seat.map(str::to_owned)).collect();
        assert_eq!(seats(placement, quantity), expected, "{placement} for {quantity}");
    }
}

#[test]
fn two_seats_are_two_tickets_with_one_barcode() {
    let both = tickets(r#"{"QrCode":" CINE421000118836 ","Placement":"H11,H12","more":{}}"#, &order(2)).unwrap();
    assert_eq!(both.len(), 2);
    assert!(both.iter().all(|ticket| ticket.barcode == "CINE421000118836" && qr_code(ticket) == ticket.barcode));
    assert!(both[0].vendor.contains("K7M2QX") && !both[0].vendor.contains("K7M2QXA"), "{}", both[0].vendor);
    for none in [r#"{"QrCode":""}"#, r#"{"QrCode":null}"#, r#"{"QrCode":["x"]}"#, "{}", "[]", "null"] {
        assert_eq!(tickets(none, &order(1)), None, "{none}");
    }
    assert_eq!(tickets(&format!("{{\"QrCode\":\"{}\"}}", "9".repeat(101)), &order(1)), None);
}

#[test]
fn beneficiaries_may_cancel_for_two_days_and_until_two_days_before() {
    let until = |now: &str, starts: &str| cancel_until(at(now), at(starts));
    // The show is far away: two days from now.
    assert_eq!(until("2026-03-10T18:30:05.9Z", "2026-03-20T19:45:00Z"), "2026-03-12T18:30:05");
    // It is near: two days before it.
    assert_eq!(until("2026-03-10T18:30:05Z", "2026-03-13T19:45:00Z"), "2026-03-11T19:45:00");
    // It is too near: now.
    assert_eq!(until("2026-03-10T18:30:05Z", "2026-03-11T19:45:00Z"), "2026-03-10T18:30:05");
}

#[test]
fn prices_are_written_with_two_decimals() {
    for (cents, text) in [(690, "6.90"), (1_100, "11.00"), (5, "0.05"), (0, "0.00")] {
        assert_eq!(euros(Cents(cents)), text);
    }
}

#[test]
fn a_clock_of_yesterday_has_passed_everywhere() {
    let clock = |day, hour| WallClock { year: 2026, month: 3, day, hour, minute: 0, second: 0 };
    let now = at("2026-03-10T18:00:00Z");
    assert!(is_over_everywhere(clock(10, 8), now));
    // In Tahiti it is nine in the morning at nineteen hours UTC.
    assert!(!is_over_everywhere(clock(10, 9), now));
    assert!(!is_over_everywhere(WallClock { month: 13, ..clock(1, 0) }, now));
}

#[test]
fn a_person_is_told_what_to_look_for_and_not_for_whom() {
    let holder = Some(Holder { last_name: "Quichenotte".to_owned(), ..Holder::default() });
    let order = Order { holder, ..order(2) };
    let told = hint(&order, r#"{"token":"K7M2QX","left":87,"at":1773340205}"#);
    for word in ["Le Phare", "402117", "K7M2QX", "2 seat", "2026-03-12T18:30", "87"] {
        assert!(told.contains(word), "{word} in {told}");
    }
    assert!(!told.contains("Quichenotte") && hint(&order, "not ours").contains("K7M2QX"));
}
