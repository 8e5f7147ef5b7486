//! The single checks behind [`crate::plan::Plan::check`]: each turns one setting into its typed form or notes a problem.
//!
//! Invariant: pure, goes on after a problem so that all of them are reported, and never repeats an address, which may
//! carry a password.

use std::time::Duration;

use globset::GlobMatcher;
use passerelle_contract::SettingProblem;
use passerelle_kit::money::PriceUnit;
use regex::Regex;

use crate::pattern;
use crate::plan::{ColumnPlan, DatePattern, FilterRule, NamePattern, Place, Spot, Wanted};
use crate::settings::{Access, Column, ColumnTable, Columns, Filter, Format, Names};

/// Seconds a file must have been left alone when the settings do not say.
const DEFAULT_SETTLE_SECONDS: u32 = 120;
/// Longest accepted `settle_seconds`: a day.
const MAX_SETTLE_SECONDS: u32 = 86_400;
/// Names that files have while they are written.
const TEMP_PATTERNS: [&str; 5] = [".*", "*.tmp", "*.part", "*.filepart", "~$*"];

/// Collects problems while it checks.
#[derive(Default)]
pub(crate) struct Check {
    pub problems: Vec<SettingProblem>,
}

impl Check {
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(SettingProblem { path: path.into(), message: message.into() });
    }

    pub(crate) fn place(&mut self, path: Option<String>, url: Option<String>, access: &Access) -> Option<Place> {
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

    pub(crate) fn url(&mut self, text: &str) -> Option<Place> {
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

    pub(crate) fn sftp_access(&mut self, access: &Access) {
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

    pub(crate) fn globs(&mut self, path: &str, written: Option<Vec<String>>) -> Vec<GlobMatcher> {
        let patterns = written.unwrap_or_else(|| TEMP_PATTERNS.map(str::to_owned).to_vec());
        patterns.iter().filter_map(|pattern| self.glob(path, pattern)).collect()
    }

    pub(crate) fn glob(&mut self, path: &str, text: &str) -> Option<GlobMatcher> {
        match pattern::glob(text) {
            Ok(glob) => Some(glob),
            Err(error) => {
                self.add(path, format!("this glob is not understood: {}", error.kind()));
                None
            }
        }
    }

    pub(crate) fn name_pattern(&mut self, text: &str) -> Option<NamePattern> {
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

    pub(crate) fn settle(&mut self, seconds: Option<u32>) -> Duration {
        let seconds = seconds.unwrap_or(DEFAULT_SETTLE_SECONDS);
        if seconds > MAX_SETTLE_SECONDS {
            self.add("file.settle_seconds", format!("at most {MAX_SETTLE_SECONDS}"));
        }
        Duration::from_secs(u64::from(seconds))
    }

    pub(crate) fn marker(&mut self, marker: &str) -> bool {
        let good = !marker.is_empty() && !marker.contains(['/', '\\']);
        if !good {
            self.add("file.marker", "an ending such as \".ok\"");
        }
        good
    }

    pub(crate) fn duration(&mut self, path: &str, text: &str) -> Option<Duration> {
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

    pub(crate) fn character(&mut self, path: &str, text: Option<&str>, none: &str, default: Option<u8>) -> Option<u8> {
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

    pub(crate) fn regex(&mut self, path: &str, text: &str) -> Option<Regex> {
        match pattern::regex(text) {
            Ok(regex) => Some(regex),
            Err(_) => {
                self.add(path, "this regular expression is not understood or too large");
                None
            }
        }
    }

    pub(crate) fn shop_width(&mut self, width: Option<u32>) -> usize {
        let width = width.unwrap_or(4);
        if width > 32 {
            self.add("file.shop_width", "at most 32 characters");
        }
        width as usize
    }

    pub(crate) fn ratio(&mut self, path: &str, ratio: Option<f64>) -> Option<f64> {
        if ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
            self.add(path, "a share between 0 and 1, for example 0.05");
        }
        ratio
    }

    pub(crate) fn prefixes(&mut self, prefixes: Vec<String>) -> Vec<String> {
        if prefixes.iter().any(|prefix| prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit())) {
            self.add("filters.ean_prefix_drop", "each prefix is one or more digits");
        }
        prefixes
    }

    pub(crate) fn filters(&mut self, path: &str, filters: Vec<Filter>) -> Vec<FilterRule> {
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

    pub(crate) fn columns(&mut self, columns: Columns, format: Option<Format>) -> ColumnPlan {
        let all = [&columns.ean, &columns.quantity, &columns.price];
        if format == Some(Format::ArtAsc) && all.iter().any(|column| column.is_some()) {
            self.add("columns", "the art-asc layout fixes its columns: leave ean, quantity and price out");
        }
        let table = |column: &Option<Column>| column.as_ref().map(|column| column.0.clone()).unwrap_or_default();
        let (price, quantity) = (table(&columns.price), table(&columns.quantity));
        self.only_on(&columns, |one| one.unit.is_some(), "unit", &["price"]);
        self.only_on(&columns, |one| one.decimal.is_some(), "decimal", &["price", "quantity"]);
        self.only_on(&columns, |one| one.op.is_some(), "op", &["quantity"]);
        self.only_on(&columns, |one| one.sum_of.is_some(), "sum_of", &["quantity"]);
        self.only_on(&columns, |one| one.minus.is_some(), "minus", &["quantity"]);
        self.only_on(&columns, |one| one.format.is_some(), "format", &["updated"]);
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
            currency: self.wanted("columns.currency", columns.currency.as_ref(), format),
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

    pub(crate) fn only_on(&mut self, columns: &Columns, has: fn(&ColumnTable) -> bool, key: &str, roles: &[&str]) {
        let all = [
            ("ean", &columns.ean),
            ("quantity", &columns.quantity),
            ("price", &columns.price),
            ("vat", &columns.vat),
            ("condition", &columns.condition),
            ("title", &columns.title),
            ("shop", &columns.shop),
            ("currency", &columns.currency),
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

    pub(crate) fn quantity(&mut self, column: Option<&Column>, format: Option<Format>) -> Vec<Wanted> {
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

    pub(crate) fn wanted(&mut self, path: &str, column: Option<&Column>, format: Option<Format>) -> Option<Wanted> {
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
