//! Decides whether a plan is too big to trust.
//!
//! Pure: no clock, no store. A truncated export looks exactly like a shop that sold everything, and a price list in the wrong unit
//! exactly like a sale; so such plans wait for a second complete snapshot that agrees, or for a person.
//!
//! Invariant: a held plan changes nothing at all, not even the part of it that looks harmless.

use passerelle_contract::{Completeness, Expectations};

use super::plan::Tally;
use crate::store::HeldPlan;

/// Withdrawals always allowed, however small the shop.
pub const FREE_WITHDRAWALS: u64 = 5;
/// Share of the live stock that may be withdrawn unasked.
pub const FREE_WITHDRAWAL_RATIO: f64 = 0.20;
/// With fewer prices to compare, "most of them moved" says nothing.
pub const FEWEST_PRICES_COMPARED: u64 = 3;
/// Snapshots that must agree, the first included.
pub const AGREEING_SNAPSHOTS: u32 = 2;

/// Why a plan is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A complete snapshot without one usable row. Never released by a second one: an export that broke stays broken.
    EmptySnapshot,
    /// Fewer usable rows than the connection says it always has.
    TooFewRows,
    /// More books would leave than usually do.
    MassWithdrawal,
    /// Most prices moved by a factor of ten or more.
    PriceJump,
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
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// What it is about.
    pub subject: Subject,
    /// How much the pass showed.
    pub completeness: Completeness,
    /// Rows that were kept.
    pub kept: u64,
    /// What the source expects of itself.
    pub expectations: Expectations,
}

/// Judges a plan, given what was held before.
#[must_use]
pub fn judge(pass: &Judged, tally: &Tally, held: Option<&HeldPlan>) -> Verdict {
    let reasons = reasons(pass, tally);
    if reasons.is_empty() {
        return Verdict::Pass;
    }
    let agrees = held.is_some_and(|held| held.digest == tally.digest() && held.agreeing + 1 >= AGREEING_SNAPSHOTS);
    let may_agree = pass.completeness == Completeness::Snapshot && !reasons.contains(&Reason::EmptySnapshot);
    if agrees && may_agree { Verdict::Agreed(reasons) } else { Verdict::Hold(reasons) }
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
    let jumped = tally.jumped_up.max(tally.jumped_down);
    if tally.compared >= FEWEST_PRICES_COMPARED && jumped * 2 > tally.compared {
        reasons.push(Reason::PriceJump);
    }
    reasons
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
    let (english, french): (Vec<_>, Vec<_>) = reasons
        .iter()
        .map(|reason| match reason {
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

    fn pass(kept: u64) -> Judged {
        Judged {
            subject: Subject::Stock,
            completeness: Completeness::Snapshot,
            kept,
            expectations: Expectations::default(),
        }
    }

    fn tally(live: u64, withdraw: u64) -> Tally {
        Tally { live, withdraw, compared: live - withdraw, ..Tally::default() }
    }

    #[test]
    fn five_or_a_fifth_may_leave() {
        for (live, leaving, held) in [(10, 5, false), (10, 6, true), (100, 20, false), (100, 21, true), (5, 5, false)] {
            let verdict = judge(&pass(live), &tally(live, leaving), None);
            assert_eq!(verdict != Verdict::Pass, held, "{leaving} of {live}: {verdict:?}");
        }
    }

    #[test]
    fn a_partial_pass_is_not_held_for_what_it_does_not_show() {
        let partial = Judged { completeness: Completeness::Partial, ..pass(0) };
        assert_eq!(judge(&partial, &tally(100, 0), None), Verdict::Pass);
    }

    #[test]
    fn a_second_snapshot_must_agree_on_what_was_doubtful() {
        let plan = tally(100, 50);
        let held = |digest| HeldPlan {
            since: 0,
            digest,
            reasons: vec![],
            message: String::new(),
            message_fr: String::new(),
            agreeing: 1,
            inbound: None,
        };
        assert!(matches!(judge(&pass(50), &plan, Some(&held(plan.digest()))), Verdict::Agreed(_)));
        assert!(matches!(judge(&pass(50), &plan, Some(&held(plan.digest() ^ 1))), Verdict::Hold(_)));
    }

    #[test]
    fn an_empty_snapshot_is_never_agreed_upon() {
        let plan = tally(3, 3);
        let held = HeldPlan {
            since: 0,
            digest: plan.digest(),
            reasons: vec![],
            message: String::new(),
            message_fr: String::new(),
            agreeing: 7,
            inbound: None,
        };
        assert_eq!(judge(&pass(0), &plan, Some(&held)), Verdict::Hold(vec![Reason::EmptySnapshot]));
    }

    #[test]
    fn most_prices_moving_together_are_held() {
        let moved = Tally { live: 4, compared: 4, jumped_up: 3, ..Tally::default() };
        assert_eq!(judge(&pass(4), &moved, None), Verdict::Hold(vec![Reason::PriceJump]));
        let few = Tally { live: 4, compared: 4, jumped_up: 2, ..Tally::default() };
        assert_eq!(judge(&pass(4), &few, None), Verdict::Pass);
    }
}
