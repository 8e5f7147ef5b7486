//! Every action run twice, every step failed in turn, every undo twice, then a clean slate: whatever went wrong, once the
//! faults are over the seats that are sold are those that pass Culture counts, or a person was called.

use std::sync::atomic::Ordering;

use passerelle::passculture::messages::BookingAnswer;
use passerelle::store::bookings::BookingState;
use passerelle_contract::{CancelUnit, Refusal};

use super::support::on_sqlite;
use super::theatre::{Finding, Selling, Voiding};
use super::{Stage, request};

const SELLING: [Selling; 8] = [
    Selling::Sells,
    Selling::SellsUnheard,
    Selling::Unheard,
    Selling::Refuses(Refusal::SoldOut),
    Selling::Refuses(Refusal::NotEnough { remaining: 1 }),
    Selling::FailsBefore,
    Selling::SellsTooFew,
    Selling::Panics,
];
const VOIDING: [Voiding; 5] =
    [Voiding::Voids, Voiding::VoidsUnheard, Voiding::FailsBefore, Voiding::Unheard, Voiding::Keeps];
const FINDING: [Finding; 3] = [Finding::Tells, Finding::Unclear, Finding::Fails];

#[test]
fn the_trio() {
    on_sqlite(async |_| {
        let mut number = 0;
        for unit in [CancelUnit::Ticket, CancelUnit::Sale] {
            for finds in [true, false] {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", folder.path().join("store.db").display());
                let stage = Stage::new(&super::support::Place { url }, unit, finds).await;
                for selling in SELLING {
                    for voiding in VOIDING {
                        let looked_for = matches!(selling, Selling::SellsUnheard | Selling::Unheard | Selling::Panics);
                        for finding in if looked_for { &FINDING[..] } else { &FINDING[..1] } {
                            for (quantity, listing_down) in [(1, false), (2, false), (2, true)] {
                                number += 1;
                                let case = format!(
                                    "{unit:?} finds={finds} {selling:?} {voiding:?} {finding:?} ×{quantity} listing down={listing_down}"
                                );
                                one(
                                    &stage,
                                    number,
                                    &case,
                                    (selling.clone(), voiding, *finding),
                                    quantity,
                                    listing_down,
                                )
                                .await;
                            }
                        }
                    }
                }
            }
        }
        println!("{number} cases");
    });
}

async fn one(
    stage: &Stage,
    number: i64,
    case: &str,
    (selling, voiding, finding): (Selling, Voiding, Finding),
    quantity: u32,
    listing_down: bool,
) {
    let (held_before, believed_before) = (stage.theatre.held(), stage.believed());
    *stage.theatre.selling.lock().unwrap() = selling;
    *stage.theatre.voiding.lock().unwrap() = voiding;
    *stage.theatre.finding.lock().unwrap() = finding;
    stage.listing.down.store(listing_down, Ordering::SeqCst);

    // The action, twice.
    let mut wish = request(number, quantity);
    wish.holder.email = format!("{number}@example.com");
    let first = stage.book(&wish).await;
    let again = stage.desk.book("default", wish.clone(), tokio::time::Instant::now()).await;
    assert_eq!(first, again, "{case}");

    // The undo, twice, while things are broken; and a settling of what is open.
    let barcodes: Vec<String> = match &first {
        BookingAnswer::Sold { tickets, .. } => tickets.iter().map(|ticket| ticket.barcode.clone()).collect(),
        _ => Vec::new(),
    };
    let cancels = number % 2 == 0 && !barcodes.is_empty();
    if cancels {
        stage.cancel(&barcodes).await;
        stage.cancel(&barcodes).await;
    }
    stage.settle().await;

    // The faults are over; the undo once more, and the clean slate.
    stage.mend();
    if cancels {
        stage.cancel(&barcodes).await;
    }
    stage.settle().await;
    stage.settle().await;

    let fingerprint = wish.attempt("default").fingerprint();
    let booking = stage.store.booking_by_fingerprint(&fingerprint).await.unwrap().expect(case);
    let open = matches!(
        booking.row.state,
        BookingState::Calling | BookingState::Abandoned | BookingState::Unknown | BookingState::Releasing
    );
    assert!(!open, "{case}: left open: {booking:#?}");
    let held = stage.theatre.held() - held_before;
    let believed = stage.believed() - believed_before;
    if held != believed {
        assert!(booking.row.needs_human, "{case}: {held} held, {believed} believed, nobody told: {booking:#?}");
        // Held seats of a person's case are dealt with by hand, so that the next case starts clean.
        for sold in stage.theatre.sales.lock().unwrap().values_mut() {
            sold.void |= sold.reference == booking.row.reference;
        }
    }
    for held in stage.listing.held.lock().unwrap().iter_mut() {
        held.cancelled = true;
    }
    for sold in stage.theatre.sales.lock().unwrap().values_mut() {
        sold.void = true;
    }
}
