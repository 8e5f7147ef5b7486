//! Sales: every action twice, every step failed in turn, every undo twice, and a clean slate at the end.
//!
//! The steps are not listed by anybody: a healthy booking's log gives them, and the journal says which of them sells. What
//! is true is what the simulator says that it sold, never what the adapter says.

mod crowd;
mod failures;
mod find;
mod sale;
mod secrecy;
mod stage;
mod undo;

use passerelle_contract::{Order, Ticket};

use super::Bench;

pub(super) use crowd::a_crowd_buys_each_place_once;
pub(super) use failures::{a_failed_call_never_makes_a_booking_untrue, a_sale_that_may_have_arrived_is_not_sent_again};
pub(super) use find::a_lost_sale_is_never_called_unsold;
pub(super) use sale::{
    a_sale_gives_a_ticket_for_every_seat, every_refusal_is_named_and_sells_nothing,
    nothing_is_sold_when_the_journal_fails, remaining_is_the_truth, the_journal_is_written_right_before_the_sale,
};
pub(super) use secrecy::no_person_and_no_secret_shows_in_outcomes;
pub(super) use undo::{
    a_cancellation_frees_the_seats_and_may_be_repeated, a_failed_cancellation_is_never_taken_for_done,
    an_unknown_ticket_frees_nothing, one_of_two_is_cancelled_as_promised,
};

/// A cinema on the bench.
pub struct BoxOfficeBench {
    /// The vendor and settings that work with it. Time limits in them should be short (1 s).
    pub bench: Bench,
    /// What can be asked of it.
    pub orders: Orders,
    /// What it really sold.
    pub truth: Box<dyn Truth>,
}

/// Orders for shows of one cinema, each at its true price unless said otherwise. The checks set reference, quantity and
/// holder. All keys are what `screenings()` states (or once stated) for these shows.
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

    /// A well-formed ticket that this vendor never sold. By default the suite changes every digit of a sold one, which does
    /// where no digit of [`Ticket::vendor`] means anything but this sale.
    fn unknown_ticket(&self) -> Option<Ticket> {
        None
    }
}
