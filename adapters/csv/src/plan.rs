//! Checked settings: what people wrote, turned into what the reader needs, with all problems at once.
//!
//! Invariant: pure. Whatever leaves this file can be used without another check: globs and expressions are compiled,
//! numbers are in range, every column says where it is.

use std::time::Duration;

use globset::{Glob, GlobMatcher};
use passerelle_contract::{Expectations, SettingProblem, SettingsError};
use passerelle_kit::money::{DecimalMark, PriceUnit};
use passerelle_kit::settings;
use regex::Regex;

use crate::settings::{
    Access, BlankPrice, Column, ColumnTable, EncodingName, Format, Header, Mode, NamedMode, Names, Settings, Values,
};

/// Seconds a file must have been left alone when the settings do not say.
const DEFAULT_SETTLE_SECONDS: u32 = 120;
/// Longest accepted `settle_seconds`: a day.
const MAX_SETTLE_SECONDS: u32 = 86_400;
/// Names that files have while they are written.
const TEMP_PATTERNS: [&str; 5] = [".*", "*.tmp", "*.part", "*.filepart", "~$*"];
/// Largest compiled regular expression, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

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
}

/// Which file, and when it may be read.
#[derive(Debug)]
pub(crate) struct Pick {
    pub pattern: Option<NamePattern>,
    pub temp: Vec<GlobMatcher>,
    pub settle: Duration,
    pub marker: Option<String>,
    pub max_age: Option<Duration>,
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
        if (file.mode == Mode::ByName) != !pick.by_name.is_empty() && check.problems.is_empty() {
            check.add("file.mode_by_name", "mode = \"by_name\" and mode_by_name go together: write both or neither");
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
        };
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
        Ok(Self { place, access: read.access, pick, layout, columns, filters, values, expectations })
    }
}

/// Collects problems while it checks.
#[derive(Default)]
struct Check {
    problems: Vec<SettingProblem>,
}

