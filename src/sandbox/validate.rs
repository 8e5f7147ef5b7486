//! The casts of the validators, the old one's exactly as far as they were measured.
//!
//! Pure: values in, values or messages out. What the real one casts (a number as `ean`, digits as `venueId`) is
//! cast; what it refuses (`"1000"`, `1000.0`, `true` as a price) is refused.
//!
//! Invariant: reading never changes state, and every refusal names the field by its camelCase dotted key.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::Offset};
use serde_json::{Map, Value};

use super::errors::{Errors, Problem, problem};

/// Where a value stands in a body; becomes text only when there is an error to report.
#[derive(Clone, Copy)]
pub(crate) enum Loc<'a> {
    Root,
    Key(&'a Loc<'a>, &'a str),
    Index(&'a Loc<'a>, usize),
}

impl<'a> Loc<'a> {
    pub(crate) fn key(&'a self, key: &'a str) -> Loc<'a> {
        Loc::Key(self, key)
    }

    pub(crate) fn index(&'a self, index: usize) -> Loc<'a> {
        Loc::Index(self, index)
    }
}

impl std::fmt::Display for Loc<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parent = match self {
            Loc::Root => return Ok(()),
            Loc::Key(parent, _) | Loc::Index(parent, _) => parent,
        };
        if !matches!(parent, Loc::Root) {
            write!(f, "{parent}.")?;
        }
        match self {
            Loc::Root => Ok(()),
            Loc::Key(_, key) => f.write_str(key),
            Loc::Index(_, index) => write!(f, "{index}"),
        }
    }
}

/// An object's fields, under their camelCase or snake_case name. Anything that is not an object reads as an empty one.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'v>(Option<&'v Map<String, Value>>);

impl<'v> Fields<'v> {
    pub(crate) fn of(value: &'v Value) -> Self {
        Self(value.as_object())
    }

    /// The field, camelCase first.
    pub(crate) fn get(&self, camel: &str) -> Option<&'v Value> {
        let map = self.0?;
        map.get(camel).or_else(|| {
            let has_snake_form = camel.bytes().any(|b| b.is_ascii_uppercase());
            if has_snake_form { map.get(&snake(camel)) } else { None }
        })
    }

    /// The field under this very name.
    pub(crate) fn exact(&self, name: &str) -> Option<&'v Value> {
        self.0?.get(name)
    }

    /// The field when it is there and not null.
    pub(crate) fn present(&self, camel: &str) -> Option<&'v Value> {
        self.get(camel).filter(|v| !v.is_null())
    }

    /// The field, or the error that says it is missing or null.
    pub(crate) fn required(&self, camel: &str, at: &Loc<'_>, errors: &mut Errors) -> Option<&'v Value> {
        match self.get(camel) {
            None => {
                errors.add(at.key(camel).to_string(), problem::MISSING);
                None
            }
            Some(Value::Null) => {
                errors.add(at.key(camel).to_string(), Problem::null(camel));
                None
            }
            found => found,
        }
    }

    /// The fields of an object. Anything else is refused by the new validator, and read as an empty one by the old.
    pub(crate) fn of_object(value: &'v Value, at: &Loc<'_>, errors: &mut Errors) -> Option<Self> {
        if errors.is_new() && !value.is_object() {
            errors.add(at.to_string(), problem::OBJECT);
            return None;
        }
        Some(Self::of(value))
    }

    /// Refuses what is not in `known` where the new validator judges; the old one ignores it inside an object.
    pub(crate) fn refuse_extra_inside(&self, known: &[&str], at: &Loc<'_>, errors: &mut Errors) {
        if errors.is_new() {
            self.refuse_extra(known, problem::EXTRA, at, errors);
        }
    }

    /// Refuses every field that is not in `known` (camelCase names).
    pub(crate) fn refuse_extra(&self, known: &[&str], problem: impl Into<Problem>, at: &Loc<'_>, errors: &mut Errors) {
        let problem = problem.into();
        let Some(map) = self.0 else { return };
        for name in map.keys() {
            let is_snake = name.contains('_');
            if !known.iter().any(|k| *k == name || (is_snake && snake(k) == *name)) {
                errors.add(at.key(name).to_string(), problem.clone());
            }
        }
    }
}

/// A name in its other spelling.
pub(crate) fn snake(camel: &str) -> String {
    let mut out = String::with_capacity(camel.len() + 4);
    for character in camel.chars() {
        if character.is_ascii_uppercase() {
            out.push('_');
            out.push(character.to_ascii_lowercase());
        } else {
            out.push(character);
        }
    }
    out
}

