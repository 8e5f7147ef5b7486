//! Checked settings: what people wrote, turned into what the reader needs, with all problems at once.
//!
//! Invariant: pure. Whatever leaves this file can be used without another check: globs and expressions are compiled,
//! numbers are in range, every column says where it is.

use std::time::Duration;

use globset::GlobMatcher;
use passerelle_contract::{Cents, Expectations, SettingsError};
use passerelle_kit::money::{DecimalMark, PriceUnit, USUAL_FLOOR};
use passerelle_kit::settings;
use regex::Regex;

use crate::check::Check;
use crate::settings::{Access, BlankPrice, EncodingName, Format, Header, Mode, NamedMode, Settings, Values};

/// Where the file is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A file or folder.
    Path(String),
    /// A web address.
    Http(url::Url),
    /// An SFTP address.
    Sftp(url::Url),
}

/// Everything the adapter needs to know.
#[derive(Debug)]
pub(crate) struct Plan {
    pub place: Place,
    pub access: Access,
    pub pick: Pick,
    pub layout: Layout,
    pub columns: ColumnPlan,
    pub filters: FilterPlan,
    pub values: Values,
    pub expectations: Expectations,
    /// Smallest price that is believed.
    pub min_price: Cents,
}

/// Which file, and when it may be read.
#[derive(Debug)]
pub(crate) struct Pick {
    pub pattern: Option<NamePattern>,
    pub temp: Vec<GlobMatcher>,
    pub settle: Duration,
    pub marker: Option<String>,
    pub max_age: Option<Duration>,
    /// Where files build on each other: how often everything is read again.
    pub full_every: Option<Duration>,
    pub mode: Mode,
    pub by_name: Vec<(GlobMatcher, NamedMode)>,
}

/// A glob on base names, with the date that orders them.
#[derive(Debug)]
pub(crate) struct NamePattern {
    pub glob: GlobMatcher,
    pub date: Option<DatePattern>,
}

/// Finds the digits of a date in a name.
#[derive(Debug)]
pub(crate) struct DatePattern {
    finder: Regex,
    /// The captured parts, in the order in which they compare: year first.
    order: Vec<usize>,
}

/// How the file is cut.
#[derive(Debug)]
pub(crate) struct Layout {
    pub format: Option<Format>,
    pub delimiter: Option<u8>,
    pub quote: Option<u8>,
    pub encoding: EncodingName,
    pub header: Option<Header>,
    pub skip_lines: u64,
    pub stop_at: Option<Regex>,
    pub comment: Option<String>,
    pub shop_width: usize,
    /// The sheet of a workbook.
    pub sheet: Option<String>,
}

/// Where one column is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// Under the first of these names that is present.
    Named(Vec<String>),
    /// In this column, from 0.
    Index(usize),
    /// At these characters.
    Span { pos: usize, len: usize },
}

/// One column of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub spot: Spot,
    pub optional: bool,
}

