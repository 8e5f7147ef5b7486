//! A mapping to paste when the columns were not found, or nothing could be read of them.
//!
//! Invariant: only what was tried on the file's first rows and keeps most of them is suggested; a column that the settings name and
//! that works is never replaced; and no cell is shown but those of the columns in question.

use passerelle_contract::Ean;
use passerelle_kit::{money, reference};

use crate::mapping::{self, At};
use crate::plan::{Plan, Wanted};
use crate::text::{normalised_name, shortened};

/// Rows that are shown.
const EXAMPLES: usize = 3;
/// Longest cell that is shown, in characters.
const MAX_CELL: usize = 40;

/// Names of the reference, normalised, the surest first.
const EAN: &[&str] = &[
    "ean13",
    "ean",
    "codeean13",
    "codeean",
    "eancode",
    "gencod",
    "gencode",
    "isbn13",
    "codebarres",
    "codebarre",
    "codesbarres",
    "eanisbn",
    "isbnean",
    "isbn",
    "barcode",
    "reference",
    "ref",
    "codearticle",
    "codeproduit",
    "article",
];
/// Names of the copies for sale, the surest first.
const QUANTITY: &[&str] = &[
    "stockdisponible",
    "stockdispo",
    "qtedispo",
    "qtedisponible",
    "quantitedisponible",
    "qtedispovente",
    "stock",
    "qtestock",
    "qteenstock",
    "quantitestock",
    "quantiteenstock",
    "enstock",
    "stockactuel",
    "stockreel",
    "stockphysique",
    "stockmagasin",
    "qte",
    "quantite",
    "nbex",
    "nbexemplaires",
    "exemplaires",
    "quantity",
];
/// Names of the price, VAT included, the surest first.
const PRICE: &[&str] = &[
    "pxventettc",
    "prixventettc",
    "prixdeventettc",
    "pvttc",
    "ppttc",
    "prixpublicttc",
    "pxpublicttc",
    "prixttc",
    "pxttc",
    "pvpttc",
    "puttc",
    "prixunitairettc",
    "prixvente",
    "prixdevente",
    "pxvente",
    "prixpublic",
    "pxpublic",
    "pvp",
    "pv",
    "prix",
    "tarif",
    "price",
];

/// A header and some of the rows behind it.
pub(crate) struct Table<'t> {
    pub header: &'t [String],
    /// Physical line and cells.
    pub rows: Vec<(u64, &'t [String])>,
}

/// Where the three values are taken from; `None` where nothing fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Columns {
    ean: Option<usize>,
    quantity: Vec<usize>,
    price: Option<usize>,
}

/// Which columns of the settings work.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    ean: bool,
    quantity: bool,
    price: bool,
}

/// What to do about columns that were not found: a mapping where one works, and rows to look at.
pub(crate) fn advice(plan: &Plan, table: &Table<'_>) -> String {
    let (columns, written) = best(plan, table);
    let kept = table.kept(plan, &columns);
    let rows = table.rows.len();
    let mut text = if rows > 0 && kept * 2 > rows {
        format!(
            "tried on the first {rows} rows, of which it keeps {kept}; if these are the right columns, paste this:\n{}",
            table.mapping(&columns, written)
        )
    } else if rows > 0 {
        format!(
            "no columns were found that keep most of the first {rows} rows: write columns.ean, columns.quantity and columns.price"
        )
    } else {
        "there is no row behind it to try columns on: write columns.ean, columns.quantity and columns.price".to_owned()
    };
    text.push_str(&table.examples(&columns));
    text
}

/// What to do when the columns were found and none of the first rows can be read; `None` when some can, or nothing better is known.
pub(crate) fn better(plan: &Plan, table: &Table<'_>, found: &mapping::Mapping) -> Option<String> {
    let index = |at: At| match at {
        At::Index(index) => Some(index),
        At::Span { .. } => None,
    };
    let now = Columns {
        ean: index(found.ean),
        quantity: found.quantity.iter().copied().filter_map(index).collect(),
        price: found.price.and_then(index),
    };
    if table.rows.len() < EXAMPLES || table.kept(plan, &now) > 0 {
        return None;
    }
    let (columns, written) = best(plan, table);
    let (kept, rows) = (table.kept(plan, &columns), table.rows.len());
    (kept * 2 > rows).then(|| {
        format!(
            "none of the first {rows} rows can be read with these columns; with others {kept} can: if they are the right ones, paste this:\n{}{}",
            table.mapping(&columns, written),
            table.examples(&columns)
        )
    })
}

