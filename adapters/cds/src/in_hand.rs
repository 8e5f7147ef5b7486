//! Seats that are being sold right now, so that two sales of this process do not choose the same ones: the vendor rejects the second
//! with a status that looks like any other trouble.
//!
//! Invariant: a seat in hand is given to somebody else only when nothing else is left; its sale may still fail.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::seats::Cell;

/// The seats in hand, by show. Bounded by the sales under way.
#[derive(Debug, Default)]
pub(crate) struct InHand(Mutex<HashSet<(String, Cell)>>);

/// Seats that are in hand until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    of: &'a InHand,
    seats: Vec<(String, Cell)>,
}

impl InHand {
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
    ) -> Option<(Vec<Cell>, Held<'_>)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut avoided = unusable.clone();
        avoided.extend(all.iter().filter(|(other, _)| other == show).map(|(_, cell)| *cell));
        let cells = choose(&avoided).or_else(|| choose(unusable))?;
        let of_show = cells.iter().map(|cell| (show.to_owned(), *cell));
        // What another holds already stays his: it must not be let go by whoever is done first.
        let seats = of_show.filter(|seat| all.insert(seat.clone())).collect();
        Some((cells, Held { of: self, seats }))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut all = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        for seat in &self.seats {
            all.remove(seat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_in_hand_is_chosen_by_another_only_when_nothing_else_is_left() {
        let in_hand = InHand::default();
        let row = [(0, 0), (0, 1)];
        let pick = |show: &str| {
            let none = HashSet::new();
            in_hand.take(show, &none, |avoided| row.iter().find(|cell| !avoided.contains(cell)).map(|cell| vec![*cell]))
        };
        let (first, held) = pick("a").unwrap();
        let (second, other) = pick("a").unwrap();
        let (elsewhere, _) = pick("b").unwrap();
        let (again, nobody) = pick("a").unwrap();
        assert_eq!((first, second, elsewhere, again), (vec![(0, 0)], vec![(0, 1)], vec![(0, 0)], vec![(0, 0)]));
        drop(nobody);
        let (still, _third) = pick("a").unwrap();
        assert_eq!(still, [(0, 0)], "both are in hand");
        drop(other);
        assert_eq!(pick("a").unwrap().0, [(0, 1)]);
        drop(held);
        assert_eq!(pick("a").unwrap().0, [(0, 0)]);
    }
}
