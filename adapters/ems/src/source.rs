//! A pass over showtimes: one export for everything, or for what changed, then one question per film for what is sold out.
//!
//! The export has no counts, so places are without limit; what the vendor does not name as on sale has none left. It has no
//! removals either: only a full export that tells of the site is a snapshot, and two in a row must lack a show.
//!
//! Invariant: an answer that does not tell of the site, or a vendor that cannot be asked, never withdraws anything.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use passerelle_contract::{
    AdapterError, Completeness, Cursor, End, Expectations, Page, PageStream, Pull, Quantity, Row, Screening, Source,
    Starts,
};
use passerelle_kit::http::{Lane, RetryBudget};
use passerelle_kit::lenient;
use passerelle_kit::pass::{pages, whole};

use crate::client::{Ems, OnSale, malformed, now};
use crate::cursor::Plan;
use crate::facts::{Programme, is_past, programme};

/// Films asked for in one pass at most.
const MAX_FILMS_ASKED: usize = 200;
/// Time for all of these questions together.
const ASKING: Duration = Duration::from_secs(60);

/// Showtimes of one site.
pub(crate) struct Shows {
    ems: Arc<Ems>,
}

/// What became of the questions of a pass.
#[derive(Default)]
struct Asked {
    /// The vendor did not answer one, and no other was asked.
    broken: bool,
    warning: Option<String>,
}

impl Shows {
    pub(crate) const fn new(ems: Arc<Ems>) -> Self {
        Self { ems }
    }

    /// The whole pass, in pages.
    async fn read(&self, from: Option<Cursor>) -> Result<Vec<Page<Screening>>, AdapterError> {
        let site_id = &self.ems.settings().site_id;
        let plan = Plan::new(from.as_ref(), now());
        let budget = RetryBudget::default();
        let answer = self.ems.shared_schedule(plan.asks(), &budget).await?;
        let Programme { version, present, mut rows, notes } = lenient::text(&answer.body)
            .and_then(|body| programme(body, site_id))
            .ok_or_else(|| malformed(&answer, "read the schedule"))?;
        let asked = self.ask_on_sale(&mut rows).await;
        let shown = present && !rows.is_empty();
        let (cursor, warning) = plan.after(version, shown);
        let mut warnings: Vec<String> = warning.into_iter().chain(asked.warning).collect();
        let completeness = match (plan.full, shown) {
            (false, _) => Completeness::Delta,
            (true, true) if !asked.broken => Completeness::Snapshot,
            (true, true) => Completeness::Partial,
            (true, false) => {
                warnings.push(format!(
                    "the full schedule has no show of site {site_id}; nothing is withdrawn; check site_id"
                ));
                Completeness::Partial
            }
        };
        let end = End { completeness, cursor: Some(cursor), observed_at: None, fingerprint: None, warnings };
        let mut pages = pages(rows, end);
        if let Some(last) = pages.last_mut() {
            last.notes = notes;
        }
        Ok(pages)
    }

    /// Asks which shows of these films can still be sold; the others have no places left. What cannot be asked stays without
    /// limit: the vendor refuses what it cannot sell.
    async fn ask_on_sale(&self, rows: &mut [Row<Screening>]) -> Asked {
        let films = films_to_come(rows);
        let mut asked = Asked::default();
        let mut on_sale: HashMap<String, OnSale> = HashMap::new();
        let until = Instant::now() + ASKING;
        for film in films {
            // Its turn is part of it; how long one answer may take the client knows.
            let within = until.saturating_duration_since(Instant::now());
            if on_sale.len() == MAX_FILMS_ASKED || within.is_zero() {
                asked.warning =
                    Some(format!("only {} films were asked for; shows of others are on sale unasked", on_sale.len()));
                break;
            }
            match self.ems.on_sale(&film, Lane::Work, within).await {
                Ok(answer) => on_sale.insert(film, answer),
                Err(error) => {
                    asked.broken = true;
                    asked.warning = Some(format!("nobody knows what is sold out, and nothing is withdrawn: {error}"));
                    break;
                }
            };
        }
        for row in rows {
            let Row::Good(screening) = row else { continue };
            let open = !has_begun(screening)
                && on_sale.get(&screening.film.key).is_none_or(|on_sale| on_sale.has(&screening.showtime.key));
            if !open {
                screening.showtime.places.iter_mut().for_each(|places| places.remaining = Quantity::Exactly(0));
            }
        }
        asked
    }
}

/// Each film with a show to come, once, in the vendor's order.
fn films_to_come(rows: &[Row<Screening>]) -> Vec<String> {
    let mut seen = HashSet::new();
    rows.iter()
        .filter_map(|row| if let Row::Good(screening) = row { Some(screening) } else { None })
        .filter(|screening| !has_begun(screening) && seen.insert(screening.film.key.as_str()))
        .map(|screening| screening.film.key.clone())
        .collect()
}

fn has_begun(screening: &Screening) -> bool {
    matches!(screening.showtime.starts, Starts::Local(clock) if is_past(clock, jiff::Timestamp::now()))
}

impl Source<Screening> for Shows {
    fn pull(&self, ask: Pull) -> PageStream<'_, Screening> {
        whole(self.read(ask.from))
    }

    fn expectations(&self) -> Expectations {
        // The vendor never says that a show was taken away: one full export that lacks it proves nothing yet.
        Expectations { gone_after: 2, ..Expectations::default() }
    }
}
