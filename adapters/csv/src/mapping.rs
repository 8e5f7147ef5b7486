//! From wanted columns to places in a record.
//!
//! Names are compared whole, in normalised form: never by "contains", which is how an availability code becomes a stock
//! and a purchase price a price. What is not configured is taken from the trade's vocabulary only when exactly one column
//! fits and nothing in the header resembles it.
//!
//! Invariant: pure, and a mapping never points at a column that two readings could dispute.

use passerelle_kit::money::Neighbours;

use crate::plan::{FilterRule, Plan, Spot, Wanted};
use crate::text::normalised_name;

/// Names of the reference, normalised.
const EAN: &[&str] =
    &["ean", "ean13", "gencod", "gencode", "codebarre", "codebarres", "isbn", "isbn13", "reference", "codearticle"];
/// Names of the quantity. `quantity` and `price` are the English headers of an export seen in the field.
const QUANTITY: &[&str] = &[
    "stock",
    "qte",
    "qtestock",
    "quantite",
    "stockdisponible",
    "stockactuel",
    "stockphysique",
    "qtedispo",
    "nbex",
    "exemplaires",
    "quantity",
];
/// Names of the price.
const PRICE: &[&str] = &["prix", "prixttc", "pvttc", "pv", "prixvente", "pvp", "prixpublic", "ppttc", "tarif", "price"];
/// Names of the condition that are safe to act on, since acting on them only leaves rows out.
const CONDITION: &[&str] = &["etat", "condition"];
/// Names of the currency.
const CURRENCY: &[&str] = &["devise", "codedevise", "monnaie", "currency", "currencycode"];
/// Other names of the condition: with one of them nobody but the shop can say what its values mean.
const CONDITION_SYNONYMS: &[&str] = &[
    "etatdulivre",
    "etatlivre",
    "etatduproduit",
    "etatproduit",
    "etatarticle",
    "etatdelarticle",
    "etatexemplaire",
    "etatvolume",
    "conditionlivre",
    "conditionarticle",
    "bookcondition",
    "itemcondition",
    "productcondition",
    "no",
    "nouo",
    "neufoccasion",
    "neufocc",
    "neufouoccasion",
    "typeetat",
    "qualite",
    "quality",
    "grade",
    "used",
    "isused",
    "estoccasion",
    "occ",
];
/// Names that resemble the wanted ones and mean something else: with one of them in the header nothing is guessed.
const LOOK_ALIKES: &[&str] = &[
    "dispo",
    "codedispo",
    "prixachat",
    "prixht",
    "pamp",
    "prixnet",
    "remise",
    "prixsolde",
    "codetva",
    "codeclil",
    "codeediteur",
    "stockmin",
    "stockmax",
    "encommande",
    "qtecommandee",
    "qtereservee",
    "qtevendue",
    "neuf",
    "occasion",
];

/// Where a value stands in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Field, from 0.
    Index(usize),
    /// Characters of the line.
    Span { pos: usize, len: usize },
}

/// How wide a record must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// Fields of a delimited record.
    Fields {
        /// Through the last column that is read; a row that has no more lacks nothing that matters.
        needed: usize,
        /// Through the last column with a name; what stands behind it must be blank.
        named: usize,
        /// What a row has.
        usual: usize,
        /// Blank cells behind the usual ones that all rows have.
        most: usize,
    },
    /// Exactly this many bytes.
    Exact(usize),
    /// At least this many characters.
    AtLeast(usize),
}

/// Where each wanted value stands.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub ean: At,
    pub quantity: Vec<At>,
    pub minus: Option<At>,
    /// `None`: the file states no price; every row lacks it.
    pub price: Option<At>,
    pub condition: Option<At>,
    pub shop: Option<At>,
    pub currency: Option<At>,
    /// In the order of the plan's filters.
    pub keep_if: Vec<At>,
    pub drop_if: Vec<At>,
    pub width: Width,
    /// A column that seems to say new or used and that no setting mentions.
    pub unused_condition: Option<String>,
    /// The header's names, normalised; empty where there is none.
    pub names: Vec<String>,
    /// Was a column found by the vocabulary alone?
    pub is_automatic: bool,
    /// What the file's own prices and quantities say of `,` and `.`.
    pub prices: Neighbours,
    pub copies: Neighbours,
    /// Is the comma the delimiter, so that a decimal comma makes a cell more?
    pub comma: Option<CommaCut>,
}

