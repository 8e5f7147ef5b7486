//! `passerelle explain`: everything known of one thing, in one place.

mod history;
mod shows;

use clap::Args;
use passerelle_contract::Ean;
use passerelle_kit::money::NumberProblem;
use passerelle_kit::reference::ReferenceProblem;
use serde_json::json;

use super::quarantine::{object, place};
use super::{CliContext, CliError};
use crate::catalogue::preview::{tell, terms_object};
use crate::clock::show;
use crate::codes;
use crate::gateway::Gateway;
use crate::passculture::Availability;
use crate::rules::{products, screenings};
use crate::store::ledger::{Acknowledged, Entry, Terms, find};

/// Most rows of the quarantine told of one key.
const MOST_ROWS: u32 = 50;

/// Tells everything known of an EAN, a reference as the shop writes it, a show, a booking, or a code.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// An EAN (hyphens and ISBN-10 are fine), a shop's own reference, a film or a show (its number at the vendor or at pass
    /// Culture), a booking's reference, barcode or `bk_…` name, or a code such as `BadCheckDigit`.
    thing: String,
}

impl Explain {
    pub(crate) fn of(thing: &str) -> Self {
        Self { thing: thing.to_owned() }
    }

    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        if explain_code(context, &self.thing) {
            return Ok(0);
        }
        let (_, gateway) = context.open_reading("explain", false).await?;
        if super::bookings::show_booking(context, &gateway, &self.thing).await? {
            return Ok(0);
        }
        if shows::explain(context, &gateway, &self.thing).await? {
            return Ok(0);
        }
        let ean = passerelle_kit::reference::normalise(&self.thing).ok();
        let mut known = false;
        if let Some(ean) = ean {
            known |= explain_ledger(context, &gateway, ean).await?;
        }
        known |= explain_quarantine(context, &gateway, &self.thing, ean).await?;
        if known {
            return Ok(0);
        }
        Err(CliError::Failed(format!(
            "`{}` is unknown: no connection has it in its ledger, no row of the last pass carries it, it is no booking and no code. \
             If a shop should have it, its file or its software did not list it",
            self.thing
        )))
    }
}

fn explain_code(context: &CliContext, thing: &str) -> bool {
    let Some(entry) = codes::find(thing) else { return false };
    // The words that go with a row are more exact than the code's own.
    let (message, message_fr) =
        meaning(thing).unwrap_or_else(|| (entry.message.to_owned(), format!("{}.", entry.message_fr)));
    let class = entry.class.name();
    context.output.json(&json!({
        "event": "code", "code": thing, "class": class, "message": message, "message_fr": message_fr, "to_do": entry.to_do,
    }));
    context.output.text(format!("{thing} ({class})\n  {message}\n  {message_fr}\n  what to do: {}", entry.to_do));
    true
}

/// Does the code say that a row is damaged as a whole, rather than one value of it?
fn could_not_be_read(code: &str) -> bool {
    matches!(code, "BadLine" | "SecondHeader" | "BehindEnd")
}

/// What a code means, in English and in French: a rule's, pass Culture's, or that of a number or a reference that cannot be read.
fn meaning(code: &str) -> Option<(String, String)> {
    let rule = products::REASONS.iter().chain(screenings::REASONS).find(|reason| reason.code == code);
    let refusal = Availability::ALL.iter().find(|verdict| verdict.name() == code);
    let reference = ReferenceProblem::ALL.into_iter().find(|problem| problem.problem().code == code);
    let price = NumberProblem::ALL.into_iter().find(|problem| problem.price_problem().code == code);
    let quantity = NumberProblem::ALL.into_iter().find(|problem| problem.quantity_problem().code == code);
    rule.map(|reason| (reason.message.to_owned(), reason.message_fr.to_owned()))
        .or_else(|| refusal.map(|verdict| (verdict.english().to_owned(), verdict.french().to_owned())))
        .or_else(|| reference.map(|problem| (problem.to_string(), problem.message_fr())))
        .or_else(|| price.map(|problem| (format!("price: {problem}"), format!("Prix : {}", problem.message_fr()))))
        .or_else(|| {
            quantity.map(|problem| (format!("quantity: {problem}"), format!("Quantité : {}", problem.message_fr())))
        })
}

