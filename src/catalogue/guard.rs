//! Decides whether a plan is too big to trust.
//!
//! Pure: no clock, no store. A truncated export looks exactly like a shop that sold everything, so such a plan waits for another export
//! that agrees, or for a person. A second look at the same export is no evidence, however often it is made: what counts is a file with
//! other bytes that was written later, or, where a vendor is asked anew each time, an answer hours later. A price list in the wrong unit
//! looks the same in every export, so only a person lets it through.
//!
//! Invariant: a held plan changes nothing at all, not even the part of it that looks harmless.

use passerelle_contract::{Completeness, Expectations};

use super::plan::Tally;
use super::shape::Absurd;
use crate::store::{Export, GuardLimits, HeldPlan};

/// Withdrawals always allowed, however small the shop.
pub const FREE_WITHDRAWALS: u64 = 5;
/// Share of the live stock that may be withdrawn unasked.
pub const FREE_WITHDRAWAL_RATIO: f64 = 0.20;
/// With fewer prices to compare, "most of them moved" says nothing.
pub const FEWEST_PRICES_COMPARED: u64 = 3;
/// A later export agrees when it takes down this share of what the first one would have, in per cent,
pub const AGREEING_SHARE: u64 = 95;
/// and no more than this, in per cent of it: one more sale in between must not start the waiting again.
pub const AGREEING_MORE: u64 = 110;

/// Why a plan is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A complete snapshot without one usable row. Never released by a second one: an export that broke stays broken.
    EmptySnapshot,
    /// Fewer usable rows than the connection says it always has.
    TooFewRows,
    /// More books would leave than usually do.
    MassWithdrawal,
    /// Most prices moved by a factor of ten or more. Released by a person alone.
    PriceJump,
    /// A first pass whose own shape is absurd: it has no past to be compared with. Released by a person alone.
    AbsurdFirst,
}

impl Reason {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::EmptySnapshot => "SuspiciousEmpty",
            Self::TooFewRows => "SuspiciousFewRows",
            Self::MassWithdrawal => "SuspiciousShrink",
            Self::PriceJump => "ImplausiblePriceUnit",
            Self::AbsurdFirst => "SuspiciousFirstSync",
        }
    }
}

/// What the guard says of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is doubtful.
    Pass,
    /// Doubtful for these reasons, but it was doubtful in the same way before, and now agrees.
    Agreed(Vec<Reason>),
    /// Held for these reasons.
    Hold(Vec<Reason>),
}

/// What a pass is about: for the sentences only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A shop's stock.
    Stock,
    /// A cinema's showtimes.
    Shows,
}

/// What the guard knows of a pass besides its tally.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What it is about.
    pub subject: Subject,
    /// How much the pass showed.
    pub completeness: Completeness,
    /// Rows that were kept.
    pub kept: u64,
    /// What the source expects of itself.
    pub expectations: Expectations,
    /// What tells this look from others.
    pub export: Export,
    /// The connection's limits.
    pub limits: GuardLimits,
    /// What is absurd about a first pass.
    pub(super) absurd: Vec<Absurd>,
}

/// Judges a plan, given what was held before.
#[must_use]
pub fn judge(pass: &Judged, tally: &Tally, held: Option<&HeldPlan>) -> Verdict {
    let reasons = reasons(pass, tally);
    if reasons.is_empty() {
        return Verdict::Pass;
    }
    let may_agree = pass.completeness == Completeness::Snapshot
        && reasons.iter().all(|reason| matches!(reason, Reason::MassWithdrawal | Reason::TooFewRows));
    if may_agree && held.is_some_and(|held| agrees(pass, tally, held)) {
        Verdict::Agreed(reasons)
    } else {
        Verdict::Hold(reasons)
    }
}

/// Is this another piece of evidence, and does it say the same?
fn agrees(pass: &Judged, tally: &Tally, held: &HeldPlan) -> bool {
    let Some(before) = &held.evidence else { return false };
    if !pass.export.is_later_than(&before.export, pass.limits.agree_after_seconds) {
        return false;
    }
    let leaving = tally.take_leaving();
    let now = tally.withdraw + tally.zeroed;
    // More than could be remembered: nobody can tell whether they are the same.
    if leaving.len() as u64 != now || before.leaving.len() as u64 != before.count {
        return false;
    }
    let same = before.leaving.iter().filter(|item| leaving.binary_search(item).is_ok()).count() as u64;
    same * 100 >= before.count * AGREEING_SHARE && now * 100 <= before.count.saturating_mul(AGREEING_MORE)
}

