//! Seats that are being sold right now, so that two sales of this process do not choose the same ones: the vendor rejects the second
//! with a status that looks like any other trouble.
//!
//! Invariant: a seat in hand is given to nobody else.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::seats::Cell;

/// A seat that was sold is remembered so long: longer than anybody works with a map that was read before.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Seats that are remembered at most.
const MOST: usize = 2_000;

/// The seats in hand and those that were just sold, by show.
#[derive(Debug, Default)]
pub(crate) struct InHand(Mutex<Seats>);

#[derive(Debug, Default)]
struct Seats {
    /// Bounded by the sales under way.
    held: HashSet<(String, Cell)>,
    sold: VecDeque<(Instant, (String, Cell))>,
}

/// Seats that are in hand until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    of: &'a InHand,
    seats: Vec<(String, Cell)>,
}

/// What became of a choice.
#[derive(Debug)]
pub(crate) enum Taken<'a> {
    /// These.
    Seats(Vec<Cell>, Held<'a>),
    /// The last ones are being sold to others right now.
    OthersFirst,
    /// There are none.
    Nothing,
}

impl InHand {
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a show without numbered seats.
    pub(crate) fn nothing(&self) -> Held<'_> {
        Held { of: self, seats: Vec::new() }
    }

    /// Chooses seats of a show, given those that cannot be used, and takes them in hand.
    pub(crate) fn take(
        &self,
        show: &str,
        unusable: &HashSet<Cell>,
        choose: impl Fn(&HashSet<Cell>) -> Option<Vec<Cell>>,
    ) -> Taken<'_> {
        let mut all = self.lock();
        all.sold.retain(|(at, _)| at.elapsed() < REMEMBERED);
        let of_show = |seat: &(String, Cell)| (seat.0 == show).then_some(seat.1);
        let mut without_held = unusable.clone();
        without_held.extend(all.held.iter().filter_map(of_show));
        let mut without_sold = without_held.clone();
        without_sold.extend(all.sold.iter().filter_map(|(_, seat)| of_show(seat)));
        // One that was sold and is free on the map may have been given back.
        let Some(cells) = choose(&without_sold).or_else(|| choose(&without_held)) else {
            return if choose(unusable).is_some() { Taken::OthersFirst } else { Taken::Nothing };
        };
        let seats: Vec<(String, Cell)> = cells.iter().map(|cell| (show.to_owned(), *cell)).collect();
        all.held.extend(seats.iter().cloned());
        Taken::Seats(cells, Held { of: self, seats })
    }

    /// These seats were sold: whoever still looks at an older map is told no for that, and sold nothing.
    pub(crate) fn sold(&self, show: &str, cells: impl IntoIterator<Item = Cell>) {
        let mut all = self.lock();
        for cell in cells {
            if all.sold.len() == MOST {
                all.sold.pop_front();
            }
            all.sold.push_back((Instant::now(), (show.to_owned(), cell)));
        }
    }

    /// Was this seat just sold by another sale of this process?
    pub(crate) fn was_sold(&self, show: &str, cell: Cell) -> bool {
        let recent = |at: &Instant| at.elapsed() < REMEMBERED;
        self.lock().sold.iter().any(|(at, (other, known))| other == show && *known == cell && recent(at))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut all = self.of.lock();
        for seat in &self.seats {
            all.held.remove(seat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_in_hand_is_given_to_nobody_else_and_one_just_sold_is_avoided() {
        let in_hand = InHand::default();
        let row = [(0, 0), (0, 1)];
        let pick = |show: &str| {
            let none = HashSet::new();
            in_hand.take(show, &none, |avoided| row.iter().find(|cell| !avoided.contains(cell)).map(|cell| vec![*cell]))
        };
        let seat = |taken: &Taken<'_>| match taken {
            Taken::Seats(cells, _) => cells.first().copied(),
            Taken::OthersFirst | Taken::Nothing => None,
        };
        let (first, second, elsewhere) = (pick("a"), pick("a"), pick("b"));
        assert_eq!([&first, &second, &elsewhere].map(seat), [Some((0, 0)), Some((0, 1)), Some((0, 0))]);
        assert!(matches!(pick("a"), Taken::OthersFirst));
        drop(first);
        assert_eq!(seat(&pick("a")), Some((0, 0)));
        drop(second);
        in_hand.sold("a", [(0, 0)]);
        assert!(in_hand.was_sold("a", (0, 0)) && !in_hand.was_sold("b", (0, 0)) && !in_hand.was_sold("a", (0, 1)));
        let other = pick("a");
        assert_eq!(seat(&other), Some((0, 1)));
        // Given back meanwhile, as the map says.
        assert_eq!(seat(&pick("a")), Some((0, 0)));
        assert!(matches!(in_hand.take("a", &HashSet::new(), |_| None), Taken::Nothing));
    }
}
