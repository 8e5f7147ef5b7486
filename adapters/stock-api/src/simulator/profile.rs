//! The oddities of real servers, one name each.

use serde::Deserialize;

/// How a shop's server behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each name is explained in the table of `describe`")]
pub enum Profile {
    #[default]
    Plain,
    Titelive,
    #[serde(rename = "fnac_2020")]
    Fnac2020,
    FnacEmpty,
    #[serde(rename = "praxiel_2020")]
    Praxiel2020,
    NoDelta,
    IgnoresAfter,
    NoTotal,
    UnstableOrder,
    #[serde(rename = "html_200")]
    Html200,
    Truncated,
    Flaky,
    DupRef,
    NullPrice,
    MissingRef,
    Negative,
    StringNumbers,
    IntRefs,
    HyphenRefs,
    Isbn10Refs,
    AllBadPage,
    ParisTime,
    Shrinking,
    Huge,
}

impl Profile {
    /// Every profile.
    pub const ALL: &[Self] = &[
        Self::Plain,
        Self::Titelive,
        Self::Fnac2020,
        Self::FnacEmpty,
        Self::Praxiel2020,
        Self::NoDelta,
        Self::IgnoresAfter,
        Self::NoTotal,
        Self::UnstableOrder,
        Self::Html200,
        Self::Truncated,
        Self::Flaky,
        Self::DupRef,
        Self::NullPrice,
        Self::MissingRef,
        Self::Negative,
        Self::StringNumbers,
        Self::IntRefs,
        Self::HyphenRefs,
        Self::Isbn10Refs,
        Self::AllBadPage,
        Self::ParisTime,
        Self::Shrinking,
        Self::Huge,
    ];

    /// The name, as in paths and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Titelive => "titelive",
            Self::Fnac2020 => "fnac_2020",
            Self::FnacEmpty => "fnac_empty",
            Self::Praxiel2020 => "praxiel_2020",
            Self::NoDelta => "no_delta",
            Self::IgnoresAfter => "ignores_after",
            Self::NoTotal => "no_total",
            Self::UnstableOrder => "unstable_order",
            Self::Html200 => "html_200",
            Self::Truncated => "truncated",
            Self::Flaky => "flaky",
            Self::DupRef => "dup_ref",
            Self::NullPrice => "null_price",
            Self::MissingRef => "missing_ref",
            Self::Negative => "negative",
            Self::StringNumbers => "string_numbers",
            Self::IntRefs => "int_refs",
            Self::HyphenRefs => "hyphen_refs",
            Self::Isbn10Refs => "isbn10_refs",
            Self::AllBadPage => "all_bad_page",
            Self::ParisTime => "paris_time",
            Self::Shrinking => "shrinking",
            Self::Huge => "huge",
        }
    }

    /// What the server does.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Plain => "euros with two decimals, by the contract",
            Self::Titelive => "whole cents, total \"null\", no offset, honours inStock=1, sends validUntil",
            Self::Fnac2020 => "capitalised keys, 204 at the end, a raw Basic token",
            Self::FnacEmpty => "200 with an empty body at the end",
            Self::Praxiel2020 => "prices below one euro as .95, slow",
            Self::NoDelta => "ignores modifiedSince",
            Self::IgnoresAfter => "the same page for ever",
            Self::NoTotal => "nothing but stocks",
            Self::UnstableOrder => "another order at every request",
            Self::Html200 => "a maintenance page with status 200",
            Self::Truncated => "a body that stops inside a number",
            Self::Flaky => "one request in ten fails, one in a hundred is reset",
            Self::DupRef => "references twice in a page",
            Self::NullPrice => "prices that are null",
            Self::MissingRef => "entries without ref",
            Self::Negative => "quantities below zero",
            Self::StringNumbers => "numbers as texts",
            Self::IntRefs => "references as numbers",
            Self::HyphenRefs => "references with hyphens",
            Self::Isbn10Refs => "ISBN-10 instead of EAN",
            Self::AllBadPage => "pages after the first without one usable entry",
            Self::ParisTime => "takes modifiedSince for Paris time",
            Self::Shrinking => "a full pass that has lost six references in ten",
            Self::Huge => "a million references",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_by_its_name() {
        for profile in Profile::ALL {
            assert_eq!(serde_json::from_value::<Profile>(profile.name().into()).ok(), Some(*profile));
        }
    }
}
