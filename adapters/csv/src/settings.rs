//! `[connection.settings]` as people write it: `path` or `url`, then the tables `file`, `columns`, `filters`, `values`,
//! `limits` and `access`.
//!
//! Shapes only; [`crate::plan`] checks what they mean. Invariant: unknown keys are refused, every key has a sentence in
//! the schema, and no secret is ever held here.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;

use passerelle_contract::Duplicates;
use passerelle_kit::money::{DecimalMark, PriceUnit};
use passerelle_kit::secret::SecretRef;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// Settings of a stock file.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The file, or the folder where `file.match` picks one. Relative to the configuration's folder. Either `path` or `url`.
    pub path: Option<String>,
    /// Where the file is fetched: `https://…`, `http://…` or `sftp://host/folder/file`. Either `path` or `url`.
    pub url: Option<String>,
    /// Credentials of the `url`.
    #[serde(default)]
    pub access: Access,
    /// How the file is written.
    #[serde(default)]
    pub file: FileTable,
    /// Which column says what. A text is a column's name.
    #[serde(default)]
    pub columns: Columns,
    /// Rows that are left out.
    #[serde(default)]
    pub filters: Filters,
    /// What odd values mean.
    #[serde(default)]
    pub values: Values,
    /// When a file is not trusted.
    #[serde(default)]
    pub limits: LimitsTable,
}

/// Credentials of the `url`.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Access {
    /// User name: HTTP Basic, or the SFTP account.
    pub user: Option<String>,
    /// Its password: `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub password: Option<SecretRef>,
    /// SFTP: private key in OpenSSH format, without passphrase (RSA keys are not supported).
    pub private_key: Option<SecretRef>,
    /// SFTP: the server's key as `ssh-keyscan` prints it after the host (`ssh-ed25519 AAAA…`), or its `SHA256:…` fingerprint.
    pub host_key: Option<String>,
}

/// How the file is written.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FileTable {
    /// Glob on the base name when `path` is a folder; `{date:%Y%m%d}` stands for a date that orders the files.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// Base names that are still being written. Default: `.*`, `*.tmp`, `*.part`, `*.filepart`, `~$*`.
    pub temp_patterns: Option<Vec<String>>,
    /// `delimited`, `fixed` (columns by `pos` and `len`) or `art-asc` (the 31-character stock file). Default: detected.
    pub format: Option<Format>,
    /// One ASCII character, `tab`, or `auto` (default).
    pub delimiter: Option<String>,
    /// One ASCII character (default `"`), or `none`.
    pub quote: Option<String>,
    /// Default: `auto` (byte order mark, else UTF-8 where valid, else Windows-1252).
    pub encoding: Option<EncodingName>,
    /// `first`, `none`, `{ line = 4 }` or `{ contains = ["EAN", "Stock"] }`. Default: detected.
    pub header: Option<Header>,
    /// Physical lines to skip at the top.
    pub skip_lines: u32,
    /// Regular expression on the raw line: reading stops at the first data line that matches (footers).
    pub stop_at: Option<String>,
    /// Lines that start with this are comments.
    pub comment: Option<String>,
    /// Is the file the whole stock (`full`, default), only what changed (`delta`), or does its name say (`by_name`)?
    pub mode: Mode,
    /// For `mode = "by_name"`: the first glob that matches the base name decides; none matching means `full`.
    pub mode_by_name: Vec<ModeByName>,
    /// A file older than this is reported as stale: `36h`, `2d`, `90m`. Default: three times the usual interval between exports, three
    /// days at least.
    pub max_age: Option<String>,
    /// For `mode = "delta"` or `"by_name"` on a folder: everything there is read again this often (`7d`). Default: never.
    pub full_every: Option<String>,
    /// A file is read once it has been left alone for this many seconds. Default 120; 0 reads at once.
    pub settle_seconds: Option<u32>,
    /// A file is read once a file with this ending stands beside it (`.ok`), instead of `settle_seconds`.
    pub marker: Option<String>,
    /// Workbooks: the sheet to read, by its name. Default: the only visible one that holds anything.
    pub sheet: Option<String>,
    /// `art-asc`: characters of the shop number (default 4).
    pub shop_width: Option<u32>,
}

/// The layout of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Fields between delimiters.
    Delimited,
    /// Fields at fixed places of a line.
    Fixed,
    /// Shop, EAN, quantity, price in cents: 31 characters.
    ArtAsc,
}

