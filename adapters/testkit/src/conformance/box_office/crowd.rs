//! Many at once, for few places.

use std::collections::HashSet;

use futures_util::future::join_all;
use passerelle_contract::{BookOutcome, Order, Refusal, Sale};

use super::super::facet::{Facet, read_pass};
use super::super::{Harness, Outcome, ensure};
use super::stage::{Stage, order};

/// People who want a seat.
const CROWD: usize = 10;

/// Places that they fight for.
const PLACES: u32 = 5;

/// Who got no answer that is final tries again, so often.
const MAX_ROUNDS: u32 = 5;

pub(in super::super) async fn a_crowd_buys_each_place_once(harness: &dyn Harness) -> Outcome {
    let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
    let template = stage.orders().five_left.clone();
    ensure(stage.left(&template) == PLACES, || format!("{} places left, not {PLACES}", stage.left(&template)))?;
    let before = stage.sold(&template);
    // Beside a running pass, as in a busy minute.
    let (sales, _pass) = tokio::join!(fight(&stage, &template), read_pass(harness, stage.adapter(), Facet::Screenings));
    let sales = sales?;
    let sold = stage.sold(&template).saturating_sub(before);
    ensure(sold == PLACES && sales.len() == PLACES as usize, || {
        format!("{PLACES} places, {sold} sold in truth, {} sales", sales.len())
    })?;
    let mut barcodes = HashSet::new();
    let mut seats = HashSet::new();
    for ticket in sales.iter().flat_map(|sale| &sale.tickets) {
        ensure(barcodes.insert(&ticket.barcode), || format!("the barcode {} was sold twice", ticket.barcode))?;
        let own = ticket.seat.as_ref().is_none_or(|seat| seats.insert(seat));
        ensure(own, || format!("the seat {:?} was sold twice", ticket.seat))?;
    }
    for sale in &sales {
        stage.take_back(&sale.tickets).await?;
    }
    ensure(stage.left(&template) == PLACES, || format!("{} places came back", stage.left(&template)))
}

/// Everybody at once; the sales.
async fn fight(stage: &Stage, template: &Order) -> Result<Vec<Sale>, String> {
    let mut sales = Vec::new();
    let mut waiting = CROWD;
    for _round in 0..MAX_ROUNDS {
        let orders: Vec<Order> = (0..waiting).map(|_| order(template, 1)).collect();
        let office = join_all(orders.iter().map(|order| stage.book(order))).await;
        waiting = 0;
        for attempt in office {
            match attempt?.outcome {
                BookOutcome::Booked(sale) => sales.push(sale),
                BookOutcome::Refused(Refusal::SoldOut) => {}
                BookOutcome::NotAttempted(_) => waiting += 1,
                other => return Err(format!("in a crowd: {other:?}")),
            }
        }
        if waiting == 0 {
            return Ok(sales);
        }
    }
    Err(format!("{waiting} of {CROWD} never get a final answer from a healthy vendor"))
}
