//! One record to one fact, or to the reason why it is none.
//!
//! Rules of pass Culture (prices above the cap, price zero, eligible references) are not applied here: a price of zero is
//! a fact. What the file says of the row itself is: unreadable numbers, used copies, other shops, filters.
//!
//! Invariant: a good row of plain ASCII fields costs no allocation.

use passerelle_contract::{
    Cents, DataError, DataProblem, Ean, Legible, Note, NoteKind, Position, Quantity, Row, Severity, StockLine,
};
use passerelle_kit::money::{self, Count, NumberProblem, PriceUnit};
use passerelle_kit::reference;

use crate::cells::Cells;
use crate::mapping::{At, Mapping, Width};
use crate::plan::{FilterRule, Plan};
use crate::settings::{BlankQuantity, Negative};
use crate::text::shortened;

/// Longest key and quoted value, in characters.
const MAX_SHOWN: usize = 100;

const NEW: [&str; 7] = ["", "neuf", "neuve", "n", "new", "nouveau", "neufs"];

/// What one row costs the rest of the pass.
type Refusal = (DataProblem, String, String);

/// Turns rows into facts.
pub(crate) struct Facts<'p> {
    plan: &'p Plan,
    mapping: &'p Mapping,
    unit: PriceUnit,
    /// Every row says that its reference is gone.
    deletes: bool,
}

impl<'p> Facts<'p> {
    pub(crate) const fn new(plan: &'p Plan, mapping: &'p Mapping, is_art_asc: bool, deletes: bool) -> Self {
        let unit = if is_art_asc { PriceUnit::Cent } else { plan.columns.unit };
        Self { plan, mapping, unit, deletes }
    }

    /// The fact of one row, or why it is none.
    pub(crate) fn row<C: Cells>(&self, cells: &C, notes: &mut Vec<Note>) -> Row<StockLine> {
        let at = Position::Line(cells.line());
        match self.fact(cells, at, notes) {
            Ok(line) => Row::Good(line),
            Err((problem, message, message_fr)) => {
                let key = cells.text(self.mapping.ean).map(|key| shortened(key.trim(), MAX_SHOWN));
                let key = key.filter(|key| !key.is_empty());
                Row::Poison(Box::new(DataError { at, key, problem, message, message_fr, legible: Legible::default() }))
            }
        }
    }

    /// Does the record have the columns it should have?
    pub(crate) fn check_width<C: Cells>(&self, cells: &C) -> Result<(), Refusal> {
        let refuse = |message: String, message_fr: String| Err((unreadable("BadLine"), message, message_fr));
        if cells.is_unclosed() {
            return refuse(
                "a quote opens in this line and never closes".into(),
                "Un guillemet s'ouvre dans cette ligne et ne se ferme jamais.".into(),
            );
        }
        match self.mapping.width {
            Width::Fields { least, most } => {
                let count = cells.count();
                let extra_is_blank =
                    || (most..count).all(|at| cells.text(At::Index(at)).is_none_or(|text| text.trim().is_empty()));
                if count >= least && (count <= most || extra_is_blank()) {
                    return Ok(());
                }
                refuse(
                    format!("{count} columns where {least} are expected"),
                    format!("La ligne a {count} colonnes au lieu de {least}."),
                )
            }
            Width::Exact(width) => {
                let length = cells.raw().len();
                if length == width {
                    return Ok(());
                }
                refuse(
                    format!("{length} characters where {width} are expected"),
                    format!("La ligne a {length} caractères au lieu de {width}."),
                )
            }
            Width::AtLeast(width) => {
                if cells.length() >= width {
                    return Ok(());
                }
                refuse(
                    format!("shorter than the {width} characters that its columns take"),
                    format!("La ligne a moins de {width} caractères."),
                )
            }
        }
    }

    fn fact<C: Cells>(&self, cells: &C, at: Position, notes: &mut Vec<Note>) -> Result<StockLine, Refusal> {
        self.check_width(cells)?;
        self.check_filters(cells)?;
        let ean = self.ean(cells)?;
        let price = self.price(cells)?;
        let count = if self.deletes { Count { copies: 0, clamped: false } } else { self.quantity(cells)? };
        if price.rounded {
            notes.push(Note { at, ean: None, kind: NoteKind::RoundedPrice });
        }
        if count.clamped {
            notes.push(Note { at, ean: None, kind: NoteKind::NegativeQuantityClamped });
        }
        Ok(StockLine { ean, price: Some(price.cents), quantity: Quantity::Exactly(count.copies), at })
    }

