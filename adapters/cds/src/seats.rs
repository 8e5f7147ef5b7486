//! Which seats are taken for a sale, and what is printed for them. Pure.
//!
//! The vendor leaves the choice to its clients. Seats near the middle are taken; two people sit together where that can be.
//! Only cells that are exactly 1 are ordinary free seats: 11 is a free place for a wheelchair, and once was sold by mistake.
//!
//! Invariant: what is chosen is a free cell of the map as it was given, never flipped.

use std::collections::HashSet;

use serde_json::Value;

/// Row and column in the map as the vendor gives it, from 0.
pub(crate) type Cell = (usize, usize);

/// The map: rows of cells. Rows may differ in length.
pub(crate) type Map = Vec<Vec<i64>>;

/// An ordinary seat that is free.
const FREE: i64 = 1;

/// How a room counts its rows and seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counting {
    /// The first row of the map is row A.
    pub(crate) front_to_back: bool,
    /// The first cell of a row is seat 1.
    pub(crate) left_to_right: bool,
    /// Gaps take no number.
    pub(crate) skip_missing: bool,
}

/// Reads a map; what is no number counts as nothing there.
pub(crate) fn read(value: &Value) -> Option<Map> {
    let number =
        |cell: &Value| cell.as_i64().or_else(|| cell.as_str().and_then(|text| text.trim().parse().ok())).unwrap_or(0);
    value.as_array()?.iter().map(|row| Some(row.as_array()?.iter().map(number).collect())).collect()
}

/// Free ordinary seats, row by row, without those that cannot be used.
pub(crate) fn free(map: &Map, unusable: &HashSet<Cell>) -> Vec<Cell> {
    map.iter()
        .enumerate()
        .flat_map(|(row, cells)| cells.iter().enumerate().map(move |(column, cell)| ((row, column), *cell)))
        .filter(|(cell, value)| *value == FREE && !unusable.contains(cell))
        .map(|(cell, _)| cell)
        .collect()
}

/// Seats for one or two people; `None` when there are too few.
pub(crate) fn choose(map: &Map, quantity: u32, unusable: &HashSet<Cell>) -> Option<Vec<Cell>> {
    let free = free(map, unusable);
    let (rows, columns) = (map.len(), map.first().map_or(0, Vec::len));
    if quantity == 1 {
        // The middle seat, counted down.
        let middle = (2 * (rows / 2), 2 * (columns / 2));
        return free.into_iter().min_by_key(|cell| distance(*cell, middle)).map(|cell| vec![cell]);
    }
    if free.len() < 2 {
        return None;
    }
    // The middle point, which may lie between seats.
    let middle = (rows.saturating_sub(1), columns.saturating_sub(1));
    let together = free
        .iter()
        .filter(|(row, column)| free.contains(&(*row, column + 1)))
        .min_by_key(|cell| distance(**cell, middle));
    if let Some((row, column)) = together {
        return Some(vec![(*row, *column), (*row, column + 1)]);
    }
    let mut nearest = free;
    nearest.sort_by_key(|cell| distance(*cell, middle));
    nearest.truncate(2);
    Some(nearest)
}

/// Squared distance of a cell from a point, both doubled so that halves are whole.
fn distance((row, column): Cell, middle: (usize, usize)) -> usize {
    let (down, across) = ((2 * row).abs_diff(middle.0), (2 * column).abs_diff(middle.1));
    down * down + across * across
}