/// How letters are coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EncodingName {
    /// Byte order mark, else UTF-8 where valid, else Windows-1252.
    #[default]
    Auto,
    /// UTF-8.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-1252 (also read for ISO-8859-1).
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// ISO-8859-15.
    #[serde(rename = "iso-8859-15")]
    Iso8859_15,
    /// Old DOS tills.
    #[serde(rename = "cp850")]
    Cp850,
    /// Old Macintosh programs.
    #[serde(rename = "macintosh")]
    Macintosh,
    /// A spreadsheet's "Unicode text".
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// The same, the other way round.
    #[serde(rename = "utf-16be")]
    Utf16Be,
}

/// What an absent reference means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// It is gone.
    #[default]
    Full,
    /// It is unchanged.
    Delta,
    /// The file's name says.
    ByName,
}

/// What a file's name says of it.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModeByName {
    /// Glob on the base name.
    pub glob: String,
    /// What such a file is.
    pub mode: NamedMode,
}

/// What a named file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NamedMode {
    /// The whole stock.
    Full,
    /// What changed.
    Delta,
    /// References that are gone.
    Delete,
}

/// Where the header stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// There is none.
    None,
    /// The first line that is not blank.
    First,
    /// This physical line, from 1.
    Line(u32),
    /// The first line that holds all these names.
    Contains(Vec<String>),
}

/// The table form of [`Header`].
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HeaderTable {
    /// Physical line, from 1.
    line: Option<NonZeroU32>,
    /// Names that the header holds.
    contains: Option<Vec<String>>,
}

/// The columns, by what they say.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Columns {
    /// The reference.
    pub ean: Option<Column>,
    /// Copies for sale. `sum_of` adds other columns, `minus` takes one away.
    pub quantity: Option<Column>,
    /// The shop's price, VAT included.
    pub price: Option<Column>,
    /// Currency of the price; other prices than those in euros are refused. Default: a column named `Devise`, `Monnaie` or
    /// `Currency`.
    pub currency: Option<Column>,
    /// VAT rate; only for filters.
    pub vat: Option<Column>,
    /// New or used; used copies are left out.
    pub condition: Option<Column>,
    /// Title; only for filters.
    pub title: Option<Column>,
    /// The shop's number, for `filters.shop_equals`.
    pub shop: Option<Column>,
    /// Date of change; only for filters.
    pub updated: Option<Column>,
}

/// One column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column(pub ColumnTable);

/// A column as a table.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ColumnTable {
    /// Its name, or several: the first one present wins. Case, accents and punctuation do not matter.
    pub name: Option<Names>,
    /// Its number, from 1.
    pub index: Option<NonZeroU32>,
    /// Fixed layouts: its first character, from 0.
    pub pos: Option<u32>,
    /// Fixed layouts: how many characters.
    pub len: Option<NonZeroU32>,
    /// The file may lack it.
    pub optional: bool,
    /// Price only: `euro` (default), `cent` or `millieuro`.
    pub unit: Option<PriceUnit>,
    /// Price and quantity: `auto` (default), `comma` or `point`.
    pub decimal: Option<DecimalMark>,
    /// Quantity only: `as_is`, the only value.
    pub op: Option<QuantityOp>,
    /// Quantity only: the quantity is the sum of these columns.
    pub sum_of: Option<Vec<String>>,
    /// Quantity only: this column (reserved copies) is taken away.
    pub minus: Option<String>,
    /// `updated` only: how its date is written.
    pub format: Option<String>,
}

/// What is done with the quantity column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QuantityOp {
    /// Taken as written.
    AsIs,
}

/// One name or several.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Names {
    /// One.
    One(String),
    /// The first one present wins.
    Several(Vec<String>),
}

/// Rows that are left out.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Filters {
    /// A row is kept only when all of these hold.
    pub keep_if: Vec<Filter>,
    /// A row is left out when one of these holds.
    pub drop_if: Vec<Filter>,
    /// References that start so are left out.
    pub ean_prefix_drop: Vec<String>,
    /// Rows of another shop are left out.
    pub shop_equals: Option<String>,
}

/// A condition on one column: `in`, `regex`, or both.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// `condition`, `title`, … as in `columns`, or a column's own name.
    pub column: String,
    /// Holds when the value is one of these (case and blanks around do not matter).
    #[serde(rename = "in")]
    pub one_of: Option<Vec<String>>,
    /// Holds when the value matches.
    pub regex: Option<String>,
}