impl Check {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(SettingProblem { path: path.into(), message: message.into() });
    }

    fn place(&mut self, path: Option<String>, url: Option<String>, access: &Access) -> Option<Place> {
        let place = match (path, url) {
            (Some(path), None) if !path.trim().is_empty() => Place::Path(path),
            (None, Some(url)) => self.url(&url)?,
            (Some(_), Some(_)) => {
                self.add("path", "write either path or url, not both");
                return None;
            }
            _ => {
                self.add("path", "say where the file is: path = \"…\" or url = \"https://…\"");
                return None;
            }
        };
        match &place {
            Place::Sftp(_) => self.sftp_access(access),
            Place::Http(_) if access.user.is_some() != access.password.is_some() => {
                self.add("access", "user and password go together");
            }
            Place::Path(_) if access.user.is_some() || access.password.is_some() => {
                self.add("access", "a local file needs no credentials");
            }
            _ => {}
        }
        if !matches!(place, Place::Sftp(_)) && (access.private_key.is_some() || access.host_key.is_some()) {
            self.add("access", "private_key and host_key are for sftp:// addresses");
        }
        Some(place)
    }

    fn url(&mut self, text: &str) -> Option<Place> {
        // The text is never repeated: people write passwords in addresses.
        let Ok(url) = url::Url::parse(text) else {
            self.add("url", "this is not an address: write https://host/file.csv or sftp://host/folder/file.csv");
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.add("url", "credentials do not go into the address: write access.user and access.password");
            return None;
        }
        match url.scheme() {
            "http" | "https" => Some(Place::Http(url)),
            "sftp" if cfg!(feature = "sftp") => Some(Place::Sftp(url)),
            "sftp" => {
                self.add("url", "this build reads no SFTP: build with the feature `sftp`");
                None
            }
            _ => {
                self.add("url", "only http, https and sftp addresses are read");
                None
            }
        }
    }

    fn sftp_access(&mut self, access: &Access) {
        if access.user.is_none() {
            self.add("access.user", "SFTP needs the account's name");
        }
        if access.password.is_none() && access.private_key.is_none() {
            self.add("access.password", "SFTP needs a password or access.private_key");
        }
        if access.host_key.is_none() {
            self.add(
                "access.host_key",
                "pin the server's key, so that nobody can stand in for it: run `ssh-keyscan HOST` and copy what follows the host name",
            );
        }
    }

    fn globs(&mut self, path: &str, written: Option<Vec<String>>) -> Vec<GlobMatcher> {
        let patterns = written.unwrap_or_else(|| TEMP_PATTERNS.map(str::to_owned).to_vec());
        patterns.iter().filter_map(|pattern| self.glob(path, pattern)).collect()
    }

    fn glob(&mut self, path: &str, pattern: &str) -> Option<GlobMatcher> {
        match Glob::new(pattern) {
            Ok(glob) => Some(glob.compile_matcher()),
            Err(error) => {
                self.add(path, format!("this glob is not understood: {}", error.kind()));
                None
            }
        }
    }

    fn name_pattern(&mut self, text: &str) -> Option<NamePattern> {
        const PATH: &str = "file.match";
        let Some((before, rest)) = text.split_once("{date:") else {
            return Some(NamePattern { glob: self.glob(PATH, text)?, date: None });
        };
        let Some((format, after)) = rest.split_once('}') else {
            self.add(PATH, "{date: needs its closing }");
            return None;
        };
        let date = DatePattern::new(format);
        if date.is_none() {
            self.add(PATH, "a date is made of %Y, %m, %d, %H, %M and %S, each once, with %Y, %m and %d present");
        }
        Some(NamePattern { glob: self.glob(PATH, &format!("{before}*{after}"))?, date: Some(date?) })
    }

    fn settle(&mut self, seconds: Option<u32>) -> Duration {
        let seconds = seconds.unwrap_or(DEFAULT_SETTLE_SECONDS);
        if seconds > MAX_SETTLE_SECONDS {
            self.add("file.settle_seconds", format!("at most {MAX_SETTLE_SECONDS}"));
        }
        Duration::from_secs(u64::from(seconds))
    }

    fn marker(&mut self, marker: &str) -> bool {
        let good = !marker.is_empty() && !marker.contains(['/', '\\']);
        if !good {
            self.add("file.marker", "an ending such as \".ok\"");
        }
        good
    }

    fn duration(&mut self, path: &str, text: &str) -> Option<Duration> {
        let parsed = text.char_indices().last().and_then(|(at, unit)| {
            let seconds = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                _ => return None,
            };
            text[..at].trim().parse::<u32>().ok().map(|count| Duration::from_secs(u64::from(count) * seconds))
        });
        if parsed.is_none() {
            self.add(path, "a whole number and a unit: \"90m\", \"36h\", \"2d\"");
        }
        parsed
    }

    fn character(&mut self, path: &str, text: Option<&str>, none: &str, default: Option<u8>) -> Option<u8> {
        match text {
            None => default,
            Some(word) if word == none => None,
            Some("tab") => Some(b'\t'),
            Some(one) if one.len() == 1 && !matches!(one, "\n" | "\r" | "\0" | "\x1a") => Some(one.as_bytes()[0]),
            Some(_) => {
                self.add(path, format!("one ASCII character, \"tab\" or \"{none}\""));
                None
            }
        }
    }

    fn regex(&mut self, path: &str, text: &str) -> Option<Regex> {
        match regex::RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build() {
            Ok(regex) => Some(regex),
            Err(_) => {
                self.add(path, "this regular expression is not understood or too large");
                None
            }
        }
    }

    fn shop_width(&mut self, width: Option<u32>) -> usize {
        let width = width.unwrap_or(4);
        if width > 32 {
            self.add("file.shop_width", "at most 32 characters");
        }
        width as usize
    }

    fn ratio(&mut self, path: &str, ratio: Option<f64>) -> Option<f64> {
        if ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
            self.add(path, "a share between 0 and 1, for example 0.05");
        }
        ratio
    }

    fn prefixes(&mut self, prefixes: Vec<String>) -> Vec<String> {
        if prefixes.iter().any(|prefix| prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit())) {
            self.add("filters.ean_prefix_drop", "each prefix is one or more digits");
        }
        prefixes
    }

    fn filters(&mut self, path: &str, filters: Vec<crate::settings::Filter>) -> Vec<FilterRule> {
        let mut rules = Vec::with_capacity(filters.len());
        for (at, filter) in filters.into_iter().enumerate() {
            if filter.one_of.is_none() && filter.regex.is_none() {
                self.add(format!("{path}.{at}"), "write `in`, `regex`, or both");
            }
            rules.push(FilterRule {
                column: filter.column,
                one_of: filter.one_of.map(|values| values.iter().map(|value| value.trim().to_lowercase()).collect()),
                regex: filter.regex.as_deref().and_then(|text| self.regex(&format!("{path}.{at}.regex"), text)),
            });
        }
        rules
    }

    fn columns(&mut self, columns: crate::settings::Columns, format: Option<Format>) -> ColumnPlan {
        let all = [&columns.ean, &columns.quantity, &columns.price];
        if format == Some(Format::ArtAsc) && all.iter().any(|column| column.is_some()) {
            self.add("columns", "the art-asc layout fixes its columns: leave ean, quantity and price out");
        }
        let table = |column: &Option<Column>| column.as_ref().map(|column| column.0.clone()).unwrap_or_default();
        let (price, quantity) = (table(&columns.price), table(&columns.quantity));
        self.only_on("price", &columns, |one| one.unit.is_some(), "unit", &["price"]);
        self.only_on("decimal", &columns, |one| one.decimal.is_some(), "decimal", &["price", "quantity"]);
        self.only_on("op", &columns, |one| one.op.is_some(), "op", &["quantity"]);
        self.only_on("sum_of", &columns, |one| one.sum_of.is_some(), "sum_of", &["quantity"]);
        self.only_on("minus", &columns, |one| one.minus.is_some(), "minus", &["quantity"]);
        self.only_on("format", &columns, |one| one.format.is_some(), "format", &["updated"]);
        let plan = ColumnPlan {
            ean: self.wanted("columns.ean", columns.ean.as_ref(), format),
            quantity: self.quantity(columns.quantity.as_ref(), format),
            minus: quantity.minus.map(|name| Spot::Named(vec![name])),
            price: self.wanted("columns.price", columns.price.as_ref(), format),
            unit: price.unit.unwrap_or(PriceUnit::Euro),
            price_mark: price.decimal.unwrap_or_default(),
            quantity_mark: quantity.decimal.unwrap_or_default(),
            condition: self.wanted("columns.condition", columns.condition.as_ref(), format),
            shop: self.wanted("columns.shop", columns.shop.as_ref(), format),
            others: [("vat", &columns.vat), ("title", &columns.title), ("updated", &columns.updated)]
                .into_iter()
                .filter_map(|(role, column)| {
                    Some((role, self.wanted(&format!("columns.{role}"), column.as_ref(), format)?))
                })
                .collect(),
        };
        if format == Some(Format::Fixed) {
            for (role, missing) in
                [("ean", plan.ean.is_none()), ("quantity", plan.quantity.is_empty()), ("price", plan.price.is_none())]
            {
                if missing && !self.problems.iter().any(|one| one.path.starts_with(&format!("columns.{role}"))) {
                    self.add(format!("columns.{role}"), "a fixed layout needs { pos = …, len = … } here");
                }
            }
        }
        plan
    }

    fn only_on(
        &mut self,
        _kind: &str,
        columns: &crate::settings::Columns,
        has: fn(&ColumnTable) -> bool,
        key: &str,
        roles: &[&str],
    ) {
        let all = [
            ("ean", &columns.ean),
            ("quantity", &columns.quantity),
            ("price", &columns.price),
            ("vat", &columns.vat),
            ("condition", &columns.condition),
            ("title", &columns.title),
            ("shop", &columns.shop),
            ("updated", &columns.updated),
        ];
        for (role, column) in all {
            if !roles.contains(&role) && column.as_ref().is_some_and(|column| has(&column.0)) {
                self.add(
                    format!("columns.{role}.{key}"),
                    format!("{key} is for columns.{}", roles.join(" and columns.")),
                );
            }
        }
    }

    fn quantity(&mut self, column: Option<&Column>, format: Option<Format>) -> Vec<Wanted> {
        let Some(table) = column.map(|column| &column.0) else { return Vec::new() };
        let Some(names) = &table.sum_of else {
            return self.wanted("columns.quantity", column, format).into_iter().collect();
        };
        if names.is_empty() || table.name.is_some() || table.index.is_some() || table.pos.is_some() {
            self.add(
                "columns.quantity.sum_of",
                "sum_of names its columns by itself: at least one, and no name, index or pos",
            );
        }
        names.iter().map(|name| Wanted { spot: Spot::Named(vec![name.clone()]), optional: false }).collect()
    }

    fn wanted(&mut self, path: &str, column: Option<&Column>, format: Option<Format>) -> Option<Wanted> {
        let table = &column?.0;
        let spot = match (&table.name, table.index, table.pos, table.len) {
            (Some(Names::One(name)), None, None, None) if !name.trim().is_empty() => Spot::Named(vec![name.clone()]),
            (Some(Names::Several(names)), None, None, None) if !names.is_empty() => Spot::Named(names.clone()),
            (None, Some(index), None, None) => Spot::Index(index.get() as usize - 1),
            (None, None, Some(pos), Some(len)) => Spot::Span { pos: pos as usize, len: len.get() as usize },
            _ => {
                self.add(
                    path,
                    "write exactly one of: a name, { index = … } (from 1), or { pos = …, len = … } (from 0)",
                );
                return None;
            }
        };
        let spans = matches!(spot, Spot::Span { .. });
        if spans != matches!(format, Some(Format::Fixed | Format::ArtAsc)) {
            self.add(path, "{ pos, len } goes with file.format = \"fixed\", names and indexes with delimited files");
        }
        Some(Wanted { spot, optional: table.optional })
    }
}

impl DatePattern {
    fn new(format: &str) -> Option<Self> {
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
        Some(Self { finder: Regex::new(&pattern).ok().filter(|_| has_day)?, order })
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
                         "condition": { "name": "Etat", "optional": true }, "title": "Titre", "shop": { "index": 3 },
                         "updated": { "name": "Date maj", "format": "%d/%m/%Y %H:%M", "optional": true } },
            "filters": { "keep_if": [ { "column": "condition", "in": ["Neuf", "N", ""] } ],
                         "drop_if": [ { "column": "Rayon", "regex": "(?i)occasion|papeterie" } ],
                         "ean_prefix_drop": ["2", "02", "04", "000"], "shop_equals": "6505" },
            "values": { "quantity_map": { "oui": 1, "rupture": 0 }, "blank_quantity": "reject", "blank_price": "reject",
                        "duplicates": "sum", "negative": "zero", "keep_back": 0 },
            "limits": { "max_bad_ratio": 0.05, "max_shrink_ratio": 0.30, "min_rows": 50 }
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
