//! The one form of the API: a picture and its credit, as `multipart/form-data`.
//!
//! Pure: bytes in, fields out. What cannot be read is a form without a file, as the backend sees it.
//!
//! Invariant: reading takes time and memory in proportion to the body, which is bounded by the server.

/// Parts read; the rest is ignored.
const MAX_PARTS: usize = 20;

/// The fields that the picture route knows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) file: Option<Vec<u8>>,
    pub(crate) credit: Option<String>,
}

/// Reads a form by the value of its `Content-Type`.
pub(crate) fn read(content_type: &str, body: &[u8]) -> Form {
    let mut form = Form::default();
    let Some(boundary) = boundary(content_type) else { return form };
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // The first delimiter has no line before it.
    let body = [b"\r\n", body].concat();
    let mut rest = match find(&body, &delimiter) {
        Some(at) => body.get(at + delimiter.len()..).unwrap_or_default(),
        None => return form,
    };
    for _ in 0..MAX_PARTS {
        let Some(end) = find(rest, &delimiter).filter(|_| rest.starts_with(b"\r\n")) else { return form };
        let (part, after) = rest.split_at(end);
        rest = after.get(delimiter.len()..).unwrap_or_default();
        let Some(head_end) = find(part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(part.get(..head_end).unwrap_or_default()).into_owned();
        let content = part.get(head_end + 4..).unwrap_or_default();
        match (parameter(&head, "name").as_deref(), parameter(&head, "filename")) {
            // Without a file name it is a plain field, and no file.
            (Some("file"), Some(_)) => form.file = Some(content.to_vec()),
            (Some("credit"), None) => form.credit = Some(String::from_utf8_lossy(content).into_owned()),
            _ => {}
        }
    }
    form
}

fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        let value = value.trim_matches('"');
        (name.eq_ignore_ascii_case("boundary") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// A parameter of the part's `Content-Disposition`.
fn parameter(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    line.split(';').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"').to_owned())
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=\"b-1\"";

    fn form(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut body = String::new();
        for (disposition, content) in parts {
            body += &format!("--b-1\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n");
        }
        (body + "--b-1--\r\n").into_bytes()
    }

    #[test]
    fn a_file_needs_a_name_and_a_credit_is_optional() {
        let file = ("name=\"file\"; filename=\"a.png\"", "oc\r\ntets");
        let read_parts = |parts: &[(&str, &str)]| read(TYPE, &form(parts));
        let whole = Form { file: Some(b"oc\r\ntets".to_vec()), credit: Some("Moi".to_owned()) };
        assert_eq!(read_parts(&[("name=\"credit\"", "Moi"), file]), whole);
        assert_eq!(read_parts(&[file]).credit, None);
        assert_eq!(read_parts(&[("name=\"file\"", "texte")]), Form::default());
        assert_eq!(read("application/json", &form(&[file])), Form::default());
        assert_eq!(read(TYPE, b""), Form::default());
    }

    proptest! {
        #[test]
        fn no_body_can_stop_the_reader(body in "(--b-1|\r\n|:|;|=|\"|name|file){0,40}") {
            let _ = read(TYPE, body.as_bytes());
        }
    }
}
