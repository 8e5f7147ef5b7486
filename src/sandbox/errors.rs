//! Answers, and the words of the two validators that live side by side in the real backend.
//!
//! Events speak the old one's (`field required`), bookings, addresses and providers the new one's (`Field required`),
//! products the one of their [generation](super::generation). Business errors are plain strings or lists, as each
//! route has them.
//!
//! Invariant: every 4xx and 5xx text of the fake is written in this file or next to the one rule it belongs to.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// Which of the two validators judges a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Validator {
    /// Offers and events; products until August 2026.
    #[default]
    Old,
    /// Products since then. What the old one ignores inside an object, this one refuses.
    New,
}

/// What is wrong with a value, in the words of either validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    old: Cow<'static, str>,
    new: Cow<'static, str>,
}

impl Problem {
    /// In the old validator's words.
    pub(crate) fn in_old_words(self) -> String {
        self.old.into_owned()
    }

    const fn words(old: &'static str, new: &'static str) -> Self {
        Self { old: Cow::Borrowed(old), new: Cow::Borrowed(new) }
    }

    fn both(old: String, new: String) -> Self {
        Self { old: old.into(), new: new.into() }
    }

    /// A text that has more than so many characters.
    pub(crate) fn text_above(most: usize) -> Self {
        Self::both(
            format!("ensure this value has at most {most} characters"),
            format!("String should have at most {}", characters(most)),
        )
    }

    /// A text that has fewer than so many characters.
    pub(crate) fn text_below(least: usize) -> Self {
        Self::both(
            format!("ensure this value has at least {least} characters"),
            format!("String should have at least {}", characters(least)),
        )
    }

    /// A list with too many items.
    pub(crate) fn list_above(most: usize, given: usize) -> Self {
        Self::both(
            format!("ensure this value has at most {most} items"),
            format!("List should have at most {most} items after validation, not {given}"),
        )
    }

    /// A number above what is allowed.
    pub(crate) fn above(most: i64) -> Self {
        Self::both(
            format!("ensure this value is less than or equal to {most}"),
            format!("Input should be less than or equal to {most}"),
        )
    }

    /// A number below what is allowed.
    pub(crate) fn below(least: i64) -> Self {
        Self::both(
            format!("ensure this value is greater than or equal to {least}"),
            format!("Input should be greater than or equal to {least}"),
        )
    }

    /// A number that must be above another.
    pub(crate) fn not_above(bound: i64) -> Self {
        Self::both(
            format!("ensure this value is greater than {bound}"),
            format!("Input should be greater than {bound}"),
        )
    }

    /// Something else where there is to be an integer, digits in a text being one.
    pub(crate) fn not_cast(value: &Value) -> Self {
        match value {
            Value::String(_) => problem::INTEGER_TEXT,
            Value::Number(_) => Self::words(
                "value is not a valid integer",
                "Input should be a valid integer, got a number with a fractional part",
            ),
            _ => problem::INTEGER,
        }
    }

    /// Something else where there is to be a boolean.
    pub(crate) fn not_boolean(value: &Value) -> Self {
        const OLD: &str = "value could not be parsed to a boolean";
        match value {
            Value::String(_) | Value::Number(_) => {
                Self::words(OLD, "Input should be a valid boolean, unable to interpret input")
            }
            _ => Self::words(OLD, "Input should be a valid boolean"),
        }
    }

    /// A tag that names no variant of a union.
    pub(crate) fn no_such_tag(tagged_by: &str, tag: &Value, allowed: &[&str]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|tag| format!("'{tag}'")).collect();
        let allowed = allowed.join(", ");
        let shown = super::location::python_repr(tag);
        let bare = tag.as_str().map_or_else(|| shown.clone(), str::to_owned);
        Self::both(
            format!("No match for discriminator '{tagged_by}' and value {shown} (allowed values: {allowed})"),
            format!("Input tag '{bare}' found using '{tagged_by}' does not match any of the expected tags: {allowed}"),
        )
    }

    /// Null where there is to be a value of this field.
    pub(crate) fn null(field: &str) -> Self {
        let kind = match field {
            "venueId" | "addressId" | "price" | "offerId" | "priceCategoryId" => "integer",
            "products" | "dates" | "priceCategories" => "list",
            "hasTicket" | "enableDoubleBookings" => "boolean",
            flag if flag.ends_with("DisabilityCompliant") => "boolean",
            "stock" | "location" | "accessibility" | "categoryRelatedFields" | "image" => OBJECT,
            "url" => return Self::words(NULL, "URL input should be a string or URL"),
            _ => "string",
        };
        Self::both(NULL.to_owned(), format!("Input should be a valid {kind}"))
    }
}

const NULL: &str = "none is not an allowed value";
const OBJECT: &str = "dictionary or object to extract fields from";

fn characters(count: usize) -> String {
    format!("{count} {}", if count == 1 { "character" } else { "characters" })
}