/// What odd values mean.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Values {
    /// Words that stand for a quantity: `{ "oui" = 1, "rupture" = 0 }`.
    pub quantity_map: BTreeMap<String, u32>,
    /// A blank quantity: `reject` (default), `zero` or `one`.
    pub blank_quantity: BlankQuantity,
    /// A blank price: `reject`, the only value here.
    pub blank_price: BlankPrice,
    /// Several rows of one reference: `sum` (default), `last`, `max` or `first`.
    pub duplicates: DuplicateRule,
    /// A quantity below zero: `zero` (default, noted) or `reject`.
    pub negative: Negative,
    /// Copies of every reference that stay with the shop.
    pub keep_back: u32,
    /// What stands behind a book's EAN (`9782…-01`): `reject` (default), `ignore` (a copy's number) or `used` (marks used copies).
    pub reference_suffix: ReferenceSuffix,
}

/// What a blank quantity means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlankQuantity {
    /// The row is refused.
    #[default]
    Reject,
    /// No copy.
    Zero,
    /// One copy.
    One,
}

/// What a blank price means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlankPrice {
    /// The row is refused.
    #[default]
    Reject,
    /// Known so that it can be refused with a sentence.
    Catalogue,
}

/// Several rows of one reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DuplicateRule {
    /// Quantities add up, the highest price stays.
    #[default]
    Sum,
    /// The later row stays.
    Last,
    /// The highest quantity stays.
    Max,
    /// The earlier row stays.
    First,
}

impl From<DuplicateRule> for Duplicates {
    fn from(rule: DuplicateRule) -> Self {
        match rule {
            DuplicateRule::Sum => Self::Sum,
            DuplicateRule::Last => Self::Last,
            DuplicateRule::Max => Self::Max,
            DuplicateRule::First => Self::First,
        }
    }
}

/// A quantity below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Negative {
    /// Becomes zero, with a note.
    #[default]
    Zero,
    /// The row is refused.
    Reject,
}

/// What stands behind a book's EAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReferenceSuffix {
    /// The row is refused.
    #[default]
    Reject,
    /// It tells copies of one book apart.
    Ignore,
    /// It marks used copies, which are left out.
    Used,
}

/// When a file is not trusted.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsTable {
    /// Share of unreadable rows (0 to 1) above which nothing is withdrawn. Default 0.05.
    pub max_bad_ratio: Option<f64>,
    /// Share of live offers (0 to 1) that a file may withdraw unasked. Default: the gateway's own.
    pub max_shrink_ratio: Option<f64>,
    /// A file with fewer good rows is held. Default: no minimum.
    pub min_rows: Option<u64>,
    /// Prices below this many cents are placeholders: their rows stay behind, and their quantities are heard. Default 50.
    pub min_price_cents: Option<u32>,
}

/// Reads a text or a table, keeping the path of what is wrong inside the table.
struct TextOrTable<T, F>(F, &'static str, PhantomData<T>);

impl<'de, T: Deserialize<'de>, F: FnOnce(&str) -> Option<T>> Visitor<'de> for TextOrTable<T, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        let expected = self.1;
        (self.0)(text).ok_or_else(|| E::custom(format!("expected {expected}")))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named =
            |name: &str| Some(ColumnTable { name: Some(Names::One(name.to_owned())), ..ColumnTable::default() });
        let expected = "a column's name, { name = … }, { index = … } or { pos = …, len = … }";
        deserializer.deserialize_any(TextOrTable(named, expected, PhantomData)).map(Self)
    }
}

impl JsonSchema for Column {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Column".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ColumnTable>();
        schemars::json_schema!({ "anyOf": [{ "type": "string", "description": "The column's name." }, table] })
    }
}

impl<'de> Deserialize<'de> for HeaderOrTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = HeaderTable::deserialize(deserializer)?;
        match (table.line, table.contains) {
            (Some(line), None) => Ok(Self(Header::Line(line.get()))),
            (None, Some(names)) if !names.is_empty() => Ok(Self(Header::Contains(names))),
            _ => Err(de::Error::custom("write either { line = … } or { contains = [\"…\"] }")),
        }
    }
}

/// Only to read the table form through [`TextOrTable`].
struct HeaderOrTable(Header);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = |text: &str| match text {
            "none" => Some(HeaderOrTable(Self::None)),
            "first" => Some(HeaderOrTable(Self::First)),
            _ => None,
        };
        let expected = "\"first\", \"none\", { line = … } or { contains = [\"…\"] }";
        deserializer.deserialize_any(TextOrTable(word, expected, PhantomData)).map(|read| read.0)
    }
}

impl JsonSchema for Header {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Header".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<HeaderTable>();
        schemars::json_schema!({ "anyOf": [{ "type": "string", "enum": ["first", "none"] }, table] })
    }
}
