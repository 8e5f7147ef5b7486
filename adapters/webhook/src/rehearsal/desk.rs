//! The part of a rehearsal that asks software to sell and to free seats, as the gateway does in synchronous mode.
//!
//! Invariant: whatever was sold, or may have been, is freed at the end: asked for by barcode, else told by message, else named
//! for a person.

use std::collections::BTreeSet;

use passerelle_contract::AdapterError;
use passerelle_kit::notice::{self, Kind, Reason};
use url::Url;

use super::judge::{self, Judged, deserted, join, not_tried, sent};
use super::plan::{self, cancelled, document, fresh_booking};
use super::stage::{Heard, Signing, Stage};
use super::{DeskTrial, REQUEST_TIME, Ruling, Verdict};
use crate::client::{new_id, now_millis};
use crate::facts::{self, CancelSaid, Made, SaleSaid};

/// Seats of every sale.
const SEATS: u32 = 1;
/// Barcodes kept of one booking: software that sells anew with every repetition names a few.
const MAX_BARCODES: usize = 10;
/// Requests to sell, and later to free, come in this order.
const SALE: u32 = 1;
const CANCEL: u32 = 2;

const SLOW: &str = "it took more than 4 s: by then pass Culture was told no";
const NOTHING_SOLD: &str = "nothing was sold that could be asked for again or freed";
const SAME: &str = "the same request, or another about a booking_id that is known, is answered with the same tickets, or with 409 \
                    already_exists and these";

/// A sale that was asked for.
struct Booked {
    booking_id: String,
    /// Sold and not freed yet, as far as is known.
    barcodes: BTreeSet<String>,
    /// May more have been sold than was told?
    is_doubtful: bool,
}

/// A request, for sending it again.
struct Request {
    booking_id: String,
    id: String,
    body: String,
}

/// The desk and what was bought at it.
struct Buyer<'s, 't> {
    stage: &'s mut Stage<'t>,
    desk: &'s DeskTrial,
    bought: Vec<Booked>,
    rulings: Vec<Ruling>,
}

/// Sells, repeats, frees, and frees what is left.
pub(super) async fn rehearse(stage: &mut Stage<'_>, desk: &DeskTrial) -> Vec<Ruling> {
    let mut buyer = Buyer { stage, desk, bought: Vec::new(), rulings: Vec::new() };
    buyer.rules().await;
    buyer.free_all().await;
    buyer.rulings
}

impl Buyer<'_, '_> {
    async fn rules(&mut self) {
        let request = self.request(None);
        let mut tickets = None;
        if let Some(heard) = self.buy("sale", &request, Signing::Right).await {
            let (judged, made) = first_sale(&heard);
            self.stage.has_taken |= made.is_some();
            tickets = made;
            self.rule("sale", Kind::Requested, Signing::Right, &request, heard, judged);
        }
        let other_id = Request { id: new_id(), booking_id: request.booking_id.clone(), body: request.body.clone() };
        for (rule, request) in [("sale-repeated", &request), ("sale-of-a-known-booking", &other_id)] {
            let Some(before) = &tickets else {
                self.rulings.push(not_tried(rule, Verdict::Warned, NOTHING_SOLD));
                continue;
            };
            if let Some(heard) = self.buy(rule, request, Signing::Right).await {
                let judged = in_time(&heard, same_tickets(&heard, before));
                self.rule(rule, Kind::Requested, Signing::Right, request, heard, judged);
            }
        }
        self.strange_sale().await;
        let request = self.request(Some(format!("rehearsal-unknown-{}", plan::fresh_name())));
        if let Some(heard) = self.buy("unknown-stock", &request, Signing::Right).await {
            let judged = in_time(&heard, unknown_stock(&heard));
            self.rule("unknown-stock", Kind::Requested, Signing::Right, &request, heard, judged);
        }
        self.cancellations(tickets.as_deref()).await;
    }

    async fn strange_sale(&mut self) {
        let request = self.request(None);
        if let Some(heard) = self.buy("sale-bad-signature", &request, Signing::Strange).await {
            let note = "whether nothing was sold cannot be seen from outside: look into your books";
            let remedy =
                "anybody can buy: compare webhook-signature before anything else, and answer 401 when it does not fit";
            let judged = in_time(&heard, judge::refused(&heard, self.stage.has_taken, note, remedy));
            self.rule("sale-bad-signature", Kind::Requested, Signing::Strange, &request, heard, judged);
        }
    }

