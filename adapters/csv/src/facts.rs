//! One record to one fact, or to the reason why it is none.
//!
//! Rules of pass Culture (prices above the cap, eligible references) are not applied here. What the file says of the row itself
//! is: unreadable numbers, used copies, other shops, filters. Price and quantity are two statements: what is sold out is heard
//! whatever stands in its price, and a row whose price says nothing stays behind with the quantity that it states. Rows that are no
//! product (totals, remarks, delimiters only) are told apart from rows that cannot be read.
//!
//! Invariant: a good row of plain ASCII fields costs no allocation.

use passerelle_contract::{
    Cents, DataError, DataProblem, Ean, Legible, Note, NoteKind, Position, Quantity, Row, Severity, StockLine,
};
use passerelle_kit::money::{self, Count, NumberProblem, PriceUnit};
use passerelle_kit::reference::{self, ReferenceProblem};

use crate::cells::Cells;
use crate::mapping::{self, At, CommaCut, Mapping, Width};
use crate::plan::{FilterRule, Plan};
use crate::reasons::{Aside, Refusal, filtered, unreadable};
use crate::settings::{BlankQuantity, Negative, ReferenceSuffix};
use crate::survey::looks_cut;
use crate::text::shortened;

/// Longest key and quoted value, in characters.
const MAX_SHOWN: usize = 100;

const NEW: [&str; 7] = ["", "neuf", "neuve", "n", "new", "nouveau", "neufs"];

/// Longest account of a row's cells, in characters.
const MAX_CELLS: usize = 500;

