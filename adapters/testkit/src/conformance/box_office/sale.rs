//! A sale, its refusals, its journal, and what is left.

use passerelle_contract::{BookOutcome, Order, Places, Quantity, Refusal, Row};

use super::super::facet::{Facet, Fact, read_good_pass, rows};
use super::super::{Harness, Outcome, ensure, garbage};
use super::stage::{Stage, Steps, after, order};
use crate::simulator::Fault;

/// Places that the open show must have.
const OPEN_PLACES: u32 = 20;

pub(in super::super) async fn a_sale_gives_a_ticket_for_every_seat(harness: &dyn Harness) -> Outcome {
    let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
    ensure(!stage.office()?.semantics().find_after.is_empty(), || {
        "a lost sale must be looked for at least once".to_owned()
    })?;
    let open = &stage.orders().open;
    ensure(stage.left(open) >= OPEN_PLACES, || format!("the open show has {} places", stage.left(open)))?;
    let mut barcodes = Vec::new();
    for (template, quantity) in [(open, 1), (open, 2), (&stage.orders().last_place, 1)] {
        let before = stage.left(template);
        let (sale, _) = stage.sell(&order(template, quantity)).await?;
        let left = before.saturating_sub(quantity);
        ensure(stage.left(template) == left, || "the simulator's truth does not count the sale".to_owned())?;
        let expected = if harness.counts_places() { Quantity::Exactly(left) } else { Quantity::Unlimited };
        ensure(sale.remaining == expected, || format!("{:?} places remain, not {expected:?}", sale.remaining))?;
        let mine: Vec<String> = sale.tickets.into_iter().map(|ticket| ticket.barcode).collect();
        ensure(mine.iter().all(|one| !barcodes.contains(one)), || "two sales share a barcode".to_owned())?;
        barcodes.extend(mine);
    }
    Ok(())
}

pub(in super::super) async fn the_journal_is_written_right_before_the_sale(harness: &dyn Harness) -> Outcome {
    let Some(steps) = Steps::cold(harness).await? else { return Ok(()) };
    // If the call that follows the journal sells, then all is sold when only its answer is lost, and nothing is when the
    // call itself is.
    for (fault, expected) in [(after(Fault::Status(500)), 2), (Fault::Status(500), 0)] {
        let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
        let order = order(&stage.orders().open, 2);
        // A sale that may be repeated fails every time; only what was written before its first sending is before the sale.
        let repeats = harness.repeats_a_sale_because().is_some();
        if repeats {
            stage.simulator()?.faults().from_call(steps.sells_at, fault.clone());
        } else {
            stage.simulator()?.faults().at_call(steps.sells_at, fault.clone());
        }
        let attempt = stage.book(&order).await?;
        let before = attempt.journal.iter().take(if repeats { 1 } else { usize::MAX });
        let early = before.into_iter().all(|written| written.sold_before == 0);
        ensure(early && !attempt.journal.is_empty(), || "the journal was written after the sale".to_owned())?;
        ensure(attempt.sold == expected, || {
            let call = attempt.calls.get(steps.sells_at);
            format!("{fault:?} at the call after the journal ({call:?}): {} seats sold, not {expected}", attempt.sold)
        })?;
    }
    Ok(())
}

pub(in super::super) async fn nothing_is_sold_when_the_journal_fails(harness: &dyn Harness) -> Outcome {
    let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
    let attempt = stage.book_with(&order(&stage.orders().open, 2), true).await?;
    ensure(!attempt.journal.is_empty(), || "the journal was never written".to_owned())?;
    ensure(attempt.sold == 0, || format!("{} seats sold without a journal", attempt.sold))?;
    let honest = matches!(attempt.outcome, BookOutcome::NotAttempted(_));
    ensure(honest, || format!("not NotAttempted: {:?}", attempt.outcome))
}

pub(in super::super) async fn every_refusal_is_named_and_sells_nothing(harness: &dyn Harness) -> Outcome {
    let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
    let orders = stage.orders();
    type Expected = fn(&BookOutcome) -> bool;
    let too_few: Expected = if harness.counts_places() {
        |outcome| matches!(outcome, BookOutcome::Refused(Refusal::NotEnough { remaining: 1 }))
    } else {
        |outcome| matches!(outcome, BookOutcome::Refused(Refusal::SoldOut))
    };
    let refused: [(&str, &Order, u32, Expected); 6] = [
        ("a sold-out show", &orders.sold_out, 1, |outcome| matches!(outcome, BookOutcome::Refused(Refusal::SoldOut))),
        ("a sold-out show", &orders.sold_out, 2, |outcome| matches!(outcome, BookOutcome::Refused(Refusal::SoldOut))),
        ("two seats where one is left", &orders.last_place, 2, too_few),
        ("a show that is gone", &orders.vanished, 1, |outcome| {
            matches!(outcome, BookOutcome::Refused(Refusal::ShowGone))
        }),
        // There is no word for it: another price is nobody's refusal.
        ("another price", &orders.price_changed, 1, |outcome| {
            matches!(outcome, BookOutcome::Refused(Refusal::NoTariff) | BookOutcome::NotAttempted(_))
        }),
        ("a show that has begun", &orders.started, 1, |outcome| {
            matches!(outcome, BookOutcome::Refused(Refusal::SalesClosed | Refusal::ShowGone))
        }),
    ];
    for (what, template, quantity, expected) in refused {
        let attempt = stage.book(&order(template, quantity)).await?;
        ensure(attempt.sold == 0, || format!("{what}: {} seats sold", attempt.sold))?;
        ensure(expected(&attempt.outcome), || format!("{what}: {:?}", attempt.outcome))?;
    }
    Ok(())
}

