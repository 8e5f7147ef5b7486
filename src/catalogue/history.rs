//! What is told of EANs in their history: each one as long as they are few, one row for all of them beyond.
//!
//! Invariant: a row is made of what was written to the ledger, and written right after it.

use passerelle_contract::{Ean, Position, Terms};

use super::PassError;
use super::lane::Lane;
use super::plan::Action;
use crate::passculture::Availability;
use crate::store::Millis;
use crate::store::history::{HistoryEvent, HistoryRow, MOST_EANS_OF_PASS};
use crate::store::ledger::{Acknowledged, Entry, Sent};

/// Are so many EANs told one by one?
pub(super) const fn tells_each(eans: u64) -> bool {
    eans <= MOST_EANS_OF_PASS
}

/// What a pass tells of the desired terms that it changes.
#[derive(Debug)]
pub(super) struct PassHistory<'a> {
    now: Millis,
    actions: u64,
    evidence: Option<std::borrow::Cow<'a, str>>,
    tells_lines: bool,
}

impl<'a> PassHistory<'a> {
    /// Of a pass that changes so many EANs; `fingerprint` is the export's, `inbound` the posted body's number. With several files
    /// read in one pass (their lines do not rise all through), a line is not told, since nobody could say of which.
    pub(super) fn new(
        now: Millis,
        actions: u64,
        fingerprint: Option<&'a str>,
        inbound: Option<i64>,
        lines_rise: bool,
    ) -> Self {
        let posted = inbound.map(|body| format!("posted body {body}").into());
        let export =
            fingerprint.map(|print| if lines_rise { print.into() } else { format!("{print} and others").into() });
        Self { now, actions, evidence: posted.or(export), tells_lines: lines_rise }
    }

    /// The row of one EAN that was stated there; `None` when nothing changes, or when there are too many.
    pub(super) fn of_action(&self, ean: Ean, action: Action, at: Option<Position>) -> Option<HistoryRow> {
        let (event, terms) = match action {
            _ if !tells_each(self.actions) => return None,
            Action::Create(terms) => (HistoryEvent::FirstSeen, Some(terms)),
            Action::Change(terms) => (HistoryEvent::Changed, Some(terms)),
            Action::Withdraw => (HistoryEvent::Withdrawn, None),
            Action::Keep | Action::Hold(_) => return None,
        };
        let line = match at {
            Some(Position::Line(line)) if self.tells_lines => Some(line),
            Some(_) | None => None,
        };
        Some(HistoryRow { terms, line, ..self.row(Some(ean), event) })
    }

    /// The row that tells of too many.
    pub(super) fn of_all(&self) -> Option<HistoryRow> {
        let row = || HistoryRow { items: Some(self.actions), ..self.row(None, HistoryEvent::ManyChanged) };
        (!tells_each(self.actions)).then(row)
    }

    fn row(&self, ean: Option<Ean>, event: HistoryEvent) -> HistoryRow {
        let evidence = self.evidence.as_deref().map(str::to_owned);
        HistoryRow { evidence, ..HistoryRow::new(ean, self.now, event) }
    }
}

/// What became of one EAN on its way north.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    ean: Ean,
    event: HistoryEvent,
    terms: Option<Terms>,
    call_at: Option<Millis>,
    code: Option<&'static str>,
}

impl Told {
    /// It went with a call.
    pub(super) fn sent(ean: Ean, sent: Sent, event: HistoryEvent) -> Self {
        Self { ean, event, terms: Some(sent.terms), call_at: Some(sent.call.time()), code: None }
    }

    /// pass Culture does not take it.
    pub(super) fn refused(entry: &Entry) -> Self {
        let verdict = entry.refused.and_then(|refusal| Availability::from_code(refusal.code));
        let is_drop = verdict == Some(Availability::DroppedSilently);
        let event = if is_drop { HistoryEvent::Dropped } else { HistoryEvent::Refused };
        Self { ean: entry.ean, event, terms: entry.desired, call_at: None, code: verdict.map(Availability::name) }
    }