/// What a row turned out to be.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A fact, or a row that stays behind.
    Row(Row<StockLine>),
    /// No product at all.
    NoProduct,
    /// The header once more.
    SameHeader,
    /// Another header than the one that explains the columns.
    OtherHeader,
}

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
    pub(crate) fn read<C: Cells>(&self, cells: &C, notes: &mut Vec<Note>) -> Outcome {
        let at = Position::Line(cells.line());
        let width = self.check_width(cells);
        let is_torn = width.is_err();
        match width.and_then(|()| self.fact(cells, at, notes)) {
            Ok(line) => Outcome::Row(Row::Good(line)),
            Err(refusal) => self.refused(cells, at, is_torn, refusal),
        }
    }

    fn refused<C: Cells>(&self, cells: &C, at: Position, is_torn: bool, refusal: Refusal) -> Outcome {
        let has_reference = || cells.text(self.mapping.ean).is_some_and(|text| reference::normalise(&text).is_ok());
        if !cells.is_unclosed() && (is_torn || !has_reference()) {
            match self.header(cells) {
                Some(true) => return Outcome::SameHeader,
                Some(false) => return Outcome::OtherHeader,
                None if self.is_no_product(cells, is_torn) => return Outcome::NoProduct,
                None => {}
            }
        }
        Outcome::Row(self.left_behind(cells, at, refusal))
    }

    /// A row that stays behind, with everything that can be said of it.
    fn left_behind<C: Cells>(&self, cells: &C, at: Position, refusal: Refusal) -> Row<StockLine> {
        let Refusal { problem, message, message_fr, mut legible } = refusal;
        let written = cells.text(self.mapping.ean);
        let key = written.as_ref().map(|key| shortened(key.trim(), MAX_SHOWN)).filter(|key| !key.is_empty());
        // A used copy or a filtered row says nothing of the book that it shares its reference with.
        if problem.severity == Severity::Unreadable {
            if legible.eans.is_empty() {
                legible.eans = reference::eans_in(cells.raw());
            }
            legible.begins_with = written.as_deref().and_then(reference::rounded_beginning);
        }
        legible.cells = Some(self.shown(cells, matches!(problem.code, "BadLine" | "SecondHeader")))
            .filter(|shown| !shown.is_empty());
        Row::Poison(Box::new(DataError { at, key, problem, message, message_fr, legible }))
    }

    /// A row that stays behind for what stands around it in the file, however well it reads.
    pub(crate) fn set_aside<C: Cells>(&self, cells: &C, aside: &Aside) -> Row<StockLine> {
        let (code, message, message_fr) = aside.said();
        self.left_behind(cells, Position::Line(cells.line()), unreadable(code, message, message_fr))
    }

    /// The same for a row that was taken for a fact already.
    pub(crate) fn doubt(&self, line: &StockLine, aside: &Aside) -> Row<StockLine> {
        let (code, message, message_fr) = aside.said();
        let problem = DataProblem { code, severity: Severity::Unreadable };
        let legible = Box::new(Legible { eans: vec![line.ean], ..Legible::default() });
        Row::Poison(Box::new(DataError {
            at: line.at,
            key: Some(line.ean.to_string()),
            problem,
            message,
            message_fr,
            legible,
        }))
    }

    /// Has the row another width than it should have?
    pub(crate) fn is_torn<C: Cells>(&self, cells: &C) -> bool {
        self.check_width(cells).is_err()
    }

    /// The cells of the columns that are read; of a torn row, whatever looks like a number.
    fn shown<C: Cells>(&self, cells: &C, is_torn: bool) -> String {
        let text = if is_torn {
            let shown = (0..cells.count().min(MAX_SHOWN)).map(|index| {
                let text = cells.text(At::Index(index)).unwrap_or_default();
                let is_number = text.len() <= 20
                    && text
                        .trim()
                        .chars()
                        .all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | ' ' | '-' | '€' | '+' | 'E'));
                if is_number { text.trim().to_owned() } else { "…".to_owned() }
            });
            shown.collect::<Vec<_>>().join(" | ")
        } else {
            let mapping = self.mapping;
            let named = [("ean", Some(mapping.ean)), ("price", mapping.price), ("currency", mapping.currency)]
                .into_iter()
                .filter_map(|(name, at)| Some((name, at?)))
                .chain(mapping.quantity.iter().chain(&mapping.minus).map(|at| ("quantity", *at)))
                .chain(mapping.condition.map(|at| ("condition", at)));
            let shown = named.map(|(name, at)| {
                let text = cells.text(at).unwrap_or_default();
                format!("{name}={}", shortened(text.trim(), MAX_SHOWN))
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        shortened(&text, MAX_CELLS)
    }

    /// Delimiters only, or nothing in it that could be a reference: totals, remarks, the shop's own articles.
    fn is_no_product<C: Cells>(&self, cells: &C, is_torn: bool) -> bool {
        let text = cells.text(self.mapping.ean).unwrap_or_default();
        let raw = cells.raw();
        let long_number = || raw.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= 8);
        reference::is_no_code(&text) && reference::eans_in(raw).is_empty() && !(is_torn && long_number())
    }

    /// Does the row name the columns again, and in the same places?
    fn header<C: Cells>(&self, cells: &C) -> Option<bool> {
        let texts: Vec<_> = (0..cells.count().min(256)).filter_map(|index| cells.text(At::Index(index))).collect();
        let names = &self.mapping.names;
        let normalised: Vec<String> = texts.iter().map(|text| crate::text::normalised_name(text)).collect();
        let values: Vec<&String> = self
            .mapping
            .values()
            .filter_map(|at| match at {
                At::Index(index) => names.get(index).filter(|name| !name.is_empty()),
                At::Span { .. } => None,
            })
            .collect();
        let holds_all = values.len() >= 2 && values.iter().all(|name| normalised.contains(name));
        if holds_all || mapping::is_header(texts.iter().map(AsRef::as_ref)) {
            let in_place = names.iter().zip(&normalised).all(|(wanted, found)| wanted == found);
            return Some(if names.is_empty() { mapping::fits(self.mapping, &normalised) } else { in_place });
        }
        None
    }

    /// Does the row have the cells it should have?
    fn check_width<C: Cells>(&self, cells: &C) -> Result<(), Refusal> {
        let refuse = |message: String, message_fr: String| Err(unreadable("BadLine", message, message_fr));
        if cells.is_unclosed() {
            return refuse(
                "a quote opens in this line and never closes".into(),
                "Un guillemet s'ouvre dans cette ligne et ne se ferme jamais.".into(),
            );
        }
        match self.mapping.width {
            Width::Fields { needed, named, usual, most } => {
                let count = cells.count();
                let all_blank = |from: usize| {
                    (from..count).all(|at| cells.text(At::Index(at)).is_none_or(|text| text.trim().is_empty()))
                };
                let fits = if count == usual {
                    named == usual || all_blank(named)
                } else if count < usual {
                    count >= needed && !cells.is_doubtful() && (count <= named || all_blank(named))
                } else {
                    count <= most && all_blank(usual)
                };
                if !fits && count == usual {
                    return refuse(
                        "something stands in a column that has no name: the row may be shifted".into(),
                        "Une valeur se trouve dans une colonne sans nom : la ligne est peut-être décalée.".into(),
                    );
                }
                if !fits {
                    return refuse(
                        format!("{count} columns where {usual} are expected"),
                        format!("La ligne a {count} colonnes au lieu de {usual}."),
                    );
                }
                match self.mapping.comma {
                    Some(comma) if (count != usual || comma == CommaCut::Seen) && self.looks_cut(cells) => refuse(
                        "a decimal comma may have been taken for a delimiter here: have the file written with points, or \
                         with semicolons between its columns"
                            .into(),
                        "Une virgule décimale a peut-être été prise pour un séparateur de colonnes.".into(),
                    ),
                    _ => Ok(()),
                }
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

    fn looks_cut<C: Cells>(&self, cells: &C) -> bool {
        self.unit == PriceUnit::Euro && looks_cut(cells, self.mapping)
    }

    /// Does this row end at a price, a quantity or a reference of fewer digits? What a line break cut off would stand on the next
    /// line.
    pub(crate) fn ends_at_a_value<C: Cells>(&self, cells: &C) -> bool {
        let Some(last) = cells.count().checked_sub(1).map(At::Index) else { return false };
        self.is_amount(last) || self.mapping.ean == last && cells.plain(last).is_none_or(|digits| digits.len() != 13)
    }

    /// Does a row begin with a price or a quantity? Then the line before may have its first digits.
    pub(crate) fn begins_at_a_value(&self) -> bool {
        self.is_amount(At::Index(0))
    }

    fn is_amount(&self, at: At) -> bool {
        let mapping = self.mapping;
        mapping.price == Some(at) || mapping.minus == Some(at) || mapping.quantity.contains(&at)
    }

    /// Could this line, which is no row, begin with the rest of a number?
    pub(crate) fn goes_on_a_number<C: Cells>(&self, cells: &C) -> bool {
        let raw = cells.raw().trim_ascii_start();
        let is_narrow = matches!(self.mapping.width, Width::Fields { usual, .. } if cells.count() < usual);
        is_narrow && raw.first().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.'))
    }

    /// Could this line, which is no row, end with the beginning of a number? A whole reference begins none.
    pub(crate) fn ends_in_a_number<C: Cells>(&self, cells: &C) -> bool {
        let raw = cells.raw().trim_ascii_end();
        let last = cells.count().checked_sub(1).and_then(|last| cells.text(At::Index(last))).unwrap_or_default();
        matches!(self.mapping.width, Width::Fields { usual, .. } if cells.count() < usual)
            && raw.last().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.'))
            && reference::normalise(&last).is_err()
    }

    fn fact<C: Cells>(&self, cells: &C, at: Position, notes: &mut Vec<Note>) -> Result<StockLine, Refusal> {
        self.check_filters(cells)?;
        let ean = self.ean(cells)?;
        let about = |refusal: Refusal| refusal.about(ean);
        if self.deletes {
            return Ok(StockLine { ean, price: None, quantity: Quantity::Exactly(0), at });
        }
        let count = self.quantity(cells).map_err(about)?;
        let copies = count.copies;
        let price = self.price(cells, copies).map_err(|refusal| refusal.about(ean).with(copies))?;
        if price.is_some_and(|price| price.rounded) {
            notes.push(Note { at, ean: Some(ean), kind: NoteKind::RoundedPrice });
        }
        if count.clamped {
            notes.push(Note { at, ean: Some(ean), kind: NoteKind::NegativeQuantityClamped });
        }
        Ok(StockLine { ean, price: price.map(|price| price.cents), quantity: Quantity::Exactly(copies), at })
    }

    fn ean<C: Cells>(&self, cells: &C) -> Result<Ean, Refusal> {
        if let (At::Index(index), true) = (self.mapping.ean, self.plan.filters.prefixes.is_empty())
            && let Some(digits) = cells.plain(At::Index(index))
            && let Ok(ean) = Ean::from_digits(digits)
        {
            return Ok(ean);
        }
        let text = cells.text(self.mapping.ean).unwrap_or_default();
        let read = match self.plan.values.reference_suffix {
            ReferenceSuffix::Reject => reference::normalise(&text),
            ReferenceSuffix::Ignore => reference::without_suffix(&text),
            ReferenceSuffix::Used => reference::normalise(&text).map_err(|problem| match problem {
                ReferenceProblem::Suffix => ReferenceProblem::Used,
                other => other,
            }),
        };
        let ean = read.map_err(|problem| Refusal {
            problem: problem.problem(),
            message: format!("{problem}: {:?}", shortened(&text, MAX_SHOWN)),
            message_fr: problem.message_fr(),
            legible: Box::default(),
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

    /// The price beside so many copies.
    fn price<C: Cells>(&self, cells: &C, copies: u32) -> Result<Option<money::Price>, Refusal> {
        let mapping = self.mapping;
        let mark = self.plan.columns.price_mark;
        let plain = mapping.price.and_then(|at| cells.plain(at));
        let written = || mapping.price.and_then(|at| cells.text(at)).unwrap_or_default();
        let price = match plain.and_then(|digits| money::plain_price(digits, self.unit, mark)) {
            Some(cents) => Ok(money::Price { cents: Cents(cents), rounded: false }),
            None => money::price_beside(&written(), self.unit, mark, &mapping.prices),
        };
        let price = match mapping.currency.and_then(|at| cells.text(at)) {
            Some(currency) if !is_euro(&currency) => Err(NumberProblem::Currency),
            _ => price,
        };
        money::price_beside_copies(price, copies, self.plan.min_price).map_err(|problem| {
            let shown = match problem {
                NumberProblem::Currency => mapping.currency.and_then(|at| cells.text(at)).unwrap_or_else(written),
                _ => written(),
            };
            Refusal {
                problem: problem.price_problem(),
                message: described("price", &problem, &shown),
                message_fr: format!("Prix : {}", problem.message_fr()),
                legible: Box::default(),
            }
        })
    }

    fn quantity<C: Cells>(&self, cells: &C) -> Result<Count, Refusal> {
        let mut total = Count { copies: 0, clamped: false };
        let places = &self.mapping.quantity;
        let is_blank = |at: &At| cells.text(*at).is_none_or(|text| text.trim().is_empty());
        let all_blank = places.len() > 1 && places.iter().all(is_blank);
        for at in places {
            // A place of several that holds nothing, beside one that holds a number.
            if places.len() > 1 && !all_blank && is_blank(at) {
                continue;
            }
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
            return Err(unreadable(
                "BadNumber",
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
        match money::quantity_beside(&text, self.plan.columns.quantity_mark, &self.mapping.copies) {
            Ok(count) => Ok(count),
            Err(problem) => {
                if let Some(copies) = self.plan.values.quantity_map.get(&text.trim().to_lowercase()) {
                    return exactly(*copies);
                }
                match (problem, self.plan.values.blank_quantity) {
                    (NumberProblem::Missing, BlankQuantity::Zero) if text.trim().is_empty() => exactly(0),
                    (NumberProblem::Missing, BlankQuantity::One) if text.trim().is_empty() => exactly(1),
                    _ => Err(Refusal {
                        problem: problem.quantity_problem(),
                        message: described("quantity", &problem, &text),
                        message_fr: format!("Quantité : {}", problem.message_fr()),
                        legible: Box::default(),
                    }),
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

/// A blank currency is the venue's own.
fn is_euro(currency: &str) -> bool {
    let currency = currency.trim();
    currency.is_empty() || ["eur", "euro", "euros", "€", "\u{80}", "978"].contains(&currency.to_lowercase().as_str())
}

fn described(what: &str, problem: &NumberProblem, text: &str) -> String {
    match problem {
        NumberProblem::Missing => format!("{what}: {problem}"),
        _ => format!("{what}: {problem}: {:?}", shortened(text, MAX_SHOWN)),
    }
}