/// The columns of the plan.
#[derive(Debug)]
pub(crate) struct ColumnPlan {
    pub ean: Option<Wanted>,
    /// Columns that add up.
    pub quantity: Vec<Wanted>,
    pub minus: Option<Spot>,
    pub price: Option<Wanted>,
    pub unit: PriceUnit,
    pub price_mark: DecimalMark,
    pub quantity_mark: DecimalMark,
    pub condition: Option<Wanted>,
    pub shop: Option<Wanted>,
    pub currency: Option<Wanted>,
    /// Only for filters.
    pub others: Vec<(&'static str, Wanted)>,
}

/// One checked filter.
#[derive(Debug)]
pub(crate) struct FilterRule {
    pub column: String,
    /// Lower case, trimmed.
    pub one_of: Option<Vec<String>>,
    pub regex: Option<Regex>,
}

/// The filters of the plan.
#[derive(Debug)]
pub(crate) struct FilterPlan {
    pub keep_if: Vec<FilterRule>,
    pub drop_if: Vec<FilterRule>,
    pub prefixes: Vec<String>,
    pub shop: Option<String>,
}

impl FilterPlan {
    /// Does a filter look at a column of its own choosing?
    pub(crate) const fn has_columns(&self) -> bool {
        !self.keep_if.is_empty() || !self.drop_if.is_empty()
    }
}

impl Plan {
    /// Reads and checks settings.
    pub(crate) fn check(value: &serde_json::Value) -> Result<Self, SettingsError> {
        let read: Settings = settings::read(value)?;
        let mut check = Check::default();
        let place = check.place(read.path, read.url, &read.access);
        let file = read.file;
        let pick = Pick {
            pattern: file.pattern.as_deref().and_then(|text| check.name_pattern(text)),
            temp: check.globs("file.temp_patterns", file.temp_patterns),
            settle: check.settle(file.settle_seconds),
            marker: file.marker.filter(|marker| check.marker(marker)),
            max_age: file.max_age.as_deref().and_then(|text| check.duration("file.max_age", text)),
            full_every: file.full_every.as_deref().and_then(|text| check.duration("file.full_every", text)),
            mode: file.mode,
            by_name: file
                .mode_by_name
                .iter()
                .enumerate()
                .filter_map(|(at, rule)| {
                    Some((check.glob(&format!("file.mode_by_name.{at}.glob"), &rule.glob)?, rule.mode))
                })
                .collect(),
        };
        if (file.mode == Mode::ByName) == pick.by_name.is_empty() && check.problems.is_empty() {
            check.add("file.mode_by_name", "mode = \"by_name\" and mode_by_name go together: write both or neither");
        }
        if pick.full_every.is_some() && file.mode == Mode::Full {
            check.add(
                "file.full_every",
                "a full file is read whole every time: this is for mode = \"delta\" or \"by_name\"",
            );
        }
        let layout = Layout {
            format: file.format,
            delimiter: check.character("file.delimiter", file.delimiter.as_deref(), "auto", None),
            quote: check.character("file.quote", file.quote.as_deref(), "none", Some(b'"')),
            encoding: file.encoding.unwrap_or_default(),
            header: file.header,
            skip_lines: u64::from(file.skip_lines),
            stop_at: file.stop_at.as_deref().and_then(|text| check.regex("file.stop_at", text)),
            comment: file.comment.filter(|comment| !comment.is_empty()),
            shop_width: check.shop_width(file.shop_width),
            sheet: file.sheet.filter(|sheet| !sheet.trim().is_empty()),
        };
        let columns = check.columns(read.columns, layout.format);
        let filters = FilterPlan {
            keep_if: check.filters("filters.keep_if", read.filters.keep_if),
            drop_if: check.filters("filters.drop_if", read.filters.drop_if),
            prefixes: check.prefixes(read.filters.ean_prefix_drop),
            shop: read.filters.shop_equals.map(|shop| shop.trim().to_owned()),
        };
        if layout.format == Some(Format::ArtAsc) && filters.has_columns() {
            check.add("filters", "the art-asc layout has no other column to look at: leave keep_if and drop_if out");
        }
        if filters.shop.is_some() && columns.shop.is_none() && layout.format != Some(Format::ArtAsc) {
            check.add("filters.shop_equals", "say which column holds the shop: columns.shop");
        }
        if read.values.blank_price == BlankPrice::Catalogue {
            check.add(
                "values.blank_price",
                "no catalogue of prices is connected, so a blank price cannot be filled in: write \"reject\"",
            );
        }
        let expectations = Expectations {
            duplicates: read.values.duplicates.into(),
            max_bad_ratio: check.ratio("limits.max_bad_ratio", read.limits.max_bad_ratio).unwrap_or(0.05),
            max_withdraw_ratio: check.ratio("limits.max_shrink_ratio", read.limits.max_shrink_ratio),
            min_rows: read.limits.min_rows.unwrap_or(0),
            keep_back: read.values.keep_back,
            ..Expectations::default()
        };
        let min_price = read.limits.min_price_cents.map_or(USUAL_FLOOR, Cents);
        let values = Values {
            quantity_map: read
                .values
                .quantity_map
                .into_iter()
                .map(|(word, copies)| (word.trim().to_lowercase(), copies))
                .collect(),
            ..read.values
        };
        settings::all_or_error(check.problems)?;
        let Some(place) = place else {
            return Err(SettingsError::one("path", "say where the file is"));
        };
        Ok(Self { place, access: read.access, pick, layout, columns, filters, values, expectations, min_price })
    }
}

impl DatePattern {
    /// From the marks of a date format; `None` when it has no whole day or something else.
    pub(crate) fn new(format: &str) -> Option<Self> {
        let mut pattern = String::new();
        let mut found = Vec::new();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                pattern.push_str(&regex::escape(&letter.to_string()));
                continue;
            }
            let part = letters.next().filter(|part| "YmdHMS".contains(*part) && !found.contains(part))?;
            found.push(part);
            pattern.push_str(if part == 'Y' { r"(\d{4})" } else { r"(\d{2})" });
        }
        let order: Vec<usize> =
            "YmdHMS".chars().filter_map(|part| found.iter().position(|one| *one == part).map(|at| at + 1)).collect();
        let has_day = "Ymd".chars().all(|part| found.contains(&part));
        Some(Self { finder: crate::pattern::regex(&pattern).ok().filter(|_| has_day)?, order })
    }

    /// The date in a name, as digits that compare in time order.
    pub(crate) fn find(&self, name: &str) -> Option<String> {
        let parts = self.finder.captures(name)?;
        Some(self.order.iter().filter_map(|at| parts.get(*at)).map(|part| part.as_str()).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(value: &serde_json::Value) -> Vec<String> {
        Plan::check(value).unwrap_err().problems.into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn a_path_alone_is_enough() {
        let plan = Plan::check(&json!({ "path": "stock.csv" })).unwrap();
        assert_eq!(plan.pick.settle, Duration::from_secs(120));
        assert_eq!(plan.expectations.duplicates, passerelle_contract::Duplicates::Sum);
    }

    #[test]
    fn the_whole_printed_form_is_understood() {
        Plan::check(&json!({
            "path": "drop",
            "file": { "match": "STOCK_{date:%Y%m%d}*.csv", "format": "delimited", "delimiter": ";", "quote": "\"",
                      "encoding": "auto", "header": { "contains": ["EAN", "Stock"] }, "skip_lines": 0,
                      "stop_at": "^(RÉSUMÉ|Total|TOTAL)", "comment": "//", "mode": "by_name",
                      "mode_by_name": [ { "glob": "*_delta_*", "mode": "delta" }, { "glob": "*.del", "mode": "delete" } ],
                      "max_age": "36h", "settle_seconds": 0 },
            "columns": { "ean": { "name": ["EAN13", "Gencod"] }, "quantity": { "name": "Stock", "op": "as_is", "minus": "Réservé" },
                         "price": { "name": "PV TTC", "unit": "euro", "decimal": "auto" }, "vat": { "name": "TVA", "optional": true },
                         "condition": { "name": "Etat", "optional": true }, "currency": { "name": "Devise", "optional": true }, "title": "Titre", "shop": { "index": 3 },
                         "updated": { "name": "Date maj", "format": "%d/%m/%Y %H:%M", "optional": true } },
            "filters": { "keep_if": [ { "column": "condition", "in": ["Neuf", "N", ""] } ],
                         "drop_if": [ { "column": "Rayon", "regex": "(?i)occasion|papeterie" } ],
                         "ean_prefix_drop": ["2", "02", "04", "000"], "shop_equals": "6505" },
            "values": { "quantity_map": { "oui": 1, "rupture": 0 }, "blank_quantity": "reject", "blank_price": "reject",
                        "duplicates": "sum", "negative": "zero", "keep_back": 0, "reference_suffix": "ignore" },
            "limits": { "max_bad_ratio": 0.05, "max_shrink_ratio": 0.30, "min_rows": 50, "min_price_cents": 100 }
        }))
        .unwrap();
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let found = problems(&json!({
            "path": "a", "url": "https://b/",
            "file": { "delimiter": "ab", "stop_at": "(", "max_age": "soon", "match": "{date:%Q}" },
            "columns": { "ean": { "name": "a", "index": 2 }, "price": { "pos": 1, "len": 2 }, "title": { "name": "t", "unit": "cent" } },
            "values": { "blank_price": "catalogue" },
            "limits": { "max_bad_ratio": 5.0 }
        }));
        for path in [
            "path",
            "file.delimiter",
            "file.stop_at",
            "file.max_age",
            "file.match",
            "columns.ean",
            "columns.price",
            "columns.title.unit",
            "values.blank_price",
            "limits.max_bad_ratio",
        ] {
            assert!(found.iter().any(|one| one == path), "{path} in {found:?}");
        }
    }

    #[test]
    fn a_wrong_key_inside_a_column_is_named_by_its_path() {
        assert_eq!(
            problems(&json!({ "path": "a", "columns": { "price": { "name": "PV", "unit": "franc" } } })),
            ["columns.price.unit"]
        );
        assert_eq!(problems(&json!({ "path": "a", "colums": {} })), ["colums"]);
    }

    #[test]
    fn credentials_in_an_address_are_refused_and_not_repeated() {
        let error = Plan::check(&json!({ "url": "https://shop:kanari-7731@host/f.csv" })).unwrap_err();
        assert!(!error.to_string().contains("kanari"), "{error}");
    }

    #[test]
    fn dates_in_names_compare_in_time_order() {
        let date = DatePattern::new("%d-%m-%Y").unwrap();
        assert!(date.find("s_31-01-2026.csv") < date.find("s_01-02-2026.csv"));
        assert!(DatePattern::new("%d").is_none());
    }
}