    /// Frees the first sale, and once more, and then as a stranger.
    async fn cancellations(&mut self, sold: Option<&[Made]>) {
        let booking_id = self.bought.first().map(|booked| booked.booking_id.clone()).unwrap_or_default();
        let barcodes: Vec<String> = sold.into_iter().flatten().map(|one| one.barcode.clone()).collect();
        for (rule, signing) in [
            ("cancel", Signing::Right),
            ("cancel-again", Signing::Right),
            // What is void already can be asked for by a stranger without harm, should it be heard.
            ("cancel-bad-signature", Signing::Strange),
        ] {
            if barcodes.is_empty() {
                self.rulings.push(not_tried(rule, Verdict::Warned, NOTHING_SOLD));
                continue;
            }
            if self.stage.is_deserted() {
                self.rulings.push(deserted(rule));
                continue;
            }
            let (request, heard) = self.ask_to_free(&booking_id, &barcodes, signing).await;
            let judged = match (rule, signing) {
                (_, Signing::Strange) => {
                    let remedy = "anybody can free seats: compare webhook-signature before anything else";
                    judge::refused(&heard, self.stage.has_taken, "", remedy)
                }
                ("cancel", _) => first_cancel(&heard),
                _ => second_cancel(&heard),
            };
            if signing == Signing::Right && judged.0 != Verdict::Failed {
                self.freed(&booking_id, &barcodes);
            }
            let judged = in_time(&heard, judged);
            self.rule(rule, Kind::CancelRequested, signing, &request, heard, judged);
        }
    }

    /// A request for one seat of the stock that was named, or of another.
    fn request(&self, stock: Option<String>) -> Request {
        let booking_id = fresh_booking();
        let budget = i64::try_from(REQUEST_TIME.as_millis()).unwrap_or(i64::MAX);
        let mut data = plan::booking(self.stage.targets, &booking_id, None);
        data.stock_id = stock.unwrap_or(data.stock_id);
        data.answer_before = Some(notice::instant(now_millis().saturating_add(budget)));
        Request { booking_id, id: new_id(), body: document(Kind::Requested.name(), SALE, &data) }
    }

    /// Asks for a seat and keeps in mind what was sold; `None`, with its ruling, when nobody answers any more.
    async fn buy(&mut self, rule: &'static str, request: &Request, signing: Signing) -> Option<Heard> {
        if self.stage.is_deserted() {
            self.rulings.push(deserted(rule));
            return None;
        }
        let url = self.desk.booking_url.clone();
        let heard = self.stage.hear(&url, &request.id, &request.body, signing, true).await;
        let (made, is_doubtful) = match heard.said().map(|said| facts::sale(&said, SEATS)) {
            Some(SaleSaid::Sold(made, _)) => (made, false),
            // Nothing stands between the rehearsal and the software: whoever turned it away has sold nothing.
            Some(SaleSaid::Doubt(_, made)) => (made, !heard.status.is_some_and(|status| (400..500).contains(&status))),
            Some(SaleSaid::Refused(_) | SaleSaid::Nothing(_)) => (Vec::new(), false),
            None => (Vec::new(), true),
        };
        if !self.bought.iter().any(|booked| booked.booking_id == request.booking_id) {
            let booking_id = request.booking_id.clone();
            self.bought.push(Booked { booking_id, barcodes: BTreeSet::new(), is_doubtful: false });
        }
        if let Some(booked) = self.bought.iter_mut().find(|booked| booked.booking_id == request.booking_id) {
            booked.is_doubtful |= is_doubtful;
            for one in made {
                if booked.barcodes.len() < MAX_BARCODES {
                    booked.barcodes.insert(one.barcode);
                } else {
                    booked.is_doubtful = true;
                }
            }
        }
        Some(heard)
    }

    async fn ask_to_free(&mut self, booking_id: &str, barcodes: &[String], signing: Signing) -> (Request, Heard) {
        let data = cancelled(booking_id, barcodes.to_vec(), Vec::new(), Reason::Beneficiary);
        let body = document(Kind::CancelRequested.name(), CANCEL, &data);
        let url: Url = self.desk.cancel_url.clone();
        let request = Request { booking_id: booking_id.to_owned(), id: new_id(), body };
        let heard = self.stage.hear(&url, &request.id, &request.body, signing, true).await;
        (request, heard)
    }

    fn freed(&mut self, booking_id: &str, barcodes: &[String]) {
        for booked in self.bought.iter_mut().filter(|booked| booked.booking_id == booking_id) {
            booked.barcodes.retain(|barcode| !barcodes.contains(barcode));
        }
    }

    /// Each barcode by itself: one that is void must not keep another from being freed. What no answer frees is told by message.
    async fn free_all(&mut self) {
        let url = self.stage.targets.url.clone();
        let (mut asked, mut told, mut left) = (0_usize, 0_usize, Vec::new());
        for booked in std::mem::take(&mut self.bought) {
            let mut is_open = booked.is_doubtful;
            for barcode in &booked.barcodes {
                asked = asked.saturating_add(1);
                let (_, heard) =
                    self.ask_to_free(&booked.booking_id, std::slice::from_ref(barcode), Signing::Right).await;
                is_open |= !is_void(&heard);
            }
            if !is_open {
                continue;
            }
            told = told.saturating_add(1);
            let data = cancelled(&booked.booking_id, Vec::new(), Vec::new(), Reason::Compensation);
            let body = document(Kind::Cancelled.name(), CANCEL, &data);
            if !self.stage.hear(&url, &new_id(), &body, Signing::Right, false).await.is_good() {
                left.push(booked.booking_id);
            }
        }
        let (verdict, remedy) = if left.is_empty() {
            (Verdict::Passed, String::new())
        } else {
            (Verdict::Failed, format!("they may still hold seats: void {} by hand", left.join(", ")))
        };
        self.rulings.push(Ruling {
            rule: "all-seats-free",
            verdict,
            sent: format!("{asked} request(s) to free, {told} message(s)"),
            saw: if left.is_empty() { "nothing is left".to_owned() } else { format!("{} are left", left.len()) },
            remedy,
        });
    }