/// An integer that is one: never cast.
pub(crate) fn strict_int(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or_else(|| number.as_u64().map(|_| i64::MAX))
}

/// An integer as Python's `int()` reads it: digits in a string, a truncated float, a boolean.
pub(crate) fn cast_int(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Number(number) => strict_int(value).or_else(|| {
            let float = number.as_f64()?;
            // Truncation is what Python does; values beyond i64 are clamped by `as`.
            #[allow(clippy::cast_possible_truncation)]
            Some(float.trunc() as i64)
        }),
        Value::String(text) => parse_int(text),
        _ => None,
    }
}

/// Whether a number has no fraction; anything else is whole.
pub(crate) fn is_whole(value: &Value) -> bool {
    value.as_f64().is_none_or(|number| number.fract() == 0.0)
}

/// Digits with an optional sign and surrounding blanks.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

/// A string, or a number as text; `true` becomes `True`, as in Python.
pub(crate) fn cast_str(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        _ => None,
    }
}

/// A boolean as the old validator reads it: `true`, 1, `"on"`, `"yes"`, …
pub(crate) fn cast_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.to_lowercase().as_str() {
            "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
            "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Why a datetime was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateProblem {
    Format,
    Type,
    Naive,
}

impl DateProblem {
    /// In words, of the value that has it.
    pub(crate) fn of(self, value: &Value) -> Problem {
        match self {
            Self::Format => format_problem(value.as_str().unwrap_or_default().trim()),
            Self::Type => problem::DATETIME_TYPE,
            Self::Naive => problem::NAIVE,
        }
    }
}

/// The first thing wrong with a text that is no datetime, as the new validator names it.
fn format_problem(text: &str) -> Problem {
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<u32>().ok());
    if text.len() < 10 {
        return problem::DATETIME_SHORT;
    }
    match (number(0..4), number(5..7), number(8..10)) {
        (None, _, _) => problem::DATETIME_YEAR,
        (_, Some(month), _) if !(1..=12).contains(&month) => problem::DATETIME_MONTH,
        (_, _, Some(day)) if !(1..=31).contains(&day) => problem::DATETIME_DAY,
        _ if text.len() == 10 => problem::DATE_ONLY,
        _ => problem::DATETIME_ELSE,
    }
}

/// Above this many seconds a number is read as milliseconds, as the real validator does.
const MILLISECOND_WATERSHED: f64 = 2e10;

/// Reads a datetime: ISO 8601 with an offset, or a number of seconds since 1970.
pub(crate) fn datetime(value: &Value) -> Result<Timestamp, DateProblem> {
    match value {
        Value::Number(number) => from_seconds(number.as_f64().unwrap_or(0.0)),
        Value::Bool(flag) => from_seconds(f64::from(u8::from(*flag))),
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(seconds) if seconds.is_finite() => from_seconds(seconds),
            _ => iso_datetime(text),
        },
        _ => Err(DateProblem::Type),
    }
}

fn from_seconds(mut seconds: f64) -> Result<Timestamp, DateProblem> {
    while seconds.abs() > MILLISECOND_WATERSHED {
        seconds /= 1000.0;
    }
    SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|d| Timestamp::UNIX_EPOCH.checked_add(d).ok())
        .ok_or(DateProblem::Format)
}

/// `YYYY-M-D[T ]H:M[:S[.f]][Z|±HH[:MM]]`, the form the old validator's pattern takes.
fn iso_datetime(text: &str) -> Result<Timestamp, DateProblem> {
    let mut scan = Scan { rest: text.as_bytes() };
    let (local, offset) = scan.datetime().ok_or(DateProblem::Format)?;
    let offset = offset.ok_or(DateProblem::Naive)?;
    offset.to_timestamp(local).map_err(|_| DateProblem::Format)
}

/// [`datetime`], where one without an offset is in a zone of the IANA database.
pub(crate) fn datetime_in(value: &Value, zone: &str) -> Result<Timestamp, DateProblem> {
    match (datetime(value), value) {
        (Err(DateProblem::Naive), Value::String(text)) => {
            let (local, _) = Scan { rest: text.as_bytes() }.datetime().ok_or(DateProblem::Format)?;
            local.in_tz(zone).map(|zoned| zoned.timestamp()).map_err(|_| DateProblem::Format)
        }
        (read, _) => read,
    }
}

struct Scan<'a> {
    rest: &'a [u8],
}