fn best(plan: &Plan, table: &Table<'_>) -> (Columns, Written) {
    let names: Vec<String> = table.header.iter().map(|name| normalised_name(name)).collect();
    let configured = |wanted: Option<&Wanted>| {
        wanted.and_then(|wanted| match mapping::place(table.header, &wanted.spot) {
            Ok(At::Index(index)) => Some(index),
            _ => None,
        })
    };
    let works = |index: usize, reads: &dyn Fn(&str) -> bool| {
        let good = table.rows.iter().filter(|(_, cells)| cells.get(index).is_some_and(|cell| reads(cell))).count();
        good * 2 > table.rows.len()
    };
    let is_ean = |cell: &str| product(cell).is_some();
    let is_quantity = |cell: &str| copies(plan, cell).is_some();
    let is_price = |cell: &str| cents(plan, cell).is_some();
    let by_name = |vocabulary: &[&str], reads: &dyn Fn(&str) -> bool| {
        let mut places = vocabulary.iter().filter_map(|name| {
            let mut found = names.iter().enumerate().filter(|(_, one)| one == name);
            // A name that stands twice says nothing.
            found.next().filter(|_| found.next().is_none()).map(|(index, _)| index)
        });
        places.find(|index| works(*index, reads))
    };
    let only_one = |reads: &dyn Fn(&str) -> bool| {
        let mut places = (0..names.len()).filter(|index| works(*index, reads));
        places.next().filter(|_| places.next().is_none())
    };
    let mut written = Written::default();
    let choose = |wanted: Option<&Wanted>, vocabulary: &[&str], reads: &dyn Fn(&str) -> bool, is_written: &mut bool| {
        if let Some(index) = configured(wanted).filter(|index| works(*index, reads)) {
            *is_written = true;
            return Some(index);
        }
        by_name(vocabulary, reads)
    };
    let ean = choose(plan.columns.ean.as_ref(), EAN, &is_ean, &mut written.ean).or_else(|| only_one(&is_ean));
    let price = choose(plan.columns.price.as_ref(), PRICE, &is_price, &mut written.price);
    let all: Vec<Option<usize>> = plan.columns.quantity.iter().map(|wanted| configured(Some(wanted))).collect();
    let all: Option<Vec<usize>> = all.into_iter().collect();
    let quantity = match all.filter(|all| !all.is_empty() && all.iter().all(|index| works(*index, &is_quantity))) {
        Some(all) => {
            written.quantity = true;
            all
        }
        None => by_name(QUANTITY, &is_quantity).into_iter().collect(),
    };
    (Columns { ean, quantity, price }, written)
}

/// A reference of a product; numbers that shops give themselves are none.
fn product(cell: &str) -> Option<Ean> {
    let ean = reference::normalise(cell).ok()?;
    let digits = ean.to_string();
    (!digits.starts_with('2') && !digits.starts_with("02") && !digits.starts_with("04")).then_some(ean)
}

fn copies(plan: &Plan, cell: &str) -> Option<u32> {
    let word = || plan.values.quantity_map.get(&cell.trim().to_lowercase()).copied();
    money::quantity(cell, plan.columns.quantity_mark).ok().map(|count| count.copies).or_else(word)
}

fn cents(plan: &Plan, cell: &str) -> Option<u32> {
    money::price(cell, plan.columns.unit, plan.columns.price_mark).ok().map(|price| price.cents.0)
}

