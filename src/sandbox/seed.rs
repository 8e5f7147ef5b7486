//! What the sandbox starts with: accounts, venues, the product base, beneficiaries.
//!
//! Invariant: a seed that was accepted is coherent — keys, ids and EANs are unique and well formed, and every
//! account a venue names exists — so nothing later has to check again.

use std::collections::HashSet;

use serde::Deserialize;

use super::generation::Generation;

/// Largest number of products in a seed.
pub(crate) const MAX_PRODUCTS: usize = 5_000_000;
/// Largest number of accounts, venues or beneficiaries in a seed.
pub(crate) const MAX_ENTRIES: usize = 100_000;

/// The starting state of a sandbox. See the module's documentation for the file's form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// Provider accounts, each with its API key.
    pub accounts: Vec<SeedAccount>,
    /// Venues, linked to every account unless they say otherwise.
    #[serde(default)]
    pub venues: Vec<SeedVenue>,
    /// The product base.
    #[serde(default)]
    pub products: Vec<SeedProduct>,
    /// People who can book.
    #[serde(default)]
    pub beneficiaries: Vec<SeedBeneficiary>,
    /// The version of pass Culture to play; the newest when absent.
    #[serde(default)]
    pub generation: Option<Generation>,
}

/// A provider account.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedAccount {
    /// Unique name; shown as the provider's name.
    pub name: String,
    /// What `Authorization: Bearer …` must carry.
    pub api_key: String,
    /// Signs the messages; without it no message is sent.
    #[serde(default)]
    pub hmac_key: String,
}

impl std::fmt::Debug for SeedAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeedAccount").field("name", &self.name).field("keys", &"***").finish()
    }
}

/// A venue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedVenue {
    /// pass Culture's id of the venue, above 0.
    pub id: u32,
    /// 14 digits, or `NC` + 10 digits + `XX`; none for a virtual venue, which cannot receive products.
    #[serde(default)]
    pub siret: Option<String>,
    /// Legal and public name.
    pub name: String,
    /// Five digits; gives the department.
    #[serde(default)]
    pub postal_code: Option<String>,
    /// `activityDomain` of the API, for example `BOOKSTORE`.
    #[serde(default = "bookstore")]
    pub activity: String,
    /// Street, when known.
    #[serde(default)]
    pub street: Option<String>,
    /// Town, when known.
    #[serde(default)]
    pub city: Option<String>,
    /// Names of the accounts linked to it; all of them when absent.
    #[serde(default)]
    pub accounts: Option<Vec<String>>,
}

fn bookstore() -> String {
    "BOOKSTORE".to_owned()
}

/// A product of pass Culture's product base.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedProduct {
    /// Thirteen digits; the check digit is not looked at, as in the real base.
    pub ean: String,
    /// Title; the marker `xxx` means "not released".
    #[serde(default)]
    pub name: Option<String>,
    /// Category id, `LIVRE_PAPIER` when absent.
    #[serde(default = "paper_book")]
    pub category: String,
    /// Whether it may be sold.
    #[serde(default)]
    pub status: ProductStatus,
}

fn paper_book() -> String {
    "LIVRE_PAPIER".to_owned()
}

/// pass Culture's verdict on a product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProductStatus {
    /// May be sold.
    #[default]
    Compatible,
    /// Excluded by an automatic rule; may become compatible later.
    ProviderIncompatible,
    /// Banned by hand.
    FraudIncompatible,
}

/// A person who can book.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedBeneficiary {
    /// Unique e-mail.
    pub email: String,
    /// First name.
    #[serde(default)]
    pub first_name: String,
    /// Last name.
    #[serde(default)]
    pub last_name: String,
    /// `YYYY-MM-DD`.
    #[serde(default = "adult")]
    pub birth_date: String,
    /// E.164, or absent.
    #[serde(default)]
    pub phone: Option<String>,
    /// Postal code, or absent.
    #[serde(default)]
    pub postal_code: Option<String>,
    /// Credit in cents.
    #[serde(default = "three_hundred_euros")]
    pub credit_cents: u32,
}

fn adult() -> String {
    "2008-01-01".to_owned()
}

fn three_hundred_euros() -> u32 {
    30_000
}

impl std::fmt::Debug for SeedBeneficiary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeedBeneficiary(***)")
    }
}

/// Why a seed was refused: one sentence, with the place.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("the seed cannot be used at {at}: {problem}")]
pub struct SeedError {
    /// Path of the field, with line and column when the text itself is wrong.
    pub at: String,
    /// What is wrong.
    pub problem: String,
}

