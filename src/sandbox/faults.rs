//! Faults on purpose: what breaks, for whom, how often.
//!
//! Pure: [`Faults::strike`] decides, the server acts.
//!
//! Invariant: at most [`MAX_FAULTS`] are armed; a counted one disappears when it is spent.

use serde::{Deserialize, Serialize};

use super::state::Random;

/// Most faults armed at once.
pub(crate) const MAX_FAULTS: usize = 100;

/// Which calls break, how, and how many of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FlatFault")]
pub struct Fault {
    /// Only calls with this HTTP method.
    pub method: Option<String>,
    /// Only calls whose path starts with this; `/_sandbox/` is never hit.
    pub path: Option<String>,
    /// The next so many matching calls; every one when both `count` and `share` are absent.
    pub count: Option<u32>,
    /// This share of the matching calls, 0 to 1.
    pub share: Option<f64>,
    /// What happens.
    #[serde(flatten)]
    pub effect: FaultEffect,
}

/// How a call breaks.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum FaultEffect {
    /// Answers this status instead of doing the work.
    Status {
        /// HTTP status, 100 to 599.
        status: u16,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u64>,
        /// What the body is.
        body: FaultBody,
    },
    /// 500 with the backend's French `global` sentence, nothing done.
    ServerError,
    /// Does the work, then never answers.
    TimeoutAfterEffect,
    /// Never answers, nothing done.
    Hang,
    /// Closes the connection without a byte, nothing done.
    Cut,
    /// Does the work, then closes the connection without a byte.
    CutAfterEffect,
}

/// Body of a [`FaultEffect::Status`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultBody {
    /// `{"global": […]}`.
    #[default]
    Json,
    /// A proxy's page.
    Html,
}

/// A fault as it is written: serde cannot both flatten the effect and refuse unknown fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatFault {
    effect: String,
    method: Option<String>,
    path: Option<String>,
    count: Option<u32>,
    share: Option<f64>,
    status: Option<u16>,
    retry_after: Option<u64>,
    body: Option<FaultBody>,
}

impl TryFrom<FlatFault> for Fault {
    type Error = String;

    fn try_from(flat: FlatFault) -> Result<Self, String> {
        let effect = match (flat.effect.as_str(), flat.status) {
            ("status", Some(status)) => {
                FaultEffect::Status { status, retry_after: flat.retry_after, body: flat.body.unwrap_or_default() }
            }
            ("status", None) => return Err("effect `status` needs a `status`".to_owned()),
            (effect, None) if flat.retry_after.is_none() && flat.body.is_none() => match effect {
                "server_error" => FaultEffect::ServerError,
                "timeout_after_effect" => FaultEffect::TimeoutAfterEffect,
                "hang" => FaultEffect::Hang,
                "cut" => FaultEffect::Cut,
                "cut_after_effect" => FaultEffect::CutAfterEffect,
                other => return Err(format!("there is no effect {other:?}")),
            },
            _ => return Err("`status`, `retry_after` and `body` go with effect `status`".to_owned()),
        };
        Ok(Self { method: flat.method, path: flat.path, count: flat.count, share: flat.share, effect })
    }
}

impl Fault {
    /// A fault for the next `count` calls whose path starts with `path`.
    #[must_use]
    pub fn next(count: u32, path: &str, effect: FaultEffect) -> Self {
        Self { method: None, path: Some(path.to_owned()), count: Some(count), share: None, effect }
    }

    /// Why it cannot be armed, if so.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.share.is_some_and(|s| !(0.0..=1.0).contains(&s)) {
            return Some("`share` is between 0 and 1");
        }
        if let FaultEffect::Status { status, .. } = self.effect
            && !(200..=599).contains(&status)
        {
            return Some("`status` is between 200 and 599");
        }
        None
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|p| path.starts_with(p.as_str()))
    }
}

#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Arms a fault; `false` when there are too many.
    pub(crate) fn arm(&mut self, fault: Fault) -> bool {
        let room = self.0.len() < MAX_FAULTS;
        if room {
            self.0.push(fault);
        }
        room
    }

    pub(crate) fn armed(&self) -> &[Fault] {
        &self.0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first armed fault this call meets; a counted one is used up by it.
    pub(crate) fn strike(&mut self, method: &str, path: &str, random: &mut Random) -> Option<FaultEffect> {
        let index = self
            .0
            .iter()
            .position(|fault| fault.matches(method, path) && fault.share.is_none_or(|share| random.share() < share))?;
        let fault = self.0.get_mut(index)?;
        let effect = fault.effect.clone();
        if let Some(count) = &mut fault.count {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(index);
            }
        }
        Some(effect)
    }
}
