//! The picture of an offer, sent as a form.
//!
//! The form is written here: two parts need no library.

use passerelle_contract::Class;
use reqwest::Method;
use sha2::{Digest, Sha256};

use super::send::{Meaning, SendError, Write, refused_here};
use crate::passculture::client::Client;
use crate::passculture::transport::Content;

/// Largest picture, in bytes.
pub const MAX_PICTURE_BYTES: usize = 10_000_000;
/// Longest credit, in characters; the rest is cut.
pub const MAX_CREDIT_CHARS: usize = 255;

const OPERATION: &str = "put the picture";

const REFUSED: Meaning = Meaning {
    status: 400,
    key: "file",
    class: Class::Data,
    code: "PictureRefused",
    what: "pass Culture does not take this picture",
    remedy: "offer a JPEG or PNG of at least 400 by 600 pixels, two by three; the offer stays without it",
};

impl Client {
    /// Puts the picture of an offer in place of the one it has. JPEG, PNG or WebP, at most [`MAX_PICTURE_BYTES`], at least
    /// 400 × 400 pixels, its width divided by its height between 0.627 and 0.706; pass Culture makes it 750 pixels wide.
    ///
    /// # Errors
    /// [`SendError`]; `PictureRefused`, some without asking, or `NoSuchOffer`.
    pub async fn put_picture(&self, offer_id: i64, picture: &[u8], credit: Option<&str>) -> Result<(), SendError> {
        let refused = |what: String| refused_here(OPERATION, REFUSED.code, REFUSED.key, what, REFUSED.remedy);
        if picture.len() > MAX_PICTURE_BYTES {
            return Err(refused(format!("{} bytes; pass Culture takes {MAX_PICTURE_BYTES}", picture.len())));
        }
        let Some((name, kind)) = format_of(picture) else {
            return Err(refused("it is neither JPEG nor PNG nor WebP".to_owned()));
        };
        let credit: Option<String> = credit.map(|credit| credit.chars().take(MAX_CREDIT_CHARS).collect());
        let (boundary, bytes) = form(picture, name, kind, credit.as_deref());
        let path = format!("/public/offers/v1/{offer_id}/image");
        let write = Write { method: Method::POST, ..Write::change(OPERATION, &path, &[REFUSED]) };
        self.write_raw(&write, Some(Content::Form { boundary: &boundary, bytes: &bytes })).await.map(drop)
    }
}

/// A file's name and media type by its first bytes.
fn format_of(picture: &[u8]) -> Option<(&'static str, &'static str)> {
    if picture.starts_with(b"\xff\xd8\xff") {
        Some(("picture.jpg", "image/jpeg"))
    } else if picture.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(("picture.png", "image/png"))
    } else if picture.starts_with(b"RIFF") && picture.get(8..12) == Some(b"WEBP") {
        Some(("picture.webp", "image/webp"))
    } else {
        None
    }
}

/// The form and its boundary, a fingerprint of what it encloses: nothing holds its own.
fn form(picture: &[u8], name: &str, kind: &str, credit: Option<&str>) -> (String, Vec<u8>) {
    let fingerprint = Sha256::new().chain_update(credit.unwrap_or_default()).chain_update(picture).finalize();
    // A boundary has at most 70 characters (RFC 2046).
    let boundary = hex::encode(fingerprint);
    let mut bytes = Vec::with_capacity(picture.len() + 1_024);
    if let Some(credit) = credit {
        let part = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"credit\"\r\n\r\n{credit}\r\n");
        bytes.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(picture);
    bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (boundary, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_the_credit_first_and_the_file_with_its_name() {
        let (boundary, bytes) = form(b"\xff\xd8\xffpixels", "picture.jpg", "image/jpeg", Some("© Une Affiche"));
        assert!(boundary.len() <= 70, "{boundary}");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with(&format!("--{boundary}\r\nContent-Disposition: form-data; name=\"credit\"\r\n\r\n©")));
        assert!(text.contains("filename=\"picture.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"), "{text}");
        assert!(bytes.ends_with(format!("pixels\r\n--{boundary}--\r\n").as_bytes()));
    }

    #[test]
    fn a_format_is_known_by_its_first_bytes() {
        assert_eq!(format_of(b"\xff\xd8\xff\xe0").map(|(_, kind)| kind), Some("image/jpeg"));
        assert_eq!(format_of(b"\x89PNG\r\n\x1a\nIHDR").map(|(_, kind)| kind), Some("image/png"));
        assert_eq!(format_of(b"RIFF\0\0\0\0WEBPVP8 ").map(|(_, kind)| kind), Some("image/webp"));
        for other in [b"".as_slice(), b"GIF89a", b"RIFF", b"<html>"] {
            assert_eq!(format_of(other), None);
        }
    }
}
