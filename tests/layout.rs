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

/// Capitalised words in the sources that look like codes and are none.
const NO_CODES: [(&str, &str); 25] = [
    ("AddressLocation", "a model of pass Culture's validator"),
    ("DigitalLocation", "a model of pass Culture's validator"),
    ("PhysicalLocation", "a model of pass Culture's validator"),
    ("EventOfferCreation", "a model of pass Culture's validator"),
    ("BookingRequest", "the title of a schema"),
    ("VendorEvent", "the name of a schema"),
    ("VendorPlaces", "the name of a schema"),
    ("VendorStock", "the name of a schema"),
    ("VendorUse", "the name of a schema"),
    ("SecretRef", "the name of a schema"),
    ("WrittenDelay", "the name of a schema"),
    ("WrittenNumber", "the name of a schema"),
    ("PascalCase", "how a vendor writes names"),
    ("AnnulationPassCulture", "an operation of a vendor"),
    ("GetSeancesPassCulture", "an operation of a vendor"),
    ("ReservationPassCulture", "an operation of a vendor"),
    ("CodeErreur", "a field of a vendor"),
    ("IDFilm", "a field of a vendor"),
    ("IDFilmAlloCine", "a field of a vendor"),
    ("IDFilmAllocine", "a field of a vendor"),
    ("IDSeance", "a field of a vendor"),
    ("PostgreSQL", "an engine"),
    ("SQLite", "an engine"),
    ("ScreenX", "an experience of a showtime"),
    ("YmdHMS", "how a date is written"),
];

/// Codes that are explained although no literal of theirs is in the sources yet: rules that are about to print them.
const ANNOUNCED: [&str; 1] = ["ForeignCurrency"];

/// Sources that may print codes: everything but tests, simulators and the table of codes itself.
fn printing_sources() -> Vec<PathBuf> {
    let mut files = rust_files(&root().join("src"));
    for entry in std::fs::read_dir(root().join("adapters")).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("src").is_dir() && folder.file_name().is_some_and(|name| name != "testkit") {
            files.extend(rust_files(&folder.join("src")));
        }
    }
    let is_apart = |path: &Path| {
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        path.contains("/simulator")
            || path.starts_with("src/sandbox")
            || path.starts_with("src/codes")
            || path.ends_with("tests.rs")
    };
    files.retain(|path| !is_apart(path));
    files
}

/// The string literals of a file outside comments and its test module, with what stands before each.
fn literals(text: &str) -> Vec<(String, String)> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let (mut found, mut before, mut rest) = (Vec::new(), String::new(), text);
    while let Some(next) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(character) = rest.strip_prefix("'\"'") {
            rest = character;
        } else if let Some(literal) = rest.strip_prefix('"') {
            let mut end = 0;
            let bytes = literal.as_bytes();
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            let end = end.min(literal.len());
            found.push((before.clone(), literal[..end].to_owned()));
            before = "\"".to_owned();
            rest = literal.get(end + 1..).unwrap_or("");
        } else {
            before.push(next);
            if before.len() > 200 {
                before.clear();
            }
            rest = &rest[next.len_utf8()..];
        }
    }
    found
}

/// Is this literal a code? Words of two humps are; a word of one hump is where a code stands: behind a class, a status, `code:` or,
/// in a file with a function `code`, the arrow of a match.
fn is_code(before: &str, literal: &str, has_codes: bool) -> bool {
    let is_word = literal.len() < 40
        && literal.starts_with(|first: char| first.is_ascii_uppercase())
        && literal.chars().all(|character| character.is_ascii_alphabetic())
        && literal.chars().any(|character| character.is_ascii_lowercase());
    let humps = literal.chars().filter(char::is_ascii_uppercase).count();
    let before = before.trim_end();
    let last = before.rsplit(['(', ' ', '\n', '{']).next().unwrap_or("");
    let stands_as_code = before.ends_with("code:")
        || (has_codes && before.trim_end_matches('(').trim_end().ends_with("=>"))
        || (last.ends_with(',') && (last.starts_with("Class::") || last.starts_with("StatusCode::")));
    is_word && (humps > 1 || stands_as_code)
}

#[test]
fn every_code_that_can_be_printed_is_explained() {
    let mut printed: BTreeMap<String, PathBuf> = BTreeMap::new();
    // Also those in the middle of a sentence: `(StaleFile; …)`.
    let mut literal_words: BTreeSet<String> = BTreeSet::new();
    for path in printing_sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let has_codes = text.contains(" fn code(");
        for (before, literal) in literals(&text) {
            if is_code(&before, &literal, has_codes) {
                printed.entry(literal.clone()).or_insert_with(|| path.clone());
            }
            let words = literal.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
            literal_words.extend(words.map(str::to_owned));
        }
    }
    assert!(printed.len() > 150, "the parser finds codes: {}", printed.len());
    let unexplained: Vec<_> = printed
        .iter()
        .filter(|(code, _)| passerelle::codes::find(code).is_none())
        .filter(|(code, _)| !NO_CODES.iter().any(|(word, _)| word == code))
        .collect();
    assert!(unexplained.is_empty(), "add to src/codes, or to NO_CODES with a reason: {unexplained:#?}");
    let unprinted: Vec<&str> = passerelle::codes::all()
        .map(|entry| entry.code)
        .filter(|code| !literal_words.contains(*code) && !ANNOUNCED.contains(code))
        .collect();
    assert!(unprinted.is_empty(), "nothing prints these any more: {unprinted:?}");
    let arrived: Vec<&&str> = ANNOUNCED.iter().filter(|code| printed.contains_key(**code)).collect();
    assert!(arrived.is_empty(), "these are printed now; take them off ANNOUNCED: {arrived:?}");
}
