//! From a postal code to a department. pass Culture chooses price ceilings (and time zones) by it.

/// New Caledonia, where prices are converted to francs.
pub const NEW_CALEDONIA: &str = "988";

/// The department of a postal code, as pass Culture derives it; an empty text for anything that is no postal code.
///
/// Corsica is split by the third digit, Monaco is `98`, and overseas departments have three digits.
#[must_use]
pub fn department(postal_code: &str) -> &str {
    let code = postal_code.trim();
    if code.len() != 5 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return "";
    }
    match &code[..2] {
        "20" if code.starts_with("202") => "2B",
        "20" => "2A",
        _ if code.starts_with("980") => "98",
        two if two > "95" => &code[..3],
        two => two,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departments_follow_the_postal_code() {
        for (code, expected) in [
            ("75008", "75"),
            ("20000", "2A"),
            ("20200", "2B"),
            ("98000", "98"),
            ("97411", "974"),
            ("98800", "988"),
            ("97133", "971"),
            ("2000", ""),
            ("7500é", ""),
            ("", ""),
        ] {
            assert_eq!(department(code), expected, "{code}");
        }
    }
}