/// How often a decimal comma was taken for a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommaCut {
    /// Never in the sample.
    Unseen,
    /// In some rows of it.
    Seen,
}

impl Mapping {
    /// A mapping of nothing but the reference.
    pub(crate) fn at(ean: At) -> Self {
        Self {
            ean,
            quantity: Vec::new(),
            minus: None,
            price: None,
            condition: None,
            shop: None,
            currency: None,
            keep_if: Vec::new(),
            drop_if: Vec::new(),
            width: Width::AtLeast(0),
            unused_condition: None,
            names: Vec::new(),
            is_automatic: false,
            prices: Neighbours::default(),
            copies: Neighbours::default(),
            comma: None,
        }
    }

    /// Everything that is read of a row.
    pub(crate) fn values(&self) -> impl Iterator<Item = At> {
        let one = [Some(self.ean), self.minus, self.price, self.condition, self.shop, self.currency];
        let many = self.quantity.iter().chain(&self.keep_if).chain(&self.drop_if).copied();
        one.into_iter().flatten().chain(many)
    }
}

/// Why the columns were not found: one sentence each.
pub(crate) type Unresolved = Vec<String>;

/// Finds every wanted column under a header, or by number where there is none.
pub(crate) fn resolve(plan: &Plan, header: Option<&[String]>, needs_price: bool) -> Result<Mapping, Unresolved> {
    let finder = Finder { names: header.map(|names| names.iter().map(|name| normalised_name(name)).collect()) };
    let mut problems = Vec::new();
    let columns = &plan.columns;
    let mut required = |role: &str, wanted: Option<&Wanted>, vocabulary: &[&str]| {
        let found = match wanted {
            Some(wanted) => finder.find(&wanted.spot),
            None => finder.detect(vocabulary),
        };
        found.map_err(|problem| problems.push(format!("{role}: {problem}"))).ok()
    };
    let ean = required("ean", columns.ean.as_ref(), EAN);
    let quantity: Vec<Option<At>> = if columns.quantity.is_empty() {
        vec![required("quantity", None, QUANTITY)]
    } else {
        columns.quantity.iter().map(|wanted| required("quantity", Some(wanted), QUANTITY)).collect()
    };
    // A list of references and quantities without a header may have no price at all: then each row says so.
    let no_price_expected = columns.price.is_none() && (header.is_none() || !needs_price);
    let price = if no_price_expected { None } else { required("price", columns.price.as_ref(), PRICE) };
    let mut optional = |role: &str, wanted: Option<&Wanted>| match wanted.map(|one| (one, finder.find(&one.spot))) {
        None => None,
        Some((_, Ok(at))) => Some(at),
        Some((wanted, Err(_))) if wanted.optional => None,
        Some((_, Err(problem))) => {
            problems.push(format!("{role}: {problem}"));
            None
        }
    };
    let mut condition = optional("condition", columns.condition.as_ref());
    let shop = optional("shop", columns.shop.as_ref());
    let currency = optional("currency", columns.currency.as_ref()).or_else(|| finder.only(CURRENCY));
    let minus = columns
        .minus
        .as_ref()
        .and_then(|spot| finder.find(spot).map_err(|problem| problems.push(format!("quantity.minus: {problem}"))).ok());
    let named = |role: &str| match role {
        "ean" => ean,
        "quantity" => quantity.first().copied().flatten(),
        "price" => price,
        "condition" => condition,
        "shop" => shop,
        "currency" => currency,
        _ => None,
    };
    let mut filters = |rules: &[FilterRule]| -> Vec<Option<At>> {
        rules
            .iter()
            .map(|rule| {
                let other = columns.others.iter().find(|(role, _)| *role == rule.column);
                let found = match (named(&rule.column), other) {
                    (Some(at), _) => Ok(at),
                    (None, Some((_, wanted))) => finder.find(&wanted.spot),
                    (None, None) => finder.find(&Spot::Named(vec![rule.column.clone()])),
                };
                found.map_err(|problem| problems.push(format!("filters, column {:?}: {problem}", rule.column))).ok()
            })
            .collect()
    };
    let (keep_if, drop_if) = (filters(&plan.filters.keep_if), filters(&plan.filters.drop_if));
    let looks_like_condition = finder.only(CONDITION).filter(|_| condition.is_none());
    let is_automatic =
        header.is_some() && (columns.ean.is_none() || columns.quantity.is_empty() || columns.price.is_none());
    let filtered = keep_if.contains(&looks_like_condition) || drop_if.contains(&looks_like_condition);
    let mut unused_condition = None;
    if let Some(At::Index(index)) = looks_like_condition.filter(|_| !filtered && columns.condition.is_none()) {
        if is_automatic {
            condition = Some(At::Index(index));
        } else {
            unused_condition = header.and_then(|names| names.get(index)).cloned();
        }
    }
    let named_places = [ean, price, minus, condition, shop, currency].into_iter().chain(quantity.iter().copied());
    let width = width(header, named_places.chain(keep_if.iter().copied()).chain(drop_if.iter().copied()));
    let quantity: Option<Vec<At>> = quantity.into_iter().collect();
    let (keep_if, drop_if): (Option<Vec<At>>, Option<Vec<At>>) =
        (keep_if.into_iter().collect(), drop_if.into_iter().collect());
    match (ean, quantity, keep_if, drop_if) {
        (Some(ean), Some(quantity), Some(keep_if), Some(drop_if)) if problems.is_empty() => {
            let names = finder.names.unwrap_or_default();
            let found =
                Mapping { quantity, minus, price, condition, shop, currency, keep_if, drop_if, ..Mapping::at(ean) };
            Ok(Mapping { width, unused_condition, names, is_automatic, ..found })
        }
        _ => Err(problems),
    }
}