    fn ean<C: Cells>(&self, cells: &C) -> Result<Ean, Refusal> {
        if let (At::Index(index), true) = (self.mapping.ean, self.plan.filters.prefixes.is_empty())
            && let Some(digits) = cells.plain(At::Index(index))
            && let Ok(ean) = Ean::from_digits(digits)
        {
            return Ok(ean);
        }
        let text = cells.text(self.mapping.ean).unwrap_or_default();
        let ean = reference::normalise(&text).map_err(|problem| {
            let message = format!("{problem}: {:?}", shortened(&text, MAX_SHOWN));
            (problem.problem(), message, problem.message_fr())
        })?;
        let prefixes = &self.plan.filters.prefixes;
        if !prefixes.is_empty() {
            let digits = ean.to_string();
            if let Some(prefix) = prefixes.iter().find(|prefix| digits.starts_with(prefix.as_str())) {
                return Err(filtered(
                    "FilteredOut",
                    format!("references that start with {prefix} are left out by filters.ean_prefix_drop"),
                    format!("Les références qui commencent par {prefix} sont écartées par le réglage de la librairie."),
                ));
            }
        }
        Ok(ean)
    }

    fn price<C: Cells>(&self, cells: &C) -> Result<money::Price, Refusal> {
        let plain = self.mapping.price.and_then(|at| cells.plain(at));
        if let Some(cents) =
            plain.and_then(|digits| money::plain_price(digits, self.unit, self.plan.columns.price_mark))
        {
            return Ok(money::Price { cents: Cents(cents), rounded: false });
        }
        let text = self.mapping.price.and_then(|at| cells.text(at)).unwrap_or_default();
        match money::price(&text, self.unit, self.plan.columns.price_mark) {
            Ok(price) => Ok(price),
            // What is gone needs no price.
            Err(_) if self.deletes => Ok(money::Price { cents: Cents(0), rounded: false }),
            Err(problem) => Err((
                problem.price_problem(),
                described("price", &problem, &text),
                format!("Prix : {}", problem.message_fr()),
            )),
        }
    }

    fn quantity<C: Cells>(&self, cells: &C) -> Result<Count, Refusal> {
        let mut total = Count { copies: 0, clamped: false };
        for at in &self.mapping.quantity {
            let one = self.one_quantity(cells, *at)?;
            total.copies = total.copies.saturating_add(one.copies);
            total.clamped |= one.clamped;
        }
        if let Some(at) = self.mapping.minus {
            // A blank reserved quantity means that nothing is reserved.
            let taken = match cells.text(at) {
                Some(text) if text.trim().is_empty() => 0,
                _ => self.one_quantity(cells, at)?.copies,
            };
            total.clamped |= taken > total.copies;
            total.copies = total.copies.saturating_sub(taken);
        }
        if total.clamped && self.plan.values.negative == Negative::Reject {
            return Err((
                unreadable("BadNumber"),
                "the quantity is below zero, and values.negative refuses it".into(),
                "Quantité : la valeur est négative.".into(),
            ));
        }
        Ok(total)
    }

    fn one_quantity<C: Cells>(&self, cells: &C, at: At) -> Result<Count, Refusal> {
        let exactly = |copies| Ok(Count { copies, clamped: false });
        if let Some(copies) = cells.plain(at).and_then(money::plain_integer) {
            return exactly(copies);
        }
        let text = cells.text(at).unwrap_or_default();
        match money::quantity(&text, self.plan.columns.quantity_mark) {
            Ok(count) => Ok(count),
            Err(problem) => {
                if let Some(copies) = self.plan.values.quantity_map.get(&text.trim().to_lowercase()) {
                    return exactly(*copies);
                }
                match (problem, self.plan.values.blank_quantity) {
                    (NumberProblem::Missing, BlankQuantity::Zero) if text.trim().is_empty() => exactly(0),
                    (NumberProblem::Missing, BlankQuantity::One) if text.trim().is_empty() => exactly(1),
                    _ => Err((
                        problem.quantity_problem(),
                        described("quantity", &problem, &text),
                        format!("Quantité : {}", problem.message_fr()),
                    )),
                }
            }
        }
    }