impl SeedError {
    fn new(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { at: at.into(), problem: problem.into() }
    }
}

impl Seed {
    /// A small world: one account, two bookshops, five products, one beneficiary.
    #[must_use]
    pub fn built_in() -> Self {
        let product = |ean: &str, name: &str, category: &str, status| SeedProduct {
            ean: ean.to_owned(),
            name: Some(name.to_owned()),
            category: category.to_owned(),
            status,
        };
        let venue = |id, siret: &str, name: &str, postal_code: &str, city: &str| SeedVenue {
            id,
            siret: Some(siret.to_owned()),
            name: name.to_owned(),
            postal_code: Some(postal_code.to_owned()),
            activity: bookstore(),
            street: Some("1 quai de l'Exemple".to_owned()),
            city: Some(city.to_owned()),
            accounts: None,
        };
        Self {
            accounts: vec![SeedAccount {
                name: "default".to_owned(),
                api_key: "sandbox-api-key".to_owned(),
                hmac_key: "sandbox-hmac-key".to_owned(),
            }],
            venues: vec![
                venue(1, "12345678200010", "Librairie du Port", "44000", "Nantes"),
                venue(2, "12345678200028", "Librairie de la Gare", "97400", "Saint-Denis"),
            ],
            products: vec![
                product("9782070286256", "Un livre de poche", "LIVRE_PAPIER", ProductStatus::Compatible),
                product("9782330133306", "Un roman", "LIVRE_PAPIER", ProductStatus::Compatible),
                product("0602435931975", "Un vinyle", "SUPPORT_PHYSIQUE_MUSIQUE_VINYLE", ProductStatus::Compatible),
                product("9782075155847", "Un manuel scolaire", "LIVRE_PAPIER", ProductStatus::ProviderIncompatible),
                product("3700551782888", "Un film", "SUPPORT_PHYSIQUE_FILM", ProductStatus::Compatible),
            ],
            beneficiaries: vec![SeedBeneficiary {
                email: "beneficiaire@example.com".to_owned(),
                first_name: "Prénom".to_owned(),
                last_name: "Exemple".to_owned(),
                birth_date: adult(),
                phone: Some("+33600000000".to_owned()),
                postal_code: Some("44000".to_owned()),
                credit_cents: three_hundred_euros(),
            }],
            generation: None,
        }
    }

