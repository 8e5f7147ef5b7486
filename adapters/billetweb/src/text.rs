//! Text out of the vendor's HTML. Pure.

/// Longest description, in characters.
const LONGEST: usize = 20_000;
/// Beginnings of the tags that end a line.
const BLOCKS: [&str; 8] = ["p", "br", "div", "li", "h", "ul", "ol", "tr"];
/// Entities that French texts are full of; each is read once.
const ENTITIES: [(&str, &str); 7] = [
    ("&nbsp;", " "),
    ("&#039;", "’"),
    ("&rsquo;", "’"),
    ("&quot;", "\""),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&amp;", "&"),
];

/// The text of some HTML, line by line, at most so many characters of it; `None` when nothing is left.
pub(crate) fn plain(html: &str, longest: usize) -> Option<String> {
    let mut kept = String::with_capacity(html.len().min(LONGEST));
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            '<' if after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') => {
                if BLOCKS.iter().any(|block| after.trim_start_matches('/').starts_with(block)) {
                    kept.push('\n');
                }
                after.split_once('>').map_or("", |(_, after)| after)
            }
            '&' => match ENTITIES.iter().find_map(|(entity, text)| Some((text, rest.strip_prefix(entity)?))) {
                Some((text, after)) => {
                    kept.push_str(text);
                    after
                }
                None => {
                    kept.push(c);
                    after
                }
            },
            c => {
                kept.push(if c.is_control() { '\n' } else { c });
                after
            }
        };
    }
    let lines: Vec<&str> = kept.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text: String = lines.join("\n").chars().take(longest.min(LONGEST)).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_go_and_entities_are_read_once() {
        assert_eq!(
            plain("<p>L&#039;île &amp;lt; <b class=\"x\">nue</b></p>\r\n<br/>3 < 4", 100).as_deref(),
            Some("L’île &lt; nue\n3 < 4")
        );
        assert_eq!(plain("<script", 100), None);
        assert_eq!(plain(" &nbsp; ", 100), None);
        assert_eq!(plain("abcdef", 3).as_deref(), Some("abc"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[<>&;a-z#0-9é ]{0,60}", longest in 0_usize..40) {
            let _ = plain(&text, longest);
        }
    }
}