/// Words that are the same in both.
impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self { old: text.clone().into(), new: text.into() }
    }
}

/// Problems that need no figure.
pub(crate) mod problem {
    use super::Problem;

    pub(crate) const MISSING: Problem = Problem::words("field required", "Field required");
    /// Null where there is to be an object.
    pub(crate) const NULL: Problem =
        Problem::words(super::NULL, "Input should be a valid dictionary or object to extract fields from");
    /// Anything but an object: the old validator's routes read it as an empty one.
    pub(crate) const OBJECT: Problem = Problem::words(
        "value is not a valid dict",
        "Input should be a valid dictionary or object to extract fields from",
    );
    pub(crate) const EXTRA: Problem = Problem::words("extra fields not permitted", "Extra inputs are not permitted");
    pub(crate) const INTEGER: Problem =
        Problem::words("value is not a valid integer", "Input should be a valid integer");
    pub(crate) const INTEGER_TEXT: Problem = Problem::words(
        "value is not a valid integer",
        "Input should be a valid integer, unable to parse string as an integer",
    );
    pub(crate) const STRING: Problem = Problem::words("str type expected", "Input should be a valid string");
    pub(crate) const LIST: Problem = Problem::words("value is not a valid list", "Input should be a valid list");
    pub(crate) const ENUM: Problem =
        Problem::words("value is not a valid enumeration member", "Input should be a known value");
    pub(crate) const DATETIME_SHORT: Problem = datetime("Input should be a valid datetime or date, input is too short");
    pub(crate) const DATETIME_YEAR: Problem =
        datetime("Input should be a valid datetime or date, invalid character in year");
    pub(crate) const DATETIME_MONTH: Problem =
        datetime("Input should be a valid datetime or date, month value is outside expected range of 1-12");
    pub(crate) const DATETIME_DAY: Problem =
        datetime("Input should be a valid datetime or date, day value is outside expected range");
    pub(crate) const DATETIME_ELSE: Problem =
        datetime("Input should be a valid datetime or date, unexpected extra characters at the end of the input");
    pub(crate) const DATETIME_TYPE: Problem = Problem::words(
        "invalid type; expected datetime, string, bytes, int or float",
        "Input should be a valid datetime",
    );
    /// A date is a moment without offset to the new validator.
    pub(crate) const DATE_ONLY: Problem = datetime("The datetime must be timezone-aware.");
    pub(crate) const NAIVE: Problem = same("The datetime must be timezone-aware.");
    pub(crate) const PAST: Problem = same("The datetime must be in the future.");
    pub(crate) const UNLIMITED: Problem =
        Problem::words("unexpected value; permitted: 'unlimited'", "Input should be 'unlimited'");
    pub(crate) const NOW: Problem = Problem::words("unexpected value; permitted: 'now'", "Input should be 'now'");
    pub(crate) const EMAIL: Problem = Problem::words(
        "value is not a valid email address",
        "value is not a valid email address: An email address must have an @-sign.",
    );
    pub(crate) const URL_SCHEME: Problem =
        Problem::words("URL scheme not permitted", "URL scheme should be 'http' or 'https'");
    pub(crate) const URL_HOST: Problem = Problem::words("URL host invalid", "Input should be a valid URL, empty host");
    pub(crate) const URL_RELATIVE: Problem =
        Problem::words("invalid or missing URL scheme", "Input should be a valid URL, relative URL without a base");
    pub(crate) const NO_CATEGORY: Problem = Problem::words(
        "Discriminator 'subcategory_id' is missing in value",
        "Unable to extract tag using discriminator 'subcategory_id'",
    );
    pub(crate) const NO_TYPE: Problem =
        Problem::words("Discriminator 'type' is missing in value", "Unable to extract tag using discriminator 'type'");

    const fn same(text: &'static str) -> Problem {
        Problem::words(text, text)
    }

    const fn datetime(new: &'static str) -> Problem {
        Problem::words("invalid datetime format", new)
    }
}

/// New generation (bookings, addresses, providers).
pub(crate) mod new {
    pub(crate) const MISSING: &str = "Field required";
    pub(crate) const EXTRA: &str = "Extra inputs are not permitted";
    pub(crate) const INTEGER: &str = "Input should be a valid integer, unable to parse string as an integer";
    pub(crate) const STRING: &str = "Input should be a valid string";
    pub(crate) const URL_TYPE: &str = "URL input should be a string or URL";
    pub(crate) const URL_SCHEME: &str = "URL scheme should be 'http' or 'https'";
    pub(crate) const URL_LONG: &str = "URL should have at most 2083 characters";
}