/// Where a column stands under a header, or why it does not.
pub(crate) fn place(header: &[String], spot: &Spot) -> Result<At, String> {
    Finder { names: Some(header.iter().map(|name| normalised_name(name)).collect()) }.find(spot)
}

fn width(header: Option<&[String]>, places: impl Iterator<Item = Option<At>>) -> Width {
    let (mut last_field, mut last_char) = (0, 0);
    for place in places.flatten() {
        match place {
            At::Index(index) => last_field = last_field.max(index + 1),
            At::Span { pos, len } => last_char = last_char.max(pos + len),
        }
    }
    if last_char > 0 {
        return Width::AtLeast(last_char);
    }
    let needed = last_field;
    // Without a header the sample says what is usual.
    let Some(names) = header else { return Width::Fields { needed, named: needed, usual: needed, most: needed } };
    let named = names.iter().rposition(|name| !name.trim().is_empty()).map_or(0, |at| at + 1).max(needed);
    let usual = names.len().max(needed);
    Width::Fields { needed, named, usual, most: usual }
}

/// Is this name, normalised, one under which shops say new or used?
pub(crate) fn names_condition(name: &str) -> bool {
    CONDITION.contains(&name) || CONDITION_SYNONYMS.contains(&name)
}

/// Could it be one? Enough for a question where nobody has written which column is what.
pub(crate) fn may_name_condition(name: &str) -> bool {
    const PARTS: [&str; 4] = ["occasion", "neuf", "usage", "condition"];
    let is_packing = name.contains("conditionn");
    names_condition(name) || name.starts_with("etat") || !is_packing && PARTS.iter().any(|part| name.contains(part))
}

/// Do these cells name columns instead of holding values: a reference's and a quantity's or a price's?
pub(crate) fn is_header<'a>(cells: impl Iterator<Item = &'a str>) -> bool {
    let (mut ean, mut other) = (false, false);
    for cell in cells {
        let name = normalised_name(cell);
        ean |= EAN.contains(&name.as_str());
        other |= QUANTITY.contains(&name.as_str()) || PRICE.contains(&name.as_str());
    }
    ean && other
}

/// Do these names, normalised, stand where the mapping reads what they name?
pub(crate) fn fits(mapping: &Mapping, names: &[String]) -> bool {
    let stands = |at: At, vocabulary: &[&str]| matches!(at, At::Index(index) if names.get(index).is_some_and(|name| vocabulary.contains(&name.as_str())));
    stands(mapping.ean, EAN)
        && (mapping.quantity.iter().any(|at| stands(*at, QUANTITY))
            || mapping.price.is_some_and(|at| stands(at, PRICE)))
}

struct Finder {
    names: Option<Vec<String>>,
}

