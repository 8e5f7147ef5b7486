//! Tables as three kinds of exporters write them, with one fault anywhere: no row may get what another one says.

use passerelle_contract::{Completeness, Ean, Page, Quantity, Row, StockLine};
use proptest::prelude::*;
use serde_json::json;

use super::{About, scan};
use crate::plan::Plan;
use crate::settings::NamedMode;

/// How an exporter writes a text that holds a delimiter, a quote or a line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exporter {
    /// Between quotes, where it must be; quotes inside are written twice.
    Doubling,
    /// Everything between quotes, quotes inside written twice.
    DoublingAll,
    /// Everything between quotes, quotes inside behind a backslash.
    Backslash,
    /// As it is; such texts hold no delimiter and no line end.
    NoQuotes,
}

impl Exporter {
    fn cell(self, text: &str) -> String {
        match self {
            Self::Doubling if text.contains(['"', ';', '\n']) => format!("\"{}\"", text.replace('"', "\"\"")),
            Self::DoublingAll => format!("\"{}\"", text.replace('"', "\"\"")),
            Self::Backslash => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            Self::Doubling | Self::NoQuotes => text.to_owned(),
        }
    }

    fn title(self) -> BoxedStrategy<String> {
        match self {
            // A lone quote at its beginning would be a fault of its own.
            Self::NoQuotes => {
                prop_oneof!["[a-zé ]{0,8}", "[a-z]{1,4}\"[a-z ]{0,4}", "\"[a-z]{1,4}\"[a-z ]{1,4}"].boxed()
            }
            _ => prop_oneof![
                "[a-zé ]{0,8}",
                "[a-z;\"]{0,8}",
                "[a-z\"\n;]{0,10}",
                "\"[a-z]{1,4}\" [a-z]{1,4}",
                "[a-z]{1,3} \"[a-z]{1,3}\"",
            ]
            .boxed(),
        }
    }
}

#[derive(Clone, Debug)]
struct Table {
    exporter: Exporter,
    titles: Vec<String>,
    /// The order of reference, title, price, quantity and shelf.
    order: Vec<usize>,
    crlf: bool,
}

fn ean(row: usize) -> Ean {
    let body = format!("97820700{row:04}");
    (0..10).find_map(|key| format!("{body}{key}").parse().ok()).expect("one digit fits")
}

/// Prices and quantities of which no part is another one's.
fn price(row: usize) -> u32 {
    1011 + u32::try_from(row).expect("few rows") * 101
}

fn copies(row: usize) -> u32 {
    111 + u32::try_from(row).expect("few rows")
}

impl Table {
    fn header(&self) -> String {
        let names = ["EAN13", "Titre", "PV TTC", "Stock", "Rayon"];
        self.order.iter().map(|at| self.exporter.cell(names[*at])).collect::<Vec<_>>().join(";")
    }

    fn body(&self) -> String {
        let end = if self.crlf { "\r\n" } else { "\n" };
        let rows = self.titles.iter().enumerate().map(|(row, title)| {
            let price = price(row);
            let price = format!("{},{:02}", price / 100, price % 100);
            let cells = [ean(row).to_string(), title.clone(), price, copies(row).to_string(), "Poche".to_owned()];
            let written: Vec<String> = self.order.iter().map(|at| self.exporter.cell(&cells[*at])).collect();
            format!("{}{end}", written.join(";"))
        });
        rows.collect()
    }
}

fn table() -> impl Strategy<Value = Table> {
    let exporter =
        prop::sample::select(vec![Exporter::Doubling, Exporter::DoublingAll, Exporter::Backslash, Exporter::NoQuotes]);
    let order = (Just(vec![0, 1, 2, 3, 4]).prop_shuffle(), 4_usize..=5).prop_map(|(order, columns)| {
        // Four columns: no shelf.
        order.into_iter().filter(|at| *at < columns).collect::<Vec<_>>()
    });
    (exporter, order, any::<bool>()).prop_flat_map(|(exporter, order, crlf)| {
        prop::collection::vec(exporter.title(), 2..12).prop_map(move |titles| Table {
            exporter,
            titles,
            order: order.clone(),
            crlf,
        })
    })
}

struct Read {
    good: Vec<StockLine>,
    read: u64,
    completeness: Option<Completeness>,
}

/// Reads bytes as a stock file; `None` when it is refused whole.
fn read(text: &str) -> Option<Read> {
    let settings = json!({ "path": "x", "columns": { "ean": "EAN13", "price": "PV TTC", "quantity": "Stock" } });
    let plan = Plan::check(&settings).expect("good settings");
    let about = About {
        name: "stock.csv".into(),
        operation: "read stock.csv".into(),
        modified: None,
        mode: NamedMode::Full,
        cursor: None,
        tag: None,
        warnings: Vec::new(),
        now: std::time::SystemTime::UNIX_EPOCH,
        unchanged: None,
    };
    let mut found = Read { good: Vec::new(), read: 0, completeness: None };
    let mut take = |page: Page<StockLine>| {
        found.read += page.rows.len() as u64 + page.skipped;
        found.good.extend(page.rows.into_iter().filter_map(|row| match row {
            Row::Good(line) => Some(line),
            Row::Poison(_) => None,
        }));
        found.completeness = page.end.map(|end| end.completeness);
        true
    };
    scan(&mut text.as_bytes(), &plan, &about, &mut take).ok()?;
    Some(found)
}

fn is_true(line: &StockLine, rows: usize) -> bool {
    (0..rows).any(|row| {
        line.ean == ean(row)
            && line.quantity == Quantity::Exactly(copies(row))
            && line.price.is_some_and(|found| found.0 == price(row))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_table_is_read_as_it_was_written(table in table()) {
        let text = format!("{}\n{}", table.header(), table.body());
        let found = read(&text).expect("a valid table");
        let rows = table.titles.len();
        for line in &found.good {
            prop_assert!(is_true(line, rows), "{:?} of\n{}", line, text);
        }
        // Backslashes are only found out where they change a row.
        prop_assert_eq!(found.good.len(), rows, "{}", text);
        prop_assert_eq!(found.completeness, Some(Completeness::Snapshot), "{}", text);
    }

    #[test]
    fn no_single_fault_moves_a_value_to_another_row(
        table in table(),
        fault in prop::sample::select(vec!["\"", ";", "\n", "\r\n", "\r"]),
        at in any::<prop::sample::Index>(),
    ) {
        let body = table.body();
        let places: Vec<usize> = body.char_indices().map(|(at, _)| at).collect();
        let place = *at.get(&places);
        let text = format!("{}\n{}{fault}{}", table.header(), &body[..place], &body[place..]);
        let rows = table.titles.len();
        if let Some(found) = read(&text) {
            for line in &found.good {
                prop_assert!(is_true(line, rows), "{:?} of\n{}", line, text);
            }
            // A line break may have cut a number of the row before, or of the row behind; a title of several lines beside the
            // fault may look like rows.
            let lost = if fault == "\"" || fault == ";" { 2 } else { 3 };
            prop_assert!(found.good.len() + lost >= rows, "{} of {} rows of\n{}", found.good.len(), rows, text);
        }
    }
}
