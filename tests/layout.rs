//! The house rules that a compiler does not check: who may know whom, who may speak SQL, who may reach the network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A file's code without comments and without its test module, line by line.
fn code(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .map(|line| line.split("//").next().unwrap_or("").trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// The packages of this workspace and what each depends on among them (development dependencies told apart).
fn workspace() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let named = |development: bool| {
                package["dependencies"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|dependency| (dependency["kind"] == "dev") == development)
                    .filter_map(|dependency| dependency["name"].as_str())
                    .map(str::to_owned)
                    .collect::<BTreeSet<_>>()
            };
            (package["name"].as_str().unwrap().to_owned(), (named(false), named(true)))
        })
        .collect()
}

const GROUND: [&str; 3] = ["passerelle-contract", "passerelle-kit", "passerelle-testkit"];

fn vendors() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    workspace().into_iter().filter(|(name, _)| name != "passerelle" && !GROUND.contains(&name.as_str())).collect()
}

#[test]
fn packages_depend_one_way() {
    let packages = workspace();
    let ours =
        |name: &str| packages[name].0.iter().filter(|name| name.starts_with("passerelle")).cloned().collect::<Vec<_>>();
    assert_eq!(ours("passerelle-contract"), Vec::<String>::new());
    assert_eq!(ours("passerelle-kit"), ["passerelle-contract"]);
    for (name, (dependencies, _)) in vendors() {
        for dependency in dependencies.iter().filter(|name| name.starts_with("passerelle")) {
            assert!(
                GROUND.contains(&dependency.as_str()),
                "{name} knows {dependency}: no vendor knows another, nor the gateway"
            );
        }
    }
}

#[test]
fn the_contract_has_no_runtime_and_no_network() {
    let (dependencies, _) = &workspace()["passerelle-contract"];
    for forbidden in ["tokio", "reqwest", "sqlx", "axum", "jiff"] {
        assert!(!dependencies.contains(forbidden), "the contract depends on {forbidden}");
    }
}

#[test]
fn vendors_reach_the_network_through_the_kit_alone() {
    for (name, (dependencies, _)) in vendors() {
        for forbidden in ["reqwest", "hyper", "sqlx"] {
            assert!(!dependencies.contains(forbidden), "{name} depends on {forbidden}");
        }
    }
}

#[test]
fn only_the_registry_names_vendors() {
    let names: Vec<String> = vendors().keys().map(|name| name.replace('-', "_")).collect();
    for file in rust_files(&root().join("src")) {
        // The registry lists them, and the sandbox command and the demonstration start their simulators.
        if file.ends_with("src/registry.rs") {
            continue;
        }
        for line in code(&file) {
            for name in &names {
                assert!(!line.contains(name.as_str()), "{} names a vendor: {line}", file.display());
            }
        }
    }
}

#[test]
fn only_the_store_speaks_sql() {
    for file in rust_files(&root()) {
        let shown = file.strip_prefix(root()).unwrap().display().to_string();
        if shown.starts_with("src/store") || shown.starts_with("tests/") || shown.starts_with("benches/") {
            continue;
        }
        for line in code(&file) {
            assert!(!line.contains("sqlx::"), "{shown} uses sqlx: {line}");
            for statement in ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM"] {
                assert!(!line.contains(&format!("\"{statement}")), "{shown} has SQL: {line}");
            }
        }
    }
}

/// What each room may use of the others. A room that is not named may be used by all (`config`, `clock`, …).
const ROOMS: &[(&str, &[&str])] = &[
    ("rules", &[]),
    ("store", &[]),
    ("passculture", &["store"]),
    ("sandbox", &[]),
    ("catalogue", &["rules", "store", "passculture"]),
    ("booking", &["rules", "store", "passculture"]),
    ("allotment", &["rules", "store"]),
    ("countermarks", &["store", "passculture"]),
    ("notices", &["store", "passculture"]),
    ("delivery", &["store", "telemetry"]),
    (
        "gateway",
        &[
            "allotment",
            "rules",
            "store",
            "passculture",
            "catalogue",
            "booking",
            "notices",
            "delivery",
            "registry",
            "telemetry",
        ],
    ),
    ("health", &["store", "passculture", "gateway", "catalogue"]),
    (
        "web",
        &[
            "allotment",
            "store",
            "passculture",
            "gateway",
            "catalogue",
            "booking",
            "countermarks",
            "notices",
            "delivery",
            "health",
            "telemetry",
        ],
    ),
];

#[test]
fn rooms_know_only_the_rooms_below_them() {
    for (room, allowed) in ROOMS {
        for file in rust_files(&root().join("src").join(room)) {
            for line in code(&file) {
                for part in line.split("crate::").skip(1) {
                    let used: String =
                        part.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect();
                    let fine = used == *room
                        || ["config", "clock", ""].contains(&used.as_str())
                        || allowed.contains(&used.as_str());
                    assert!(fine, "{} (room `{room}`) uses `{used}`: {line}", file.display());
                }
            }
        }
    }
}

#[test]
fn every_vendor_has_the_same_rooms() {
    for name in vendors().keys() {
        let folder = root().join("adapters").join(name.trim_start_matches("passerelle-"));
        for needed in ["Cargo.toml", "README.md", "src/lib.rs", "src/facts.rs", "tests/conformance.rs"] {
            assert!(folder.join(needed).exists(), "{} is missing in {}", needed, folder.display());
        }
    }
}

#[test]
fn no_file_grows_into_a_drawer() {
    const MOST_LINES: usize = 700;
    for folder in ["src", "adapters", "tests", "benches"] {
        for file in rust_files(&root().join(folder)) {
            let lines = std::fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= MOST_LINES, "{} has {lines} lines: look for the seam", file.display());
        }
    }
}
