use passerelle_contract::Reference;

use super::*;
use crate::settings::Buyer;

fn order(quantity: u32, session: &str, cents: u32) -> Order {
    Order {
        reference: Reference("7Q2M7XWTA4D5BCDE".to_owned()),
        film_key: "120345".to_owned(),
        show_key: format!("120345-{session}"),
        places_key: format!("120345-{session}-55501"),
        tariff_key: "55501".to_owned(),
        title: "Les Marées lentes".to_owned(),
        starts_at: SystemTime::now(),
        quantity,
        price: Cents(cents),
        holder: None,
    }
}

fn written(order: &Order) -> String {
    String::from_utf8(
        body(order, &Booking::new(order, &Buyer::new("billetterie@halle.example", Some("gateway.example")))).unwrap(),
    )
    .unwrap()
}

#[test]
fn each_seat_is_an_order_of_its_own_with_its_price_to_the_cent() {
    let text = written(&order(2, "98701", 1_005));
    assert_eq!(text.matches(r#""price":10.05"#).count(), 2, "{text}");
    assert_eq!(text.matches(r#""email":"pc-7q2m7xwta4d5bcde@gateway.example""#).count(), 2);
    for part in [
        r#""request_id":"pc-7Q2M7XWTA4D5BCDE-1","payment_type":"other","session":"98701","ship":0"#,
        r#""request_id":"pc-7Q2M7XWTA4D5BCDE-2","#,
        r#""request_id":"pc-7Q2M7XWTA4D5BCDE-2-p""#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn an_event_without_sessions_is_ordered_without_one() {
    let text = written(&order(1, "0", 0));
    assert!(!text.contains("session") && text.contains(r#""price":0.00"#), "{text}");
}

#[test]
fn what_is_left_decides() {
    let table = [
        (Quantity::Unlimited, 2, None),
        (Quantity::Exactly(2), 2, None),
        (Quantity::Exactly(1), 2, Some(Refusal::NotEnough { remaining: 1 })),
        (Quantity::Exactly(0), 1, Some(Refusal::SoldOut)),
    ];
    for (left, quantity, refusal) in table {
        assert_eq!(too_few(left, quantity), refusal, "{left:?}");
    }
}

#[test]
fn keys_of_others_name_no_session_and_no_tariff() {
    let odd = Order { show_key: "1203456-1".to_owned(), ..order(1, "98701", 0) };
    assert_eq!(session_of(&odd), None);
    assert_eq!(tariff_of(&Order { places_key: "120345-98701".to_owned(), ..order(1, "98701", 0) }), None);
}
