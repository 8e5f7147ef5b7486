//! What a venue's software is told: each booking and each void ticket once, in the same transaction, and of a person only what is
//! allowed.

use passerelle::passculture::messages::{BookingAnswer, CancellationAnswer};
use passerelle::store::bookings::BookingState;
use passerelle::store::messages::MessageRow;
use passerelle_contract::{CancelUnit, Holder, NoticeTerms};
use serde_json::{Value, json};

use super::support::on_sqlite;
use super::theatre::{Selling, Software, Voiding};
use super::{Stage, request};

fn terms(hears_everything: bool) -> NoticeTerms {
    NoticeTerms { is_sent_to: true, hears_everything, first_name: true, last_name: false, retry_after: Vec::new() }
}

async fn stage(place: &super::support::Place, software: Software) -> Stage {
    let stage = Stage::new(place, CancelUnit::Ticket, true).await;
    stage.theatre.software.set(software).unwrap();
    stage
}

fn hears_everything() -> Software {
    Software { terms: terms(true), told_of_lost_sales: false }
}

/// A vendor that answers at once, and is told of what it did not answer.
fn answers_itself() -> Software {
    Software { terms: terms(false), told_of_lost_sales: true }
}

async fn told(stage: &Stage) -> Vec<MessageRow> {
    stage.store.messages_after("cinema", 0, 100).await.unwrap()
}

fn body(message: &MessageRow) -> Value {
    serde_json::from_str(&message.body).unwrap()
}

fn barcodes(answer: &BookingAnswer) -> Vec<String> {
    let BookingAnswer::Sold { tickets, .. } = answer else { panic!("{answer:?}") };
    tickets.iter().map(|ticket| ticket.barcode.clone()).collect()
}

#[test]
fn each_booking_and_each_void_ticket_is_told_once() {
    on_sqlite(async |place| {
        let stage = stage(&place, hears_everything()).await;
        let mut wish = request(1, 2);
        wish.holder = Holder {
            first_name: "Zoé".into(),
            last_name: "Durand".into(),
            email: "zoe@example.com".into(),
            birth_date: "2008-01-01".into(),
            phone: Some("+33600000000".into()),
        };
        let sold = stage.book(&wish).await;
        stage.book(&wish).await;
        let codes = barcodes(&sold);
        for _ in 0..2 {
            stage.cancel(&codes[..1]).await;
        }
        stage.cancel(&codes).await;
        stage.settle().await;
        let told = told(&stage).await;
        let kinds: Vec<(&str, u32)> = told.iter().map(|row| (row.kind.as_str(), row.sequence)).collect();
        assert_eq!(kinds, [("booking.created", 1), ("booking.cancelled", 2), ("booking.cancelled", 3)]);
        let made = body(&told[0]);
        let booking = stage.only().await;
        assert_eq!(made["data"]["booking_id"], format!("bk_{}", &booking.row.reference[..12]));
        assert_eq!(made["data"]["stock_id"], "70231");
        assert_eq!(made["data"]["unit_price_cents"], 600);
        assert_eq!(made["data"]["holder"], json!({ "first_name": "Zoé" }), "and nothing else");
        assert_eq!(made["data"]["tickets"].as_array().unwrap().len(), 2);
        assert!(["Durand", "zoe@", "2008", "+336"].iter().all(|secret| !told[0].body.contains(secret)));
        assert_eq!(body(&told[1])["data"]["barcodes"], json!([codes[0]]));
        assert_eq!(body(&told[1])["data"]["remaining_barcodes"], json!([codes[1]]));
        assert_eq!(body(&told[2])["data"]["barcodes"], json!([codes[1]]));
        assert_eq!(body(&told[2])["data"]["reason"], "beneficiary");
    });
}

#[test]
fn what_was_never_told_as_made_is_not_told_as_void() {
    on_sqlite(async |place| {
        let stage = stage(&place, hears_everything()).await;
        *stage.theatre.selling.lock().unwrap() = Selling::SellsTooFew;
        stage.book(&request(1, 2)).await;
        stage.settle().await;
        assert_eq!(stage.only().await.row.state, BookingState::Released);
        assert_eq!(told(&stage).await.len(), 0);
    });
}

#[test]
fn a_booking_that_pass_culture_never_had_is_told_as_void() {
    on_sqlite(async |place| {
        let stage = stage(&place, hears_everything()).await;
        // Sold and answered, and pass Culture lost it: its listing does not have it.
        stage.desk.book("default", request(1, 1), tokio::time::Instant::now()).await;
        stage.settle().await;
        let told = told(&stage).await;
        assert_eq!(told.len(), 2);
        assert_eq!(body(&told[1])["data"]["reason"], "compensation");
        assert_eq!(stage.theatre.held(), 0);
    });
}

#[test]
fn a_vendor_is_told_of_a_sale_whose_answer_was_lost() {
    on_sqlite(async |place| {
        let stage = stage(&place, answers_itself()).await;
        *stage.theatre.selling.lock().unwrap() = Selling::SellsUnheard;
        assert!(matches!(stage.book(&request(1, 1)).await, BookingAnswer::Failed));
        let booking = stage.only().await;
        assert_eq!(
            (booking.row.state, booking.row.needs_human, booking.row.due_at),
            (BookingState::Released, false, None)
        );
        let told = told(&stage).await;
        assert_eq!(told.len(), 1);
        let compensation = body(&told[0]);
        assert_eq!(compensation["type"], "booking.cancelled");
        assert_eq!(compensation["data"]["reason"], "compensation");
        assert_eq!(compensation["data"]["barcodes"], json!([]));
        assert!(told[0].due_at.is_some());
    });
}

#[test]
fn a_vendor_that_answers_itself_hears_only_what_it_did_not() {
    on_sqlite(async |place| {
        let stage = stage(&place, answers_itself()).await;
        let sold = barcodes(&stage.book(&request(1, 1)).await);
        let other = barcodes(&stage.book(&request(2, 1)).await);
        assert!(matches!(stage.cancel(&sold).await, CancellationAnswer::Cancelled { .. }));
        assert_eq!(told(&stage).await.len(), 0);
        *stage.theatre.voiding.lock().unwrap() = Voiding::ToBeTold;
        assert!(matches!(stage.cancel(&other).await, CancellationAnswer::Cancelled { .. }));
        stage.cancel(&other).await;
        let told = told(&stage).await;
        assert_eq!(told.len(), 1);
        assert_eq!(body(&told[0])["data"]["barcodes"], json!(other));
    });
}