    /// Reads and checks a seed file's text.
    ///
    /// # Errors
    /// The first thing wrong, with line and column for the JSON itself, else with the field's path.
    pub fn from_json(text: &str) -> Result<Self, SeedError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let seed: Self = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            let place = format!("line {}, column {}", inner.line(), inner.column());
            let problem = inner.to_string();
            let problem = problem.split(" at line ").next().unwrap_or(&problem).to_owned();
            // A text that ends too soon leaves an unknown step at the end of the path.
            let path = path.trim_end_matches('?').trim_end_matches('.');
            SeedError::new(if path.is_empty() { place } else { format!("`{path}` ({place})") }, problem)
        })?;
        reader.end().map_err(|error| {
            SeedError::new(
                format!("line {}, column {}", error.line(), error.column()),
                "there is more text after the JSON object",
            )
        })?;
        seed.check()?;
        Ok(seed)
    }

    /// Checks what types alone cannot: shapes, uniqueness, references.
    ///
    /// # Errors
    /// The first thing wrong, with the field's path.
    pub fn check(&self) -> Result<(), SeedError> {
        for (name, count, most) in [
            ("accounts", self.accounts.len(), MAX_ENTRIES),
            ("venues", self.venues.len(), MAX_ENTRIES),
            ("products", self.products.len(), MAX_PRODUCTS),
            ("beneficiaries", self.beneficiaries.len(), MAX_ENTRIES),
        ] {
            if count > most {
                return Err(SeedError::new(format!("`{name}`"), format!("{count} entries, at most {most} are taken")));
            }
        }
        self.check_accounts()?;
        self.check_venues()?;
        let mut eans = HashSet::with_capacity(self.products.len());
        for (index, product) in self.products.iter().enumerate() {
            let at = || format!("`products[{index}].ean`");
            let ean = ean_number(&product.ean).ok_or_else(|| SeedError::new(at(), "an EAN is 13 digits"))?;
            if !eans.insert(ean) {
                return Err(SeedError::new(at(), format!("EAN {} is there twice", product.ean)));
            }
        }
        let mut emails = HashSet::new();
        for (index, person) in self.beneficiaries.iter().enumerate() {
            if !emails.insert(&person.email) {
                return Err(SeedError::new(format!("`beneficiaries[{index}].email`"), "this e-mail is there twice"));
            }
            if person.birth_date.parse::<jiff::civil::Date>().is_err() {
                let at = format!("`beneficiaries[{index}].birth_date`");
                return Err(SeedError::new(at, "a date is written YYYY-MM-DD"));
            }
        }
        Ok(())
    }

    fn check_accounts(&self) -> Result<(), SeedError> {
        if self.accounts.is_empty() {
            return Err(SeedError::new("`accounts`", "at least one account is needed"));
        }
        let mut names = HashSet::new();
        let mut keys = HashSet::new();
        for (index, account) in self.accounts.iter().enumerate() {
            if account.api_key.is_empty() {
                return Err(SeedError::new(format!("`accounts[{index}].api_key`"), "the key must not be empty"));
            }
            if !names.insert(&account.name) {
                return Err(SeedError::new(format!("`accounts[{index}].name`"), "this name is there twice"));
            }
            if !keys.insert(&account.api_key) {
                return Err(SeedError::new(format!("`accounts[{index}].api_key`"), "this key is there twice"));
            }
        }
        Ok(())
    }

    fn check_venues(&self) -> Result<(), SeedError> {
        let mut ids = HashSet::new();
        let mut sirets = HashSet::new();
        for (index, venue) in self.venues.iter().enumerate() {
            if venue.id == 0 || !ids.insert(venue.id) {
                return Err(SeedError::new(
                    format!("`venues[{index}].id`"),
                    "a venue's id is above 0 and there only once",
                ));
            }
            if let Some(siret) = &venue.siret {
                let at = || format!("`venues[{index}].siret`");
                if !is_siret(siret) {
                    return Err(SeedError::new(at(), "a SIRET is 14 digits (or NC, 10 digits, XX)"));
                }
                if !sirets.insert(siret) {
                    return Err(SeedError::new(at(), "this SIRET is there twice"));
                }
            }
            for name in venue.accounts.iter().flatten() {
                if !self.accounts.iter().any(|a| a.name == *name) {
                    let at = format!("`venues[{index}].accounts`");
                    return Err(SeedError::new(at, format!("there is no account named {name:?}")));
                }
            }
        }
        Ok(())
    }
}

/// `^(\d{14}|NC\d{10}XX)$`, the backend's own shape test.
pub(crate) fn is_siret(text: &str) -> bool {
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    let caledonian = text.strip_prefix("NC").and_then(|rest| rest.strip_suffix("XX"));
    digits(text, 14) || caledonian.is_some_and(|middle| digits(middle, 10))
}

/// Thirteen digits as a number.
pub(crate) fn ean_number(text: &str) -> Option<u64> {
    if text.len() != 13 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_seed_is_coherent() {
        Seed::built_in().check().unwrap();
    }

    #[test]
    fn a_bad_seed_gives_one_error_with_its_position() {
        let account = r#"{"name":"a","api_key":"k","hmac_key":"h"}"#;
        let cases = [
            ("{", "line 1, column 1"),
            (r#"{"accounts":[]}"#, "`accounts`"),
            (r#"{"accounts":[{"name":"a"}]}"#, "`accounts[0]` (line 1, column 25)"),
            (r#"{"accounts":[{"name":"a","api_key":"k","colour":1}]}"#, "`accounts[0].colour` (line 1, column 47)"),
            (&format!("{{\"accounts\":[{account}]}} x"), "line 1, column 58"),
            (
                &format!("{{\"accounts\":[{account}],\"venues\":[{{\"id\":1,\"siret\":\"12\",\"name\":\"x\"}}]}}"),
                "`venues[0].siret`",
            ),
            (&format!("{{\"accounts\":[{account}],\"products\":[{{\"ean\":\"97820702862\"}}]}}"), "`products[0].ean`"),
        ];
        for (text, at) in cases {
            let error = Seed::from_json(text).unwrap_err();
            assert_eq!(error.at, at, "{text}: {error}");
        }
    }

    #[test]
    fn neither_keys_nor_people_show_in_debug() {
        let shown = format!("{:?}", Seed::built_in());
        for secret in ["sandbox-api-key", "sandbox-hmac-key", "beneficiaire@example.com", "+336"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
