//! `passerelle vendor-check`: a vendor's receiver of signed calls, tried before any venue depends on it.
//!
//! Invariant: secrets come from environment variables alone, and none of them is printed.

use clap::Args;
use passerelle_kit::secret::SecretRef;
use serde_json::json;
use url::Url;

use super::{CliContext, CliError};
use crate::config::Problem;
use crate::registry::rehearsal::{DeskTrial, Ruling, Trial, Verdict, rehearse};

/// Exit code when a rule is broken.
const BROKEN: u8 = 1;

/// Tries a vendor's receiver of signed calls; needs no configuration. Exit 0 no rule is broken, 1 some are, 2 nobody answers.
#[derive(Debug, Args)]
pub(crate) struct VendorCheck {
    /// Where messages are posted.
    #[arg(long)]
    url: Url,
    /// Environment variable that holds the secret calls are signed with (`whsec_…`).
    #[arg(long, value_name = "NAME")]
    secret_env: String,
    /// Environment variable that holds the secret before it: good calls then carry both signatures.
    #[arg(long, value_name = "NAME")]
    previous_secret_env: Option<String>,
    /// Where the software is asked to sell (mode synchronous). One seat is bought, and cancelled at the end.
    #[arg(long, value_name = "URL", requires_all = ["cancel_url", "stock_id", "price_cents"])]
    booking_url: Option<Url>,
    /// Where the software is asked to free seats (mode synchronous).
    #[arg(long, value_name = "URL", requires = "booking_url")]
    cancel_url: Option<Url>,
    /// The vendor's own key of a date at a tariff, with places left.
    #[arg(long, value_name = "ID")]
    stock_id: Option<String>,
    /// What a seat of it costs.
    #[arg(long, value_name = "N")]
    price_cents: Option<u32>,
    /// A port that addresses may name besides 443; may be repeated.
    #[arg(long = "allowed-port", value_name = "PORT")]
    allowed_ports: Vec<u16>,
    /// Let addresses lie in private and loopback networks, and be plain http.
    #[arg(long)]
    allow_private_addresses: bool,
}

impl VendorCheck {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let desk = self.booking_url.zip(self.cancel_url);
        let trial = Trial {
            url: self.url,
            secret: SecretRef::Env(self.secret_env),
            previous_secret: self.previous_secret_env.map(SecretRef::Env),
            desk: desk.map(|(booking_url, cancel_url)| DeskTrial { booking_url, cancel_url }),
            stock_id: self.stock_id,
            price_cents: self.price_cents,
            allowed_ports: self.allowed_ports,
            allow_private_addresses: self.allow_private_addresses,
        };
        let targets = trial.check().map_err(|error| {
            let problems = error.problems.into_iter();
            CliError::Configuration(problems.map(|one| Problem::new(option_of(&one.path), one.message)).collect())
        })?;
        let rulings = rehearse(&targets).await.map_err(|error| {
            CliError::Failed(format!("nothing could be tried: {} ({})", hint(error.code, &error.context), error.code))
        })?;
        tell(context, &rulings);
        let is_broken = rulings.iter().any(|ruling| ruling.verdict == Verdict::Failed);
        Ok(if is_broken { BROKEN } else { 0 })
    }
}

/// The option that a checked field came from.
fn option_of(path: &str) -> String {
    match path {
        "secret" | "previous_secret" => format!("--{}-env", path.replace('_', "-")),
        _ => format!("--{}", path.replace('_', "-")),
    }
}

/// The client speaks of connections; here there is none.
fn hint<'a>(code: &str, context: &'a str) -> &'a str {
    match code {
        "PrivateAddress" => {
            "the address leads into a private or loopback network; --allow-private-addresses allows it if that is meant"
        }
        _ => context,
    }
}

fn tell(context: &CliContext, rulings: &[Ruling]) {
    let output = context.output;
    for ruling in rulings {
        output.json(&json!({
            "event": "rule", "rule": ruling.rule, "verdict": ruling.verdict.name(), "sent": ruling.sent,
            "saw": ruling.saw, "remedy": ruling.remedy,
        }));
    }
    let row = |ruling: &Ruling| {
        vec![ruling.verdict.name().to_owned(), ruling.rule.to_owned(), ruling.sent.clone(), ruling.saw.clone()]
    };
    output.table(&["VERDICT", "RULE", "SENT", "CAME BACK"], rulings.iter().map(row).collect());
    let count = |verdict| rulings.iter().filter(|ruling| ruling.verdict == verdict).count();
    // What is broken first, then what is to be seen to, then what could not be seen.
    for (verdict, title) in
        [(Verdict::Failed, "To change"), (Verdict::Warned, "To see to"), (Verdict::Passed, "To know")]
    {
        let with_words = |ruling: &&Ruling| ruling.verdict == verdict && !ruling.remedy.is_empty();
        let told: Vec<&Ruling> = rulings.iter().filter(with_words).collect();
        if !told.is_empty() {
            output.text(format!("\n{title}"));
        }
        for ruling in told {
            output.text(format!("  {}: {}", ruling.rule, ruling.remedy));
        }
    }
    let (passed, failed, warned) = (count(Verdict::Passed), count(Verdict::Failed), count(Verdict::Warned));
    output.text(format!("\n{passed} passed, {failed} failed, {warned} with a warning"));
    output.json(&json!({ "event": "summary", "passed": passed, "failed": failed, "warned": warned }));
}
