//! Two cinemas of one account that have given the same barcode: no cancellation touches the other's ticket.

use passerelle::passculture::messages::{BookingAnswer, BookingRequest, CancellationAnswer};
use passerelle::store::bookings::{BookingState, TicketState};
use passerelle_contract::CancelUnit;
use tokio::time::Instant;

use super::support::{leased, on_both_engines};
use super::theatre::Selling;
use super::{Stage, request};

const BARCODE: &str = "000000144659";
const OTHER_STOCK: i64 = 9_002;

/// Two bookings, one at each cinema, with one barcode.
async fn both_sold(place: &super::support::Place) -> Stage {
    let stage = Stage::new(place, CancelUnit::Sale, true).await;
    let lease = leased(&*stage.store, "other").await;
    let events = stage.store.events("cinema").await.unwrap();
    let mut dates = stage.store.dates("cinema").await.unwrap();
    dates[0].stock_id = Some(OTHER_STOCK);
    stage.store.save_events(&lease, &events, &dates).await.unwrap();
    *stage.theatre.selling.lock().unwrap() = Selling::SellsBarcode(BARCODE.into());
    for request in [request(1, 1), BookingRequest { stock_id: OTHER_STOCK, ..request(2, 1) }] {
        let answer = stage.book(&request).await;
        assert!(matches!(&answer, BookingAnswer::Sold { tickets, .. } if tickets[0].barcode == BARCODE), "{answer:?}");
    }
    assert_eq!(stage.theatre.held(), 2);
    stage
}

impl Stage {
    async fn cancel_at(&self, connection: Option<&str>) -> CancellationAnswer {
        let connection = connection.map(str::to_owned);
        self.desk.cancel("default", connection, vec![BARCODE.to_owned()], Instant::now()).await
    }

    /// Connections whose ticket is still held.
    async fn holding(&self) -> Vec<String> {
        let all = self.bookings().await.into_iter();
        let live = all.filter(|booking| booking.tickets.iter().any(|ticket| ticket.state != TicketState::Void));
        let mut names: Vec<String> = live.map(|booking| booking.row.connection).collect();
        names.sort();
        names
    }
}

on_both_engines! {
    nobody_can_tell_and_nothing_is_touched,
    the_address_tells_whose_ticket_it_is,
    the_only_one_that_is_held_is_meant,
}

async fn nobody_can_tell_and_nothing_is_touched(place: super::support::Place) {
    let stage = both_sold(&place).await;
    assert_eq!(stage.cancel_at(None).await, CancellationAnswer::Failed);
    assert_eq!(stage.cancel_at(Some("nowhere")).await, CancellationAnswer::Failed);
    assert_eq!((stage.theatre.held(), stage.holding().await.len()), (2, 2));
}

async fn the_address_tells_whose_ticket_it_is(place: super::support::Place) {
    let stage = both_sold(&place).await;
    for _ in 0..2 {
        let answer = stage.cancel_at(Some("other")).await;
        assert!(matches!(answer, CancellationAnswer::Cancelled { .. }), "{answer:?}");
        assert_eq!((stage.theatre.held(), stage.holding().await), (1, vec!["cinema".to_owned()]));
    }
}

async fn the_only_one_that_is_held_is_meant(place: super::support::Place) {
    let stage = both_sold(&place).await;
    stage.cancel_at(Some("cinema")).await;
    for _ in 0..2 {
        let answer = stage.cancel_at(None).await;
        assert!(matches!(answer, CancellationAnswer::Cancelled { .. }), "{answer:?}");
        assert_eq!((stage.theatre.held(), stage.holding().await.len()), (0, 0));
    }
    assert!(stage.bookings().await.iter().all(|booking| booking.row.state == BookingState::Cancelled));
}