    fn rule(
        &mut self,
        rule: &'static str,
        kind: Kind,
        signing: Signing,
        request: &Request,
        heard: Heard,
        (verdict, remedy): Judged,
    ) {
        let sent = sent(kind.name(), &request.id, signing, &request.body);
        self.rulings.push(Ruling { rule, verdict, sent, saw: heard.saw, remedy });
    }
}

/// Beyond its time no answer is good.
fn in_time(heard: &Heard, (verdict, says): Judged) -> Judged {
    if heard.status.is_some() && heard.elapsed > REQUEST_TIME {
        return (Verdict::Failed, join(SLOW, &says));
    }
    (verdict, says)
}

/// What is wrong with an answer. Facts tell it of one that says yes; of any other they speak to the gateway's operator.
fn hint(heard: &Heard, error: &AdapterError) -> String {
    if !heard.is_good() {
        return judge::by_status(heard.status).to_owned();
    }
    error.context.strip_prefix(&heard.saw).unwrap_or(&error.context).trim_start_matches("; ").to_owned()
}

fn failed(says: impl Into<String>) -> Judged {
    (Verdict::Failed, says.into())
}

fn passed() -> Judged {
    (Verdict::Passed, String::new())
}

/// The first sale, and its tickets when it sold.
fn first_sale(heard: &Heard) -> (Judged, Option<Vec<Made>>) {
    let Some(said) = heard.said() else { return (failed(judge::by_status(None)), None) };
    let judged = match facts::sale(&said, SEATS) {
        SaleSaid::Sold(made, _) if matches!(said.status, 200 | 201) => return (in_time(heard, passed()), Some(made)),
        SaleSaid::Sold(made, _) => {
            return (failed("this booking is new: answer it with 201 and its tickets"), Some(made));
        }
        SaleSaid::Refused(_) => failed("it does not sell this stock now: name one that has places left"),
        SaleSaid::Nothing(error) | SaleSaid::Doubt(error, _) if said.status == 422 => {
            failed(join(&hint(heard, &error), "it must be asked for a seat at the stock's own price"))
        }
        SaleSaid::Nothing(error) | SaleSaid::Doubt(error, _) => {
            failed(join(&hint(heard, &error), "answer 201 with exactly as many tickets as quantity says"))
        }
    };
    (judged, None)
}

fn same_tickets(heard: &Heard, before: &[Made]) -> Judged {
    let Some(said) = heard.said() else { return failed(judge::by_status(None)) };
    let barcodes = |made: &[Made]| made.iter().map(|one| one.barcode.clone()).collect::<BTreeSet<_>>();
    match facts::sale(&said, SEATS) {
        SaleSaid::Sold(made, _) if barcodes(&made) == barcodes(before) => passed(),
        SaleSaid::Sold(..) => failed(join("other tickets came: a seat was sold twice", SAME)),
        _ => failed(SAME),
    }
}

fn unknown_stock(heard: &Heard) -> Judged {
    let remedy = "a stock that you do not know is answered 404 or 410 with {\"error\":\"unknown_stock\"}; anything else is taken \
                  for a wrong address or a fault";
    match (heard.status, heard.word().as_deref()) {
        (Some(404 | 410), Some("unknown_stock")) => passed(),
        _ => failed(remedy),
    }
}

fn first_cancel(heard: &Heard) -> Judged {
    match heard.said().map(|said| facts::cancel(&said)) {
        Some(CancelSaid::Cancelled(_)) => passed(),
        None => failed(judge::by_status(None)),
        Some(CancelSaid::Nothing(error) | CancelSaid::TurnedAway(error) | CancelSaid::Doubt(error)) => {
            failed(join(&hint(heard, &error), "answer 200 with a JSON object"))
        }
        Some(_) => failed("this ticket was just sold: free it, and answer 200 with a JSON object"),
    }
}

fn second_cancel(heard: &Heard) -> Judged {
    match heard.said().map(|said| facts::cancel(&said)) {
        Some(CancelSaid::Cancelled(_) | CancelSaid::AlreadyCancelled) => passed(),
        _ => failed("a ticket that is void already is answered 200, or 409 with {\"error\":\"already_cancelled\"}"),
    }
}

/// Is this ticket void by what was answered? One that the software does not know holds no seat.
fn is_void(heard: &Heard) -> bool {
    let said = heard.said().map(|said| facts::cancel(&said));
    matches!(said, Some(CancelSaid::Cancelled(_) | CancelSaid::AlreadyCancelled | CancelSaid::NotKnown))
}
