//! The vendor's own shapes, read leniently: whatever holds other things is read apart, so that one odd film or showtime never
//! loses the others.

use passerelle_kit::lenient::{Int, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The name of the query, at the root of its answer.
pub(crate) const ROOT: &str = "movieShowtimeList";

/// Why an answer is no listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoListing {
    /// Nothing that was promised.
    Malformed,
    /// Errors instead of data.
    Failed,
    /// A null where the theater should be.
    NoTheater,
}

/// A programme: one edge for each film.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    pub(crate) edges: Vec<&'a RawValue>,
    /// The graph also reported errors: something may be missing.
    pub(crate) with_errors: bool,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "movieShowtimeList")]
    root: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Connection<'a> {
    #[serde(borrow)]
    edges: Vec<&'a RawValue>,
}

impl<'a> Listing<'a> {
    /// Reads an answer, with or without the envelope that GraphQL usually has.
    pub(crate) fn read(text: &'a str) -> Result<Self, NoListing> {
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|_| NoListing::Malformed)?;
        let with_errors = envelope.errors.is_some_and(|errors| !matches!(errors.get().trim(), "null" | "[]" | "{}"));
        let inner = match (envelope.root, envelope.data) {
            (None, Some(data)) => part::<Envelope<'a>>(Some(data)).and_then(|inner| inner.root),
            (root, _) => root,
        };
        match inner.map(RawValue::get) {
            None | Some("null") if with_errors => Err(NoListing::Failed),
            // Serde reads a null as absent: look for the word.
            None if names_the_root(text) => Err(NoListing::NoTheater),
            None => Err(NoListing::Malformed),
            Some(root) => {
                let connection: Connection<'a> = serde_json::from_str(root).map_err(|_| NoListing::Malformed)?;
                Ok(Self { edges: connection.edges, with_errors })
            }
        }
    }
}

/// Is the root there, as a null?
fn names_the_root(text: &str) -> bool {
    let value: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text).ok();
    value.is_some_and(|map| {
        let inner = map.get("data").and_then(serde_json::Value::as_object);
        map.contains_key(ROOT) || inner.is_some_and(|inner| inner.contains_key(ROOT))
    })
}

/// A part that is read apart: what cannot be read is absent.
pub(crate) fn part<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// One film with its showtimes.
#[derive(Deserialize)]
pub(crate) struct Edge<'a> {
    #[serde(borrow)]
    pub(crate) node: Option<&'a RawValue>,
}

/// What an edge leads to.
#[derive(Deserialize)]
pub(crate) struct Node<'a> {
    #[serde(borrow)]
    pub(crate) movie: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) showtimes: Option<&'a RawValue>,
}

/// A film.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Movie<'a> {
    #[serde(default)]
    pub(crate) internal_id: Int,
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) runtime: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) synopsis: Text<'a>,
    #[serde(borrow)]
    pub(crate) backlink: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) poster: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) releases: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) credits: Option<&'a RawValue>,
}

/// An address, with its text where it is shown.
#[derive(Deserialize)]
pub(crate) struct Link<'a> {
    #[serde(borrow, default)]
    pub(crate) url: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) label: Text<'a>,
}

/// A release in cinemas. `data` is an empty list where the vendor knows nothing.
#[derive(Deserialize)]
pub(crate) struct Release<'a> {
    #[serde(borrow)]
    pub(crate) data: Option<&'a RawValue>,
}

/// What is known of a release.
#[derive(Deserialize)]
pub(crate) struct ReleaseData {
    #[serde(default)]
    pub(crate) visa_number: Int,
}

/// Who made a film.
#[derive(Deserialize)]
pub(crate) struct Credits<'a> {
    #[serde(borrow, default)]
    pub(crate) edges: Vec<&'a RawValue>,
}

/// Somebody in the credits.
#[derive(Deserialize)]
pub(crate) struct Credit<'a> {
    #[serde(borrow)]
    pub(crate) person: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) position: Option<&'a RawValue>,
}

/// A person.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Person<'a> {
    #[serde(borrow, default)]
    pub(crate) first_name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) last_name: Text<'a>,
}

/// What somebody did.
#[derive(Deserialize)]
pub(crate) struct Named<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
}

/// A showtime. It has no number of its own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Showtime<'a> {
    #[serde(borrow, default)]
    pub(crate) starts_at: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) diffusion_version: Text<'a>,
    #[serde(borrow)]
    pub(crate) projection: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) experience: Option<&'a RawValue>,
}