pub(in super::super) async fn remaining_is_the_truth(harness: &dyn Harness) -> Outcome {
    let Some(stage) = Stage::set(harness).await? else { return Ok(()) };
    if harness.cannot_ask_for_places_because().is_some() {
        return remembered_is_true(&stage).await;
    }
    // Before any pass, after a sale, and as the pass itself says.
    asked_is_true(harness, &stage).await?;
    stage.sell(&order(&stage.orders().open, 2)).await?;
    asked_is_true(harness, &stage).await?;
    stated_is_true(harness, &stage).await?;
    for fault in [Fault::Status(500), Fault::Html, garbage(), Fault::CutMidBody, Fault::Hang] {
        stage.simulator()?.faults().clear();
        stage.simulator()?.faults().from_call(0, fault.clone());
        let answer = stage.remaining(&stage.orders().open).await?;
        ensure(answer.is_err(), || format!("{fault:?} is read as {answer:?} places"))?;
    }
    Ok(())
}

/// Nothing is known before the vendor said it; what it says with a sale and with a cancellation is the truth.
async fn remembered_is_true(stage: &Stage) -> Outcome {
    let open = &stage.orders().open;
    let unasked = stage.remaining(open).await?;
    ensure(unasked.is_err(), || format!("nobody told, and it says {unasked:?}"))?;
    let (sale, _) = stage.sell(&order(open, 2)).await?;
    for cancelled in [false, true] {
        if cancelled {
            stage.take_back(&sale.tickets).await?;
        }
        let (said, truth) = (stage.remaining(open).await?, Quantity::Exactly(stage.left(open)));
        ensure(matches!(said, Ok(said) if said == truth), || format!("{said:?}, in truth {truth:?}"))?;
    }
    Ok(())
}

/// What a vendor with that many places says.
fn as_stated(harness: &dyn Harness, left: u32) -> Quantity {
    if harness.counts_places() || left == 0 { Quantity::Exactly(left) } else { Quantity::Unlimited }
}

async fn asked_is_true(harness: &dyn Harness, stage: &Stage) -> Outcome {
    let orders = stage.orders();
    for one in [&orders.open, &orders.five_left, &orders.last_place, &orders.sold_out, &orders.vanished] {
        let (said, truth) = (stage.remaining(one).await?, as_stated(harness, stage.left(one)));
        ensure(matches!(said, Ok(said) if said == truth), || {
            format!("show {}: {said:?}, in truth {truth:?}", one.show_key)
        })?;
    }
    Ok(())
}

async fn stated_is_true(harness: &dyn Harness, stage: &Stage) -> Outcome {
    let orders = stage.orders();
    let pass = rows(read_good_pass(harness, stage.adapter(), Facet::Screenings).await?);
    let stated: Vec<(String, Places)> = pass
        .into_iter()
        .filter_map(|row| if let Row::Good(Fact::Screening(screening)) = row { Some(screening.showtime) } else { None })
        .flat_map(|show| show.places.into_iter().map(move |places| (show.key.clone(), places)))
        .collect();
    for one in [&orders.open, &orders.five_left, &orders.last_place] {
        let place = stated.iter().find(|(show, places)| *show == one.show_key && places.key == one.places_key);
        let Some((_, places)) = place else { return Err(format!("show {} is for sale and not stated", one.show_key)) };
        let same = places.remaining == as_stated(harness, stage.left(one)) && places.tariff.price == one.price;
        ensure(same, || format!("show {} is stated as {places:?}; in truth {} left", one.show_key, stage.left(one)))?;
    }
    // A list may leave out what is full and what is gone; it must not offer it.
    for gone in [&orders.sold_out, &orders.vanished] {
        let offered =
            stated.iter().any(|(show, places)| *show == gone.show_key && places.remaining != Quantity::Exactly(0));
        ensure(!offered, || format!("show {} cannot be had and is stated with places", gone.show_key))?;
    }
    Ok(())
}
