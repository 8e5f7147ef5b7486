//! The schemas in `schemas/` are what the code says today. `UPDATE_SCHEMAS=1 cargo test --test schemas` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

fn holds(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(file);
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "schemas/{file} is not what the code says; UPDATE_SCHEMAS=1 cargo test --test schemas");
}

#[test]
fn the_files_are_what_the_command_prints() {
    let adapters = passerelle::registry::ADAPTERS.iter().map(|adapter| format!("settings.{}", adapter.id));
    for name in ["config".to_owned(), "summary".to_owned()].into_iter().chain(adapters) {
        let output = Command::new(env!("CARGO_BIN_EXE_passerelle")).args(["schema", &name]).output().unwrap();
        assert!(output.status.success(), "{name}");
        holds(&format!("{name}.json"), &String::from_utf8(output.stdout).unwrap());
    }
}

#[test]
fn the_description_of_the_http_api_is_what_is_served() {
    let text = serde_json::to_string_pretty(&passerelle::web::document()).unwrap();
    holds("openapi.json", &format!("{text}\n"));
}
