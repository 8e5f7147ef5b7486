//! Sales: every action twice, every step failed in turn, every undo twice, and a clean slate at the end.
//!
//! The steps are not listed by anybody: a healthy booking's log gives them, and the journal says which of them sells. What
//! is true is what the simulator says that it sold, never what the adapter says.

use passerelle_contract::Order;

use super::Bench;

/// A cinema on the bench.
pub struct BoxOfficeBench {
    /// The vendor and settings that work with it. Time limits in them should be short (1 s).
    pub bench: Bench,
    /// What can be asked of it.
    pub orders: Orders,
    /// What it really sold.
    pub truth: Box<dyn Truth>,
}

/// Orders for shows of one cinema, each for one seat at its true price unless said otherwise, with a holder. The checks
/// change quantity and reference. All keys are what `screenings()` states (or once stated) for these shows.
#[derive(Clone, Debug)]
pub struct Orders {
    /// A show of tomorrow or later with at least 20 places, none of them sold by pass Culture yet.
    pub open: Order,
    /// Five places left.
    pub five_left: Order,
    /// One place left.
    pub last_place: Order,
    /// No place left.
    pub sold_out: Order,
    /// A show that was there once and is not any more.
    pub vanished: Order,
    /// Places left, but at another price than the order's.
    pub price_changed: Order,
    /// Places left, but it began an hour ago; `starts_at` says so too.
    pub started: Order,
}

/// The simulator's own books.
pub trait Truth: Send + Sync {
    /// Seats of the order's show that are sold to beneficiaries and not cancelled. 0 for a show that is not there.
    fn sold(&self, order: &Order) -> u32;

    /// Places of the order's show that beneficiaries can still buy. 0 for a show that is not there.
    fn left(&self, order: &Order) -> u32;
}
