//! Lists, read to their end; and keys, asked for some at a time.
//!
//! Invariant: every list has a bound, and a list that goes beyond it is an error, never a shorter list.

use passerelle_contract::Class;
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::TIMEOUT;
use super::read::{Page, Row};
use crate::passculture::client::Client;
use crate::passculture::error::{Missing, NorthError};
use crate::passculture::transport::{Call, Resend};

/// Keys asked for in one call.
pub const MAX_KEYS_ASKED: usize = 100;

/// Bytes of the keys in one address: many servers read 4 KiB of a request's first line and no more.
const MAX_KEYS_BYTES: usize = 3_000;

/// pass Culture: at most 50 rows a page.
const PAGE: usize = 50;

/// A list, and who it belongs to.
pub(in crate::passculture) struct List<'a> {
    pub(in crate::passculture) operation: &'static str,
    pub(in crate::passculture) path: &'a str,
    pub(in crate::passculture) query: Vec<(&'static str, String)>,
    pub(in crate::passculture) missing: Missing,
    /// Rows at most.
    pub(in crate::passculture) bound: usize,
}

impl Client {
    /// Reads every page. pass Culture lists by ascending number and starts at the one it is told.
    ///
    /// # Errors
    /// `ListTooLong`, `ListStuck` (a full page that does not move on), or as any call.
    pub(in crate::passculture) async fn rows<T: DeserializeOwned + Row>(
        &self,
        list: &List<'_>,
    ) -> Result<Vec<T>, NorthError> {
        let mut all = Vec::new();
        let mut first = 1;
        while all.len() <= list.bound {
            let mut query = list.query.clone();
            query.extend([("firstIndex", first.to_string()), ("limit", PAGE.to_string())]);
            let page: Page<T> = self.read(list.operation, list.path, &query, list.missing).await?;
            let read = page.rows.len();
            let last = page.rows.iter().map(Row::id).max().unwrap_or_default();
            all.extend(page.rows);
            if read < PAGE && all.len() <= list.bound {
                return Ok(all);
            }
            if last < first {
                return Err(NorthError::new(
                    Class::VendorFault,
                    "ListStuck",
                    list.operation,
                    format!(
                        "the page from number {first} on ends at {last}, so that the list cannot be read to its end"
                    ),
                    "this should not happen: report it with the offer's number",
                ));
            }
            first = last.saturating_add(1);
        }
        Err(NorthError::new(
            Class::VendorFault,
            "ListTooLong",
            list.operation,
            format!("the list has more than {} rows", list.bound),
            "this should not happen: report it with the offer's number",
        ))
    }

    /// Reads one answer.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
        query: &[(&'static str, String)],
        missing: Missing,
    ) -> Result<T, NorthError> {
        let call = Call {
            operation,
            method: Method::GET,
            path,
            query,
            body: None,
            timeout: TIMEOUT,
            missing,
            resend: Resend::Freely,
        };
        self.ask(&call).await
    }
}

/// The keys as `idsAtProvider` takes them, so many a call as it takes.
///
/// # Errors
/// `UnaskableKey`: empty, or with a comma, which separates keys.
pub(super) fn questions(operation: &'static str, keys: &[String]) -> Result<Vec<String>, NorthError> {
    let mut questions = Vec::new();
    let (mut question, mut count, mut bytes) = (String::new(), 0, 0);
    for key in keys {
        if key.is_empty() || key.contains(',') {
            return Err(NorthError::new(
                Class::Data,
                "UnaskableKey",
                operation,
                "a key is empty or has a comma, so that pass Culture cannot be asked for it",
                "this is a fault of the gateway: report it",
            ));
        }
        let length = encoded_length(key) + 3;
        if count == MAX_KEYS_ASKED || (count > 0 && bytes + length > MAX_KEYS_BYTES) {
            questions.push(std::mem::take(&mut question));
            (count, bytes) = (0, 0);
        }
        if count > 0 {
            question.push(',');
        }
        question.push_str(key);
        count += 1;
        bytes += length;
    }
    if count > 0 {
        questions.push(question);
    }
    Ok(questions)
}

/// Bytes of a key in an address.
fn encoded_length(key: &str) -> usize {
    key.bytes().map(|byte| if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { 1 } else { 3 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asked_for_by_a_hundred_or_as_far_as_an_address_reaches() {
        let keys = |count: usize, length: usize| -> Vec<String> {
            (0..count).map(|number| format!("{number:0length$}")).collect()
        };
        let counts = |keys: &[String]| -> Vec<usize> {
            questions("test", keys).unwrap().iter().map(|question| question.split(',').count()).collect()
        };
        assert_eq!(counts(&keys(0, 4)), [0usize; 0]);
        assert_eq!(counts(&keys(100, 4)), [100]);
        assert_eq!(counts(&keys(205, 4)), [100, 100, 5]);
        assert_eq!(counts(&keys(100, 70)), [41, 41, 18]);
        assert_eq!(counts(&["é".repeat(3_000)]), [1]);
        assert_eq!(questions("test", &["a".into(), "b:c".into()]).unwrap(), ["a,b:c"]);
        for bad in ["", "a,b"] {
            assert_eq!(questions("test", &[bad.into()]).unwrap_err().code, "UnaskableKey");
        }
    }
}