    fn check_filters<C: Cells>(&self, cells: &C) -> Result<(), Refusal> {
        let (mapping, filters) = (self.mapping, &self.plan.filters);
        if let (Some(wanted), Some(at)) = (&filters.shop, mapping.shop) {
            let shop = cells.text(at).unwrap_or_default();
            if shop.trim() != wanted {
                return Err(filtered(
                    "FilteredOut",
                    format!("shop {:?} is not {wanted:?} of filters.shop_equals", shortened(&shop, MAX_SHOWN)),
                    "La ligne est celle d'un autre magasin.".into(),
                ));
            }
        }
        let mut condition_is_filtered = false;
        for (rules, places, wanted) in
            [(&filters.keep_if, &mapping.keep_if, true), (&filters.drop_if, &mapping.drop_if, false)]
        {
            for (rule, at) in rules.iter().zip(places) {
                let is_condition = Some(*at) == mapping.condition;
                condition_is_filtered |= is_condition && wanted;
                let value = cells.text(*at).unwrap_or_default();
                if holds(rule, &value) != wanted {
                    return Err(left_out(rule, &value, wanted, is_condition));
                }
            }
        }
        match mapping.condition {
            Some(at) if !condition_is_filtered => check_condition(&cells.text(at).unwrap_or_default()),
            _ => Ok(()),
        }
    }
}

fn holds(rule: &FilterRule, value: &str) -> bool {
    let value = value.trim();
    rule.one_of.as_ref().is_none_or(|values| {
        values.iter().any(|one| one.eq_ignore_ascii_case(value)) || values.contains(&value.to_lowercase())
    }) && rule.regex.as_ref().is_none_or(|regex| regex.is_match(value))
}

fn left_out(rule: &FilterRule, value: &str, keep: bool, is_condition: bool) -> Refusal {
    let (list, code) =
        (if keep { "keep_if" } else { "drop_if" }, if is_condition { "UsedCopy" } else { "FilteredOut" });
    let shown = shortened(value, MAX_SHOWN);
    filtered(
        code,
        format!("column {:?} says {shown:?}: left out by filters.{list}", rule.column),
        if is_condition {
            format!("L'état « {shown} » n'est pas celui d'un exemplaire neuf.")
        } else {
            format!("La ligne est écartée par le réglage de la librairie (colonne « {} » : « {shown} »).", rule.column)
        },
    )
}

/// pass Culture sells new copies: whatever is not plainly new stays out.
fn check_condition(value: &str) -> Result<(), Refusal> {
    let value = value.trim();
    if NEW.iter().any(|new| new.eq_ignore_ascii_case(value)) {
        return Ok(());
    }
    let shown = shortened(value, MAX_SHOWN);
    Err(filtered(
        "UsedCopy",
        format!(
            "condition {shown:?} is not known as new; if it is, list it with filters.keep_if on column \"condition\""
        ),
        format!("L'état « {shown} » n'est pas celui d'un exemplaire neuf."),
    ))
}

const fn unreadable(code: &'static str) -> DataProblem {
    DataProblem { code, severity: Severity::Unreadable }
}

const fn filtered(code: &'static str, message: String, message_fr: String) -> Refusal {
    (DataProblem { code, severity: Severity::NotForSale }, message, message_fr)
}

fn described(what: &str, problem: &NumberProblem, text: &str) -> String {
    match problem {
        NumberProblem::Missing => format!("{what}: {problem}"),
        _ => format!("{what}: {problem}: {:?}", shortened(text, MAX_SHOWN)),
    }
}

/// A row for a record that could not be held.
pub(crate) fn too_long(line: u64) -> Row<StockLine> {
    Row::Poison(Box::new(DataError {
        at: Position::Line(line),
        key: None,
        problem: unreadable("BadLine"),
        message: format!("longer than the {} bytes that a row may have", crate::reader::MAX_RECORD_BYTES),
        message_fr: "La ligne est trop longue.".into(),
        legible: Legible::default(),
    }))
}