/// What is printed for a seat: from the room's own table of labels where it has one, else counted. `None` when there is none.
pub(crate) fn label(map: &Map, cell: Cell, counting: Counting, table: Option<&Value>) -> Option<String> {
    let (row, column) = cell;
    if let Some(table) = table {
        let text = table.get(row)?.get(column)?.as_str()?.trim();
        return (!text.is_empty()).then(|| text.to_owned());
    }
    let rows = map.len();
    let columns = map.first().map_or(0, Vec::len);
    let is_gap = |cells: &[i64]| cells.iter().all(|cell| *cell == 0);
    let gaps = |from: usize, to: usize| map.get(from..to).unwrap_or_default().iter().filter(|row| is_gap(row)).count();
    let (count, before) =
        if counting.front_to_back { (row, gaps(0, row)) } else { (rows.checked_sub(row + 1)?, gaps(row, rows)) };
    let letter = count.checked_sub(before).and_then(|at| u8::try_from(at).ok()).filter(|at| *at < 26)?;
    let cells = map.get(row)?;
    let holes = |from: usize, to: usize| {
        let to = to.min(cells.len());
        cells.get(from.min(to)..to).unwrap_or_default().iter().filter(|cell| **cell == 0).count()
    };
    let (seat, missing) = if counting.left_to_right {
        (column, holes(0, column))
    } else {
        (columns.checked_sub(column + 1)?, holes(column, columns))
    };
    let seat = if counting.skip_missing { seat.checked_sub(missing)? } else { seat };
    Some(format!("{}_{}", char::from(b'A' + letter), seat + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map {
        read(&value).unwrap()
    }

    fn room() -> Map {
        map(json!([
            [0, 1, 1, 1, 1, 0, 1, 1],
            [0, 0, 0, 0, 0, 0, 0, 0],
            [1, 1, 3, 1, 1, 0, 11, 11],
            [1, 1, 1, 3, 3, 0, 1, 1],
            [1, 1, 1, 1, 1, 0, 1, 1]
        ]))
    }

    fn chosen(value: Value, quantity: u32) -> Option<Vec<Cell>> {
        choose(&map(value), quantity, &HashSet::new())
    }

    #[test]
    fn seats_near_the_middle_are_taken_and_two_sit_together() {
        assert_eq!(choose(&room(), 1, &HashSet::new()), Some(vec![(2, 4)]));
        assert_eq!(choose(&room(), 2, &HashSet::new()), Some(vec![(2, 3), (2, 4)]));
        let scattered = json!([[1, 3, 3, 1], [3, 3, 3, 3], [3, 1, 3, 3]]);
        assert_eq!(chosen(scattered.clone(), 1), Some(vec![(0, 3)]));
        assert_eq!(chosen(scattered, 2), Some(vec![(2, 1), (0, 0)]));
        assert_eq!(chosen(json!([[3, 3, 3], [3, 1, 3], [3, 3, 3]]), 1), Some(vec![(1, 1)]));
        assert_eq!(chosen(json!([[3, 3, 3], [3, 1, 3], [3, 3, 3]]), 2), None);
        assert_eq!(chosen(json!([[1, 1, 1, 1], [1, 1, 1, 1]]), 1), Some(vec![(1, 2)]));
        assert_eq!(chosen(json!([[1, 1, 1, 1], [1, 1, 1, 1]]), 2), Some(vec![(0, 1), (0, 2)]));
        let square = json!([[1, 1, 1], [1, 1, 1], [1, 1, 1]]);
        assert_eq!(chosen(square.clone(), 1), Some(vec![(1, 1)]));
        assert_eq!(chosen(square, 2), Some(vec![(1, 1), (1, 2)]));
        assert_eq!(chosen(json!([[1, 1, 1, 1, 1]]), 1), Some(vec![(0, 2)]));
        assert_eq!(chosen(json!([[1, 1, 1, 1, 1]]), 2), Some(vec![(0, 2), (0, 3)]));
        for none in [json!([]), json!([[]]), json!([[0, 0]]), json!([[3, 3]]), json!([[11, 11]])] {
            assert_eq!(chosen(none.clone(), 1), None, "{none}");
            assert_eq!(chosen(none, 2), None);
        }
    }

    #[test]
    fn labels_are_counted_as_the_room_counts() {
        let cases = [
            (true, true, true, "B_5", ["B_4", "B_5"]),
            (true, true, false, "B_5", ["B_4", "B_5"]),
            (true, false, true, "B_3", ["B_4", "B_3"]),
            (true, false, false, "B_4", ["B_5", "B_4"]),
            (false, true, true, "C_5", ["C_4", "C_5"]),
            (false, true, false, "C_5", ["C_4", "C_5"]),
            (false, false, true, "C_3", ["C_4", "C_3"]),
            (false, false, false, "C_4", ["C_5", "C_4"]),
        ];
        for (front_to_back, left_to_right, skip_missing, one, two) in cases {
            let counting = Counting { front_to_back, left_to_right, skip_missing };
            assert_eq!(label(&room(), (2, 4), counting, None).as_deref(), Some(one), "{counting:?}");
            let both = [(2, 3), (2, 4)].map(|cell| label(&room(), cell, counting, None).unwrap());
            assert_eq!(both, two, "{counting:?}");
        }
    }

    const PLAIN: Counting = Counting { front_to_back: true, left_to_right: true, skip_missing: false };

    #[test]
    fn a_rooms_own_table_wins_and_its_gaps_have_no_label() {
        let table = json!([["D_7", "D_5", 0], ["C_9"]]);
        let map = map(json!([[1, 1, 1], [1, 1, 1]]));
        assert_eq!(label(&map, (0, 1), PLAIN, Some(&table)).as_deref(), Some("D_5"));
        assert_eq!(label(&map, (0, 2), PLAIN, Some(&table)), None);
        assert_eq!(label(&map, (1, 1), PLAIN, Some(&table)), None);
        assert_eq!(label(&map, (1, 1), PLAIN, Some(&json!("[broken"))), None);
    }

    #[test]
    fn a_row_beyond_the_alphabet_has_no_label() {
        let tall: Map = vec![vec![1]; 27];
        assert_eq!(label(&tall, (25, 0), PLAIN, None).as_deref(), Some("Z_1"));
        assert_eq!(label(&tall, (26, 0), PLAIN, None), None);
    }

    proptest! {
        #[test]
        fn no_map_makes_it_panic_and_what_is_chosen_is_free(
            map in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(0_i64), Just(1), Just(3), any::<i64>()], 0..9), 0..9),
            front_to_back in any::<bool>(), left_to_right in any::<bool>(), skip_missing in any::<bool>(),
        ) {
            for quantity in [1, 2] {
                let Some(cells) = choose(&map, quantity, &HashSet::new()) else { continue };
                prop_assert_eq!(cells.len(), quantity as usize);
                let distinct: HashSet<Cell> = cells.iter().copied().collect();
                prop_assert_eq!(distinct.len(), cells.len());
                for cell in cells {
                    prop_assert_eq!(map[cell.0][cell.1], 1);
                    let _ = label(&map, cell, Counting { front_to_back, left_to_right, skip_missing }, None);
                }
            }
        }
    }
}