impl Scan<'_> {
    fn datetime(&mut self) -> Option<(DateTime, Option<Offset>)> {
        let year = self.digits(4, 4)?;
        self.literal(b"-")?;
        let month = self.digits(1, 2)?;
        self.literal(b"-")?;
        let day = self.digits(1, 2)?;
        self.literal(b"T ")?;
        let hour = self.digits(1, 2)?;
        self.literal(b":")?;
        let minute = self.digits(1, 2)?;
        let mut second = 0;
        let mut nanosecond = 0;
        if self.literal(b":").is_some() {
            second = self.digits(1, 2)?;
            if self.literal(b".").is_some() {
                nanosecond = self.fraction()?;
            }
        }
        let offset = self.offset()?;
        let local = DateTime::new(
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
            i8::try_from(hour).ok()?,
            i8::try_from(minute).ok()?,
            i8::try_from(second).ok()?,
            nanosecond,
        )
        .ok()?;
        Some((local, offset))
    }

    /// `Some(None)` for a naive datetime; `None` when what follows is not an offset.
    fn offset(&mut self) -> Option<Option<Offset>> {
        let sign = match self.rest.first() {
            None => return Some(None),
            Some(b'Z') => {
                self.rest = &self.rest[1..];
                return self.rest.is_empty().then_some(Some(Offset::UTC));
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return None,
        };
        self.rest = &self.rest[1..];
        let hours = self.digits(2, 2)?;
        let mut minutes = 0;
        if !self.rest.is_empty() {
            let _ = self.literal(b":");
            minutes = self.digits(2, 2)?;
        }
        let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()? * sign;
        if !self.rest.is_empty() {
            return None;
        }
        Offset::from_seconds(seconds).ok().map(Some)
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self.rest.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        if length < least {
            return None;
        }
        let (head, tail) = self.rest.split_at(length);
        self.rest = tail;
        std::str::from_utf8(head).ok()?.parse().ok()
    }

    /// One to twelve digits, kept to the microsecond.
    fn fraction(&mut self) -> Option<i32> {
        let length = self.rest.iter().take(12).take_while(|b| b.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        let (head, tail) = self.rest.split_at(length);
        self.rest = tail;
        let mut micros = 0i32;
        for index in 0..6 {
            micros = micros * 10 + head.get(index).map_or(0, |b| i32::from(b - b'0'));
        }
        Some(micros * 1000)
    }

    fn literal(&mut self, any_of: &[u8]) -> Option<()> {
        let first = self.rest.first()?;
        if !any_of.contains(first) {
            return None;
        }
        self.rest = &self.rest[1..];
        Some(())
    }
}

/// A datetime that must not be in the past.
pub(crate) fn future(value: &Value, now: Timestamp) -> Result<Timestamp, Problem> {
    let at = datetime(value).map_err(|problem| problem.of(value))?;
    if at < now { Err(problem::PAST) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn datetimes_are_read_as_the_old_validator_reads_them() {
        let cases = [
            (json!("2030-01-01T10:00:00Z"), Ok("2030-01-01T10:00:00Z")),
            (json!("2030-01-01 10:00Z"), Ok("2030-01-01T10:00:00Z")),
            (json!("2030-1-1T1:2:3.5+02:00"), Ok("2029-12-31T23:02:03.5Z")),
            (json!("2030-01-01T10:00:00-0330"), Ok("2030-01-01T13:30:00Z")),
            (json!("2030-01-01T10:00:00+02"), Ok("2030-01-01T08:00:00Z")),
            (json!(1_893_456_000), Ok("2030-01-01T00:00:00Z")),
            (json!(1_893_456_000_000_i64), Ok("2030-01-01T00:00:00Z")),
            (json!("1893456000"), Ok("2030-01-01T00:00:00Z")),
            (json!("2030-01-01T10:00:00"), Err(DateProblem::Naive)),
            (json!("2030-13-01T10:00:00Z"), Err(DateProblem::Format)),
            (json!("2030-01-01"), Err(DateProblem::Format)),
            (json!("2030-01-01T10:00:00z"), Err(DateProblem::Format)),
            (json!("NOW"), Err(DateProblem::Format)),
            (json!([]), Err(DateProblem::Type)),
        ];
        for (value, expected) in cases {
            let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(datetime(&value), expected, "{value}");
        }
    }

    #[test]
    fn prices_never_cast_and_identifiers_do() {
        for refused in [json!("1000"), json!(1000.0), json!(true), json!([])] {
            assert_eq!(strict_int(&refused), None, "{refused}");
        }
        assert_eq!(strict_int(&json!(1000)), Some(1000));
        assert_eq!(cast_int(&json!("535")), Some(535));
        assert_eq!(cast_int(&json!(true)), Some(1));
        assert_eq!(cast_int(&json!("5x")), None);
        assert_eq!(cast_str(&json!(9_782_070_286_256_u64)).as_deref(), Some("9782070286256"));
    }
}
