//! Settings are described, and everything wrong with them is named.

use passerelle_contract::SettingsError;
use serde_json::{Value, json};

use super::{Bench, CANARY, Harness, Outcome, ensure, with_secret};

pub(super) async fn the_settings_schema_has_properties(harness: &dyn Harness) -> Outcome {
    let schema = (harness.descriptor().settings_schema)();
    let properties = schema.get("properties").and_then(Value::as_object);
    ensure(properties.is_some_and(|known| !known.is_empty()), || format!("no properties in {schema}"))?;
    let bench = harness.bench().await;
    let known = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    let mut written = bench.settings.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    match written.find(|name| !known.contains(name)) {
        Some(name) => Err(format!("the setting `{name}` works and is not in the schema")),
        None => Ok(()),
    }
}

pub(super) async fn an_unknown_setting_is_refused_with_its_path(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    refuses(harness, &bench, &bench.settings_with(&json!({"no_such_setting": 1})), "no_such_setting").map(|_| ())
}

pub(super) async fn wrong_settings_are_refused_with_their_paths(harness: &dyn Harness) -> Outcome {
    let bench = harness.bench().await;
    for (over, path) in harness.wrong_settings() {
        refuses(harness, &bench, &bench.settings_with(&over), path)?;
    }
    Ok(())
}

pub(super) async fn a_missing_secret_is_refused_and_a_written_one_is_not_repeated(harness: &dyn Harness) -> Outcome {
    let Some((path, over)) = harness.secret_setting() else { return Ok(()) };
    let bench = harness.bench().await;
    let over = bench.settings_with(&over);
    for place in [json!({"file": "no/such/file"}), json!({"env": "PASSERELLE_NEVER_SET"}), json!(CANARY)] {
        let error = refuses(harness, &bench, &with_secret(&over, &place), path)?;
        ensure(!format!("{error} {error:?}").contains(CANARY), || format!("the secret is repeated: {error}"))?;
    }
    Ok(())
}

fn refuses(harness: &dyn Harness, bench: &Bench, settings: &Value, path: &str) -> Result<SettingsError, String> {
    let Err(error) = (harness.descriptor().connect)(settings, bench.context.clone()) else {
        return Err(format!("{settings} is accepted; `{path}` is wrong in it"));
    };
    // The place or something inside it.
    let named = error.problems.iter().any(|one| one.path == path || one.path.starts_with(&format!("{path}.")));
    let explained = error.problems.iter().all(|one| !one.path.is_empty() && !one.message.is_empty());
    ensure(named && explained, || format!("`{path}` is not named in: {error}"))?;
    Ok(error)
}