impl Table<'_> {
    /// Rows that these columns keep: a reference, copies, and a price unless there are none.
    fn kept(&self, plan: &Plan, columns: &Columns) -> usize {
        let (Some(ean), Some(price), false) = (columns.ean, columns.price, columns.quantity.is_empty()) else {
            return 0;
        };
        let keeps = |cells: &[String]| {
            let cell = |index: usize| cells.get(index).map_or("", String::as_str);
            let copies: Option<u32> = columns
                .quantity
                .iter()
                .map(|index| copies(plan, cell(*index)))
                .try_fold(0_u32, |sum, one| Some(sum.saturating_add(one?)));
            product(cell(ean)).is_some()
                && copies.is_some_and(|copies| copies == 0 || cents(plan, cell(price)).is_some_and(|cents| cents > 0))
        };
        self.rows.iter().filter(|(_, cells)| keeps(cells)).count()
    }

    fn name(&self, index: usize) -> String {
        self.header.get(index).map_or_else(|| (index + 1).to_string(), |name| shortened(name.trim(), 60))
    }

    /// The lines for the settings; what stands there and works is left out.
    fn mapping(&self, columns: &Columns, written: Written) -> String {
        let spot = |index: usize| {
            let name = self.name(index);
            let same = normalised_name(&name);
            // A name that stands twice, or none, is told by its number.
            let is_one = self.header.iter().filter(|other| normalised_name(other) == same).count() == 1;
            if is_one && !same.is_empty() { (format!("{name:?}"), "name") } else { ((index + 1).to_string(), "index") }
        };
        let mut text = "[connection.settings.columns]".to_owned();
        let mut line = |key: &str, index: Option<usize>, is_written: bool| {
            if let (Some(index), false) = (index, is_written) {
                text.push_str(&match (key, spot(index)) {
                    ("price", (spot, kind)) => format!("\nprice = {{ {kind} = {spot}, unit = \"euro\" }}"),
                    (key, (spot, "name")) => format!("\n{key} = {spot}"),
                    (key, (spot, kind)) => format!("\n{key} = {{ {kind} = {spot} }}"),
                });
            }
        };
        line("ean", columns.ean, written.ean);
        line("quantity", columns.quantity.first().copied(), written.quantity);
        line("price", columns.price, written.price);
        text
    }

    /// The first rows, as far as the columns in question go.
    fn examples(&self, columns: &Columns) -> String {
        let indexes: Vec<usize> =
            columns.ean.iter().chain(&columns.quantity).chain(columns.price.iter()).copied().collect();
        let mut text = String::new();
        for (line, cells) in self.rows.iter().take(EXAMPLES).filter(|_| !indexes.is_empty()) {
            let shown: Vec<String> = indexes
                .iter()
                .map(|index| {
                    let cell = cells.get(*index).map(|cell| shortened(cell, MAX_CELL)).unwrap_or_default();
                    format!("{} {cell:?}", self.name(*index))
                })
                .collect();
            text.push_str(&format!("\nline {line}: {}", shown.join(", ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(columns: serde_json::Value, header: &str, rows: &[&str]) -> String {
        let plan = Plan::check(&json!({ "path": "x", "columns": columns })).unwrap();
        let cut = |text: &str| text.split(';').map(str::to_owned).collect::<Vec<_>>();
        let (header, rows): (Vec<String>, Vec<Vec<String>>) = (cut(header), rows.iter().map(|row| cut(row)).collect());
        let rows = (2..).zip(rows.iter().map(Vec::as_slice)).collect();
        advice(&plan, &Table { header: &header, rows })
    }

    const ROWS: [&str; 3] = [
        "A1;9782999999107;9,00;18,90;3;Dupont",
        "A2;9782999999114;4,00;7,90;1;Durand",
        "A3;9782999999121;4,00;7,90;0;Roy",
    ];

    #[test]
    fn names_of_the_trade_win_over_the_shops_own_codes() {
        let text = told(json!({}), "Code article;EAN13;Px Achat HT;Px Vente TTC;Qté dispo;Client", &ROWS);
        for part in ["keeps 3", "ean = \"EAN13\"", "quantity = \"Qté dispo\"", "price = { name = \"Px Vente TTC\""] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("Code article") && !text.contains("Dupont"), "{text}");
        assert!(text.contains("line 2: EAN13 \"9782999999107\", Qté dispo \"3\", Px Vente TTC \"18,90\""), "{text}");
    }

    #[test]
    fn a_code_column_whose_values_are_no_references_is_passed_over() {
        let text = told(json!({}), "Reference;Numéro;x;Prix;Stock;y", &ROWS);
        assert!(text.contains("ean = \"Numéro\""), "the only column of references: {text}");
    }

    #[test]
    fn what_is_written_and_works_stays_and_what_does_not_is_replaced() {
        let columns = json!({ "ean": "EAN13", "price": "Tarif spécial", "quantity": "Stock net" });
        let text = told(columns, "Reference;EAN13;x;Prix;Stock;y", &ROWS);
        assert!(text.contains("quantity = \"Stock\"") && text.contains("name = \"Prix\""), "{text}");
        assert!(!text.contains("ean ="), "{text}");
    }

    #[test]
    fn nothing_is_suggested_that_was_not_tried_or_keeps_too_little() {
        let text = told(json!({}), "Reference;EAN13;x;Prix;Stock;y", &["A1;;9,00;18,90;oui;", "A2;;4,00;n.c.;non;"]);
        assert!(text.contains("no columns were found") && !text.contains("[connection"), "{text}");
        assert!(!told(json!({}), "EAN13;Prix;Stock", &[]).contains("[connection"));
    }
}
