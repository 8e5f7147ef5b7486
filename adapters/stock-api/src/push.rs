//! The push twin: bookshop software posts its stock to us, as it used to post it to pass Culture.

use std::sync::Arc;

use passerelle_contract::{
    Adapter, Cents, Completeness, Context, Duplicates, End, Expectations, IntakeError, Page, Probe, PushIntake,
    SettingsError, StockLine,
};
use passerelle_kit::secret::{Secret, SecretRef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::push_body;
use crate::settings::{WireUnit, default_min_price};

/// Largest body, in bytes. Editors send whole shops; pass Culture set no limit, we set one that a shop of 50 000
/// references meets in five calls.
const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;

/// Connection to one shop whose software posts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushSettings {
    /// Where the bearer token is that the software sends.
    token: SecretRef,
    /// Unit of the prices in the body: euros by the contract, cents for software that was built otherwise.
    #[serde(default = "euro")]
    price_unit: WireUnit,
    /// Copies of every reference that stay for the shop's own customers.
    #[serde(default)]
    keep_back: u32,
    /// Prices below this many cents are placeholders: their rows stay behind, and their quantities are heard.
    #[serde(default = "default_min_price")]
    min_price_cents: u32,
}

const fn euro() -> WireUnit {
    WireUnit::Euro
}

/// Builds the adapter.
pub(crate) fn connect(settings: &Value, context: Context) -> Result<Arc<dyn Adapter>, SettingsError> {
    let settings: PushSettings = passerelle_kit::settings::read(settings)?;
    let token = settings
        .token
        .resolve(&context.base_dir)
        .map_err(|wrong| SettingsError { problems: vec![wrong.at("token")] })?;
    Ok(Arc::new(Intake {
        token,
        unit: settings.price_unit,
        keep_back: settings.keep_back,
        min_price: Cents(settings.min_price_cents),
    }))
}

struct Intake {
    token: Secret,
    unit: WireUnit,
    keep_back: u32,
    min_price: Cents,
}

impl Adapter for Intake {
    fn push_intake(&self) -> Option<&dyn PushIntake> {
        Some(self)
    }

    /// None: there is no vendor to reach. Whether lists arrive is seen where they arrive.
    fn probes(&self) -> Vec<Probe<'_>> {
        Vec::new()
    }
}

impl PushIntake for Intake {
    fn read(&self, body: &[u8]) -> Result<Page<StockLine>, IntakeError> {
        let (rows, notes) = push_body::read(body, self.unit.into(), self.min_price)?;
        let end = End {
            completeness: Completeness::Delta,
            cursor: None,
            observed_at: None,
            fingerprint: None,
            warnings: Vec::new(),
        };
        Ok(Page { rows, notes, skipped: 0, end: Some(end) })
    }

    fn accepts_token(&self, presented: &str) -> bool {
        self.token.matches(presented)
    }

    fn max_body_bytes(&self) -> usize {
        MAX_BODY_BYTES
    }

    fn expectations(&self) -> Expectations {
        Expectations { duplicates: Duplicates::Last, keep_back: self.keep_back, ..Expectations::default() }
    }
}