/// What a crash of the real backend says.
pub(crate) const CRASH: &str = "Il semble que nous ayons des problèmes techniques :( On répare ça au plus vite.";
const WRONG_METHOD: &str = "La méthode que vous utilisez n'existe pas sur notre serveur";
const TOO_MANY: &str = "Nombre de tentatives de connexion dépassé, veuillez réessayer dans une minute";
const UNREADABLE: &str = "The browser (or proxy) sent a request that this server could not understand.";
const NOT_JSON: &str = "Did not attempt to load JSON data because the request Content-Type was not 'application/json'.";

/// One HTTP answer, before it becomes bytes.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: AnswerBody,
    pub(crate) retry_after: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) enum AnswerBody {
    Empty,
    Json(Value),
    Html(String),
    Text(String),
}

/// What a handler gives back: both arms are answers, so `?` ends a handler with one.
pub(crate) type Outcome = Result<Answer, Answer>;

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, body: AnswerBody::Json(body), retry_after: None }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn no_content() -> Self {
        Self { status: 204, body: AnswerBody::Empty, retry_after: None }
    }

    pub(crate) fn text(body: String) -> Self {
        Self { status: 200, body: AnswerBody::Text(body), retry_after: None }
    }

    /// `{key: [message]}`: the shape of validation errors.
    pub(crate) fn listed(status: u16, key: &str, message: impl Into<String>) -> Self {
        Self::json(status, json!({ key: [message.into()] }))
    }

    /// `{key: message}`: the shape of many business errors.
    pub(crate) fn plain(status: u16, key: &str, message: &str) -> Self {
        Self::json(status, json!({ key: message }))
    }

    pub(crate) fn unknown_path() -> Self {
        Self::json(404, json!({}))
    }

    pub(crate) fn wrong_method() -> Self {
        Self::listed(405, "global", WRONG_METHOD)
    }

    pub(crate) fn no_key() -> Self {
        Self::plain(401, "auth", "API key required")
    }

    pub(crate) fn inactive_provider() -> Self {
        Self::listed(403, "auth", "Inactive provider")
    }

    pub(crate) fn unreadable_body() -> Self {
        Self::listed(400, "global", UNREADABLE)
    }

    pub(crate) fn not_json() -> Self {
        Self::listed(400, "global", NOT_JSON)
    }

    pub(crate) fn crash() -> Self {
        Self::listed(500, "global", CRASH)
    }

    pub(crate) fn too_many(retry_after: Option<u64>, html: bool) -> Self {
        let mut answer = Self::listed(429, "global", TOO_MANY);
        if html {
            answer.body = AnswerBody::Html(html_page(429));
        }
        answer.retry_after = retry_after;
        answer
    }
}

/// The page a proxy in front of the backend would show.
pub(crate) fn html_page(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error");
    format!(
        "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (kind, body) = match self.body {
            AnswerBody::Empty => ("text/html; charset=utf-8", Vec::new()),
            AnswerBody::Json(value) => ("application/json", serde_json::to_vec(&value).unwrap_or_default()),
            AnswerBody::Html(page) => ("text/html; charset=utf-8", page.into_bytes()),
            AnswerBody::Text(text) => ("text/plain; charset=utf-8", text.into_bytes()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.headers_mut().insert(
            HeaderName::from_static("access-control-allow-origin"), // every origin is allowed
            HeaderValue::from_static("*"),
        );
        response
    }
}

/// Validation errors of one request, by dotted key.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    validator: Validator,
    by_key: BTreeMap<String, Vec<String>>,
}

impl Errors {
    /// None yet, of this validator.
    pub(crate) fn of(validator: Validator) -> Self {
        Self { validator, ..Self::default() }
    }

    /// Whether the new validator judges.
    pub(crate) fn is_new(&self) -> bool {
        self.validator == Validator::New
    }

    pub(crate) fn add(&mut self, key: impl Into<String>, problem: impl Into<Problem>) {
        let Problem { old, new } = problem.into();
        let text = if self.is_new() { new } else { old };
        self.by_key.entry(key.into()).or_default().push(text.into_owned());
    }

    /// A text as the validator takes it: the old one casts numbers and booleans.
    pub(crate) fn read_text(&self, value: &Value) -> Option<String> {
        if self.is_new() { value.as_str().map(str::to_owned) } else { super::validate::cast_str(value) }
    }

    /// A value that fits no branch of a union. The new validator names each branch in a key of its own.
    pub(crate) fn add_branches(&mut self, key: &str, branches: [(&str, Problem); 2]) {
        for (branch, problem) in branches {
            let key = if self.is_new() { format!("{key}.{branch}") } else { key.to_owned() };
            self.add(key, problem);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.by_key.len()
    }

    /// Adds the errors of another branch.
    pub(crate) fn extend(&mut self, other: Self) {
        for (key, messages) in other.by_key {
            self.by_key.entry(key).or_default().extend(messages);
        }
    }

    /// `Err(400)` when anything was added.
    pub(crate) fn finish(self) -> Result<(), Answer> {
        if self.by_key.is_empty() { Ok(()) } else { Err(Answer::json(400, json!(self.by_key))) }
    }
}