fn reasons(pass: &Judged, tally: &Tally) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if pass.completeness == Completeness::Snapshot {
        // A cinema that announces nothing and had nothing is on holiday.
        let nothing_to_lose = pass.subject == Subject::Shows && tally.live == 0;
        if pass.kept == 0 && !nothing_to_lose {
            reasons.push(Reason::EmptySnapshot);
        } else if pass.kept < pass.expectations.min_rows {
            reasons.push(Reason::TooFewRows);
        }
        if tally.withdraw + tally.zeroed > free_withdrawals(tally.live, pass.expectations.max_withdraw_ratio) {
            reasons.push(Reason::MassWithdrawal);
        }
    }
    if !pass.absurd.is_empty() {
        reasons.push(Reason::AbsurdFirst);
    }
    if most_prices_moved(tally) {
        reasons.push(Reason::PriceJump);
    }
    reasons
}

/// Did so many prices move together that no single one is the question?
#[must_use]
pub fn most_prices_moved(tally: &Tally) -> bool {
    tally.compared >= FEWEST_PRICES_COMPARED && tally.jumped_up.max(tally.jumped_down) * 2 > tally.compared
}

/// How many books may leave at once.
#[must_use]
pub fn free_withdrawals(live: u64, ratio: Option<f64>) -> u64 {
    let ratio = ratio.unwrap_or(FREE_WITHDRAWAL_RATIO).clamp(0.0, 1.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let share = (live as f64 * ratio) as u64;
    share.max(FREE_WITHDRAWALS)
}

/// The sentences that tell why, for operators and for booksellers.
#[must_use]
pub fn explain(reasons: &[Reason], pass: &Judged, tally: &Tally, connection: &str) -> (String, String) {
    let leaving = tally.withdraw + tally.zeroed;
    let allowed = free_withdrawals(tally.live, pass.expectations.max_withdraw_ratio);
    let jumped = tally.jumped_up.max(tally.jumped_down);
    let (source_fr, row_fr, item_fr) = match pass.subject {
        Subject::Stock => ("le fichier de stock", "ligne utilisable", "articles"),
        Subject::Shows => ("la programmation", "séance utilisable", "séances"),
    };
    let absurd = || -> (String, String) {
        let (english, french): (Vec<_>, Vec<_>) = pass.absurd.iter().map(Absurd::said).unzip();
        (english.join("; "), french.join(" ; "))
    };
    let (english, french): (Vec<_>, Vec<_>) = reasons
        .iter()
        .map(|reason| match reason {
            Reason::AbsurdFirst => absurd(),
            Reason::EmptySnapshot => {
                ("the snapshot has no usable row".to_owned(), format!("{source_fr} ne contient aucune {row_fr}"))
            }
            Reason::TooFewRows => (
                format!(
                    "the snapshot has {} usable rows, fewer than the {} expected",
                    pass.kept, pass.expectations.min_rows
                ),
                format!(
                    "{source_fr} ne contient que {} {row_fr}(s), {} au moins sont attendues",
                    pass.kept, pass.expectations.min_rows
                ),
            ),
            Reason::MassWithdrawal => (
                format!("{leaving} of {} live items would leave at once, {allowed} may", tally.live),
                format!(
                    "{leaving} {item_fr} sur {} disparaîtraient d'un coup ({allowed} au plus sans confirmation)",
                    tally.live
                ),
            ),
            Reason::PriceJump => (
                format!("{jumped} of {} prices moved by a factor of ten or more", tally.compared),
                format!("{jumped} prix sur {} ont été multipliés ou divisés par dix ou plus", tally.compared),
            ),
        })
        .unzip();
    (
        format!(
            "{}; nothing was changed. If it is right, release it: `passerelle sync {connection} --release`",
            english.join("; ")
        ),
        format!(
            "Synchronisation en attente : {}. Rien n'a été modifié sur le pass Culture ; vérifiez l'export de votre logiciel.",
            french.join(" ; ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Evidence;

    const HOUR: i64 = 3_600_000;

    fn pass(kept: u64) -> Judged {
        Judged {
            subject: Subject::Stock,
            completeness: Completeness::Snapshot,
            kept,
            expectations: Expectations::default(),
            export: Export::default(),
            limits: GuardLimits::default(),
            absurd: Vec::new(),
        }
    }

    /// A plan over so many live items that takes down these.
    fn plan(live: u64, leaving: impl IntoIterator<Item = u32>) -> Tally {
        let mut tally = Tally { live, ..Tally::default() };
        for item in leaving {
            tally.leaves(b'w', &item.to_le_bytes());
            tally.withdraw += 1;
        }
        tally.compared = live - tally.withdraw;
        tally
    }

    fn file(bytes: &str, written_at: i64) -> Export {
        Export { fingerprint: Some(bytes.to_owned()), written_at: Some(written_at), looked_at: written_at }
    }

    fn held(plan: &Tally, export: Export) -> HeldPlan {
        HeldPlan {
            since: 0,
            digest: plan.digest(),
            reasons: vec![],
            message: String::new(),
            message_fr: String::new(),
            agreeing: 1,
            inbound: None,
            evidence: Some(Evidence { export, leaving: plan.take_leaving(), count: plan.withdraw }),
        }
    }

    #[test]
    fn five_or_a_fifth_may_leave() {
        for (live, leaving, held) in [(10, 5, false), (10, 6, true), (100, 20, false), (100, 21, true), (5, 5, false)] {
            let verdict = judge(&pass(live), &plan(live, 0..leaving), None);
            assert_eq!(verdict != Verdict::Pass, held, "{leaving} of {live}: {verdict:?}");
        }
    }

    #[test]
    fn a_partial_pass_is_not_held_for_what_it_does_not_show() {
        let partial = Judged { completeness: Completeness::Partial, ..pass(0) };
        assert_eq!(judge(&partial, &plan(100, []), None), Verdict::Pass);
    }

    #[test]
    fn only_another_and_later_export_is_evidence() {
        let plan = plan(100, 0..60);
        let first = held(&plan, file("a", HOUR));
        let agreed = |export| matches!(judge(&Judged { export, ..pass(40) }, &plan, Some(&first)), Verdict::Agreed(_));
        assert!(!agreed(file("a", HOUR)), "the same file");
        assert!(!agreed(file("a", 99 * HOUR)), "the same bytes, touched");
        assert!(!agreed(file("b", HOUR)), "other bytes that are not newer");
        assert!(!agreed(file("b", 0)), "an older export");
        assert!(agreed(file("b", 2 * HOUR)));
        let asked = |hours: i64| Export { looked_at: hours * HOUR, ..Export::default() };
        let first = held(&plan, asked(1));
        let agreed = |export| matches!(judge(&Judged { export, ..pass(40) }, &plan, Some(&first)), Verdict::Agreed(_));
        assert!(!agreed(asked(6)) && agreed(asked(7)), "an API is asked again six hours later");
    }

    #[test]
    fn one_more_sale_in_between_agrees_and_another_plan_does_not() {
        let before = held(&plan(1_000, 0..300), file("a", HOUR));
        let later = Judged { export: file("b", 2 * HOUR), ..pass(700) };
        let agreed =
            |leaving: Vec<u32>| matches!(judge(&later, &plan(1_000, leaving), Some(&before)), Verdict::Agreed(_));
        assert!(agreed((0..301).collect()) && agreed((15..300).collect()) && agreed((0..330).collect()));
        assert!(!agreed((16..300).collect()), "more than a twentieth is another one");
        assert!(!agreed((0..331).collect()), "more than a tenth more");
        assert!(!agreed((300..600).collect()));
    }

    #[test]
    fn an_empty_snapshot_and_prices_in_another_unit_are_never_agreed_upon() {
        let empty = plan(3, 0..3);
        let later = Judged { export: file("b", 2 * HOUR), ..pass(0) };
        let before = held(&empty, file("a", HOUR));
        assert_eq!(judge(&later, &empty, Some(&before)), Verdict::Hold(vec![Reason::EmptySnapshot]));
        let moved = Tally { live: 4, compared: 4, jumped_up: 3, ..Tally::default() };
        let later = Judged { export: file("b", 2 * HOUR), ..pass(4) };
        assert_eq!(judge(&later, &moved, Some(&held(&moved, file("a", HOUR)))), Verdict::Hold(vec![Reason::PriceJump]));
    }

    #[test]
    fn most_prices_moving_together_are_held() {
        let moved = Tally { live: 4, compared: 4, jumped_up: 3, ..Tally::default() };
        assert_eq!(judge(&pass(4), &moved, None), Verdict::Hold(vec![Reason::PriceJump]));
        let few = Tally { live: 4, compared: 4, jumped_up: 2, ..Tally::default() };
        assert_eq!(judge(&pass(4), &few, None), Verdict::Pass);
    }
}