async fn explain_ledger(context: &CliContext, gateway: &Gateway, ean: Ean) -> Result<bool, CliError> {
    let mut known = false;
    for connection in gateway.connections().await? {
        let Some(entry) = find(gateway.store.as_ref(), &connection.id, ean).await? else { continue };
        known = true;
        let state = gateway.store.state(&connection.id).await?;
        let held = gateway.store.held(&connection.id).await?;
        let refused = entry.refused.and_then(|refusal| Availability::from_code(refusal.code));
        let venue = state.venue_id.or(connection.venue).unwrap_or_default();
        let queue = gateway.store.venue_queue(&connection.account, venue).await?.unwrap_or_default();
        let twins = queue.twins.iter().find(|twins| twins.ean == ean);
        let offers = twins.map(|twins| json!({ "keep": twins.kept, "close": twins.close }));
        context.output.json(&json!({
            "event": "ledger", "connection": connection.id, "ean": ean, "venue": state.venue_id.or(connection.venue),
            "desired": entry.desired.map(terms_object), "acknowledged": acknowledged(&entry).1.map(terms_object),
            "acknowledged_state": acknowledged(&entry).0, "refused": refused.map(Availability::name), "verdict": verdict(&entry, held.is_some()),
            "last_success": state.last_success_at.map(show), "sent": entry.acknowledged.sent().map(|sent| show(sent.call.time())),
            "offers": offers,
        }));
        let out = context.output;
        out.text(format!(
            "{ean} at {} (venue {})",
            connection.id,
            state.venue_id.or(connection.venue).unwrap_or_default()
        ));
        out.text(format!(
            "  the shop says     {}",
            entry.desired.map_or_else(|| "0: sold out, or no longer listed".to_owned(), tell)
        ));
        let (name, terms) = acknowledged(&entry);
        out.text(format!("  pass Culture has  {} ({name})", terms.map_or_else(|| "nothing".to_owned(), tell)));
        if let Some(code) = refused {
            out.text(format!("  refused           {}: {}", code.name(), code.english()));
            out.text(format!("                    {}", code.french()));
        }
        if let Some(twins) = twins {
            let close: Vec<String> = twins.close.iter().map(ToString::to_string).collect();
            out.text(format!(
                "  several offers    {} is the one that is kept up to date; close {} in the pass Culture pro portal",
                twins.kept,
                close.join(" and ")
            ));
        }
        out.text(format!("  verdict           {}", verdict(&entry, held.is_some())));
        if let Some(at) = state.last_success_at {
            out.text(format!("  last pass         {}", show(at)));
        }
        history::explain(context, gateway, &connection, state.venue_id.or(connection.venue), ean).await?;
    }
    Ok(known)
}

const fn acknowledged(entry: &Entry) -> (&'static str, Option<Terms>) {
    match entry.acknowledged {
        Acknowledged::Never => ("never sent", None),
        Acknowledged::InFlight(sent) => ("sent, no answer yet", Some(sent.terms)),
        Acknowledged::Accepted(sent) => ("accepted, not read back yet", Some(sent.terms)),
        Acknowledged::Verified(terms) => ("read back", Some(terms)),
    }
}

fn verdict(entry: &Entry, held: bool) -> &'static str {
    if entry.refused.is_some() {
        "refused by pass Culture: nothing is sent; it is asked again after a while"
    } else if entry.is_pending() && held {
        "waits: a plan of this connection is held"
    } else if entry.is_pending() && entry.is_unverified() {
        "waits until what was sent before shows at pass Culture, so that the two cannot overtake each other"
    } else if entry.is_pending() {
        "waits to be pushed: `passerelle push` does it now"
    } else if entry.is_unverified() {
        "accepted by pass Culture and not seen there yet: it is looked for at every pass"
    } else {
        "in step"
    }
}

async fn explain_quarantine(
    context: &CliContext,
    gateway: &Gateway,
    thing: &str,
    ean: Option<Ean>,
) -> Result<bool, CliError> {
    let rows = gateway.store.quarantine_by_key(thing, ean, MOST_ROWS).await?;
    for row in &rows {
        context.output.json(&object(row));
        let key = row.key.as_deref().unwrap_or(thing);
        let what = if row.is_note {
            format!("{key} at {}, {}: kept, but not as written ({})", row.connection, place(row), row.code)
        } else if row.ean.is_none() || row.ean != ean || could_not_be_read(&row.code) {
            format!(
                "{thing} at {}: its row could not be read ({}, {}): it keeps what it has",
                row.connection,
                place(row),
                row.code
            )
        } else {
            format!("{key} at {}, {}: stayed behind ({})", row.connection, place(row), row.code)
        };
        context.output.text(what);
        context.output.text(format!("  {}", row.message));
        if let Some(cells) = &row.cells {
            context.output.text(format!("  as written: {cells}"));
        }
        context.output.text(format!("  {}", row.message_fr));
    }
    Ok(!rows.is_empty())
}