impl Finder {
    fn find(&self, spot: &Spot) -> Result<At, String> {
        let wanted = match spot {
            Spot::Index(index) => {
                let count = self.names.as_ref().map_or(usize::MAX, Vec::len);
                return if *index < count {
                    Ok(At::Index(*index))
                } else {
                    Err(format!("there are {count} columns only"))
                };
            }
            Spot::Span { pos, len } => return Ok(At::Span { pos: *pos, len: *len }),
            Spot::Named(wanted) => wanted,
        };
        let Some(names) = &self.names else { return Err(format!("{wanted:?} needs a header")) };
        for name in wanted {
            let name_normalised = normalised_name(name);
            let mut places = names.iter().enumerate().filter(|(_, found)| **found == name_normalised);
            match (places.next(), places.next()) {
                (Some((index, _)), None) => return Ok(At::Index(index)),
                (Some(_), Some(_)) => return Err(format!("two columns are named {name:?}: use {{ index = … }}")),
                _ => {}
            }
        }
        Err(format!("no column is named {}", wanted.join(" or ")))
    }

    /// The one column with a name of this list.
    fn only(&self, vocabulary: &[&str]) -> Option<At> {
        let mut places =
            self.names.iter().flatten().enumerate().filter(|(_, name)| vocabulary.contains(&name.as_str()));
        match (places.next(), places.next()) {
            (Some((index, _)), None) => Some(At::Index(index)),
            _ => None,
        }
    }

    fn detect(&self, vocabulary: &[&str]) -> Result<At, String> {
        let Some(names) = &self.names else { return Err("no column is configured and there is no header".into()) };
        let mut places = names.iter().enumerate().filter(|(_, name)| vocabulary.contains(&name.as_str()));
        let found = match (places.next(), places.next()) {
            (Some((index, _)), None) => index,
            (Some(_), Some(_)) => return Err("several columns could be meant, and none is configured".into()),
            _ => return Err("no column is configured".into()),
        };
        match names.iter().find(|name| LOOK_ALIKES.contains(&name.as_str())) {
            Some(name) => Err(format!("not configured, and column {name:?} makes a guess unsafe")),
            None => Ok(At::Index(found)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(columns: serde_json::Value) -> Plan {
        Plan::check(&json!({ "path": "x", "columns": columns })).unwrap()
    }

    fn header(text: &str) -> Vec<String> {
        text.split(';').map(str::to_owned).collect()
    }

    #[test]
    fn exact_names_of_the_trade_are_found_without_settings() {
        let found = resolve(&plan(json!({})), Some(&header("EAN13;Titre;PV TTC;Stock;Etat")), true).unwrap();
        assert_eq!(
            (found.ean, found.price, &found.quantity[..]),
            (At::Index(0), Some(At::Index(2)), &[At::Index(3)][..])
        );
        assert_eq!(found.condition, Some(At::Index(4)));
    }

    #[test]
    fn nothing_is_guessed_beside_a_look_alike_or_a_second_candidate() {
        for names in [
            "ean;stock;prix achat;prix",
            "ean;stock;code dispo;prix",
            "ean;isbn;stock;prix",
            "ean;stock;prix;tarif",
            "code ean interne;stock;prix",
            "ean;stock min;prix",
        ] {
            assert!(resolve(&plan(json!({})), Some(&header(names)), true).is_err(), "{names}");
        }
        let configured = plan(json!({ "ean": "ean", "quantity": "stock", "price": "prix" }));
        assert!(resolve(&configured, Some(&header("ean;stock;prix achat;prix")), true).is_ok());
    }

    #[test]
    fn the_first_present_name_wins_and_a_double_name_is_refused() {
        let wanted = plan(json!({ "ean": { "name": ["Gencod", "EAN"] }, "quantity": "Qté", "price": "Prix" }));
        assert_eq!(resolve(&wanted, Some(&header("EAN;qte;PRIX")), true).unwrap().ean, At::Index(0));
        assert!(resolve(&wanted, Some(&header("EAN;qte;Qté.;PRIX")), true).is_err());
    }

    #[test]
    fn a_condition_column_that_nobody_configured_is_pointed_at() {
        let wanted = plan(json!({ "ean": "ean", "quantity": "stock", "price": "prix" }));
        let found = resolve(&wanted, Some(&header("ean;stock;prix;État")), true).unwrap();
        assert_eq!((found.condition, found.unused_condition.as_deref()), (None, Some("État")));
    }
}
