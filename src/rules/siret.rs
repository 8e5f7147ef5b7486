//! SIRET and RIDET: the numbers by which French venues are known.

/// SIREN of La Poste, whose establishments carry numbers that fail the usual key.
const LA_POSTE: &str = "356000000";

/// Is this a SIRET with a right key, or a New Caledonian RIDET in pass Culture's form (`NC` + 10 digits + `XX`)?
#[must_use]
pub fn is_siret_or_ridet(text: &str) -> bool {
    is_siret(text) || is_ridet(text)
}

fn is_siret(text: &str) -> bool {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let digits = || text.bytes().map(|byte| u32::from(byte - b'0'));
    luhn(digits().rev()) || (text.starts_with(LA_POSTE) && digits().sum::<u32>() % 5 == 0)
}

fn is_ridet(text: &str) -> bool {
    text.strip_prefix("NC")
        .and_then(|rest| rest.strip_suffix("XX"))
        .is_some_and(|digits| digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Luhn's key over digits given from the right.
fn luhn(from_the_right: impl Iterator<Item = u32>) -> bool {
    let sum: u32 = from_the_right
        .enumerate()
        .map(|(at, digit)| match at % 2 {
            0 => digit,
            _ if digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers() {
        for (text, good) in [
            ("85331845900049", true),
            ("73282932000074", true),
            ("35600000000048", true),
            ("35600000000001", true),
            ("35600000000002", false),
            ("12345678900012", false),
            ("8533184590004", false),
            ("NC1234567001XX", true),
            ("NC1234567001", false),
            ("", false),
        ] {
            assert_eq!(is_siret_or_ridet(text), good, "{text}");
        }
    }
}