    /// What was read back, when that settles it.
    pub(super) fn read_back(entry: &Entry, sent: Option<Sent>) -> Option<Self> {
        let call_at = sent.map(|sent| sent.call.time());
        match entry.acknowledged {
            Acknowledged::Verified(terms) => {
                Some(Self { ean: entry.ean, event: HistoryEvent::Verified, terms: Some(terms), call_at, code: None })
            }
            _ if entry.refused.is_some() => Some(Self { call_at, ..Self::refused(entry) }),
            _ => None,
        }
    }
}

impl Lane<'_> {
    /// Tells of each EAN, unless there are too many at once.
    pub(super) async fn tell(&self, told: impl Iterator<Item = Told> + Send) -> Result<(), PassError> {
        if !self.tells_each {
            return Ok(());
        }
        let now = (self.now)();
        let rows: Vec<HistoryRow> = told
            .map(|told| HistoryRow {
                terms: told.terms,
                call_at: told.call_at,
                code: told.code.map(str::to_owned),
                ..HistoryRow::new(Some(told.ean), now, told.event)
            })
            .collect();
        if rows.is_empty() { Ok(()) } else { Ok(self.store.add_history(self.lease, &rows).await?) }
    }

    /// Tells of all EANs of a run in one row, when there were too many to tell of each.
    pub(super) async fn tell_all(&self, sent: u64) -> Result<(), PassError> {
        if self.tells_each || sent == 0 {
            return Ok(());
        }
        let row = HistoryRow { items: Some(sent), ..HistoryRow::new(None, (self.now)(), HistoryEvent::ManySent) };
        Ok(self.store.add_history(self.lease, &[row]).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::queue::CallId;
    use passerelle_contract::{Cents, Quantity};

    const TERMS: Terms = Terms { price: Cents(990), quantity: Quantity::Exactly(2) };

    #[test]
    fn a_pass_tells_of_each_ean_or_of_all_of_them_and_never_both() {
        for (actions, each) in [(1, true), (MOST_EANS_OF_PASS, true), (MOST_EANS_OF_PASS + 1, false)] {
            let history = PassHistory::new(7, actions, Some("12 00ff"), None, true);
            let row = history.of_action(Ean::MIN, Action::Create(TERMS), Some(Position::Line(7)));
            assert_eq!((row.is_some(), history.of_all().is_none()), (each, each), "{actions}");
            assert_eq!(row.as_ref().and_then(|row| row.line), each.then_some(7));
            let told = row.or(history.of_all()).unwrap();
            assert_eq!((told.at, told.evidence.as_deref()), (7, Some("12 00ff")));
            assert_eq!(history.of_action(Ean::MIN, Action::Keep, None), None);
        }
        let posted =
            PassHistory::new(7, 1, Some("ff"), Some(3), true).of_action(Ean::MIN, Action::Withdraw, None).unwrap();
        assert_eq!((posted.event, posted.evidence.as_deref()), (HistoryEvent::Withdrawn, Some("posted body 3")));
    }

    #[test]
    fn a_line_of_one_of_several_files_is_not_told() {
        let history = PassHistory::new(7, 1, Some("ff"), None, false);
        let row = history.of_action(Ean::MIN, Action::Change(TERMS), Some(Position::Line(7))).unwrap();
        assert_eq!((row.line, row.evidence.as_deref()), (None, Some("ff and others")));
    }

    #[test]
    fn only_what_settles_an_ean_is_told_of_a_look() {
        let sent = Sent::first(TERMS, CallId::at(1_700_000_000_000));
        let mut entry =
            Entry { ean: Ean::MIN, desired: Some(TERMS), acknowledged: Acknowledged::Accepted(sent), refused: None };
        assert_eq!(Told::read_back(&entry, Some(sent)), None);
        entry.acknowledged = Acknowledged::Verified(TERMS);
        let told = Told::read_back(&entry, Some(sent)).unwrap();
        assert_eq!((told.event, told.call_at), (HistoryEvent::Verified, Some(1_700_000_000_000)));
        entry.refused = Some(crate::store::ledger::Refusal { code: Availability::DroppedSilently.code(), day: 1 });
        assert_eq!(Told::refused(&entry).event, HistoryEvent::Dropped);
    }
}
