//! Pictures: their header is read, their size and ratio checked, nothing else of them kept.
//!
//! PNG, JPEG and WebP headers are read here; of other formats only the name is known, to refuse them by it.
//!
//! Invariant: no picture is decoded, so that none can cost more than its bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::errors::Answer;
use super::offer::Image;
use super::offer_body::ImageBody;
use super::state::World;

/// Largest picture, in bytes.
const MAX_BYTES: usize = 10_000_000;
/// Smallest picture in a JSON body, as width and height in pixels.
const JSON_MIN: (u32, u32) = (400, 600);
/// Largest picture in a JSON body.
const JSON_MAX: (u32, u32) = (800, 1200);
/// Smallest picture uploaded as a form; there is no largest.
const UPLOAD_MIN: (u32, u32) = (400, 400);
/// Width over height.
const RATIO: f64 = 2.0 / 3.0;
const RATIO_TOLERANCE: f64 = 0.04;

const NOT_AN_IMAGE: &str = "The file is not a valid image.";

/// A picture that passed, not yet kept.
#[derive(Debug)]
pub(super) struct Checked {
    credit: Option<String>,
}

impl Checked {
    /// The picture as an offer shows it.
    pub(super) fn keep(self, world: &mut World) -> Image {
        // The backend serves its own re-encoded copy; the sandbox serves none.
        let url = format!("https://storage.sandbox.invalid/thumbs/mediations/{}", world.next_id());
        Image { credit: self.credit, url }
    }
}

/// A picture of a JSON body.
pub(super) fn check_json(image: ImageBody) -> Result<Checked, Answer> {
    let refuse = |message: String| Answer::plain(400, "imageFile", &message);
    let text: String = image.file.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(text).map_err(|_| refuse(NOT_AN_IMAGE.to_owned()))?;
    check(&bytes, JSON_MIN, Some(JSON_MAX)).map_err(refuse)?;
    Ok(Checked { credit: image.credit })
}

/// A picture uploaded as a form.
pub(super) fn check_upload(bytes: &[u8], credit: Option<String>) -> Result<Checked, Answer> {
    check(bytes, UPLOAD_MIN, None).map_err(|message| Answer::plain(400, "file", &message))?;
    Ok(Checked { credit })
}

fn check(bytes: &[u8], min: (u32, u32), max: Option<(u32, u32)>) -> Result<(), String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("The file is too large. It must be less than {MAX_BYTES} bytes."));
    }
    let (width, height) = match header(bytes) {
        Header::Image { width, height } => (width, height),
        Header::OtherFormat => {
            return Err(
                "The image format is not accepted. It must be in ('png', 'jpg', 'jpeg', 'mpo', 'webp').".to_owned()
            );
        }
        Header::Unknown => return Err(NOT_AN_IMAGE.to_owned()),
    };
    if width < min.0 || height < min.1 {
        // The message names the JSON minimum on both routes.
        return Err(format!("The image is too small. It must be above {}x{} pixels.", JSON_MIN.0, JSON_MIN.1));
    }
    if let Some(max) = max
        && (width > max.0 || height > max.1)
    {
        return Err(format!("The image is too large. It must be below {}x{} pixels.", max.0, max.1));
    }
    let ratio = f64::from(width) / f64::from(height);
    if (ratio - RATIO).abs() > RATIO_TOLERANCE {
        return Err(format!("Bad image ratio: expected {}, found {}", four(RATIO), four(ratio)));
    }
    Ok(())
}

/// The first four characters of a float as Python writes it.
fn four(value: f64) -> String {
    format!("{value:?}").chars().take(4).collect()
}

/// What a file's first bytes say it is.
#[derive(Debug, PartialEq, Eq)]
enum Header {
    Image { width: u32, height: u32 },
    OtherFormat,
    Unknown,
}

fn header(bytes: &[u8]) -> Header {
    let size = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png_size(bytes)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        jpeg_size(bytes)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        webp_size(bytes)
    } else {
        let others: [&[u8]; 6] = [b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"\0\0\x01\0"];
        return if others.iter().any(|magic| bytes.starts_with(magic)) { Header::OtherFormat } else { Header::Unknown };
    };
    match size {
        Some((width, height)) if width > 0 && height > 0 => Header::Image { width, height },
        _ => Header::Unknown,
    }
}

fn big(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(count)?)?;
    Some(part.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)))
}

fn little(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(count)?)?;
    Some(part.iter().rev().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)))
}

fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let is_header = bytes.get(12..16) == Some(b"IHDR");
    is_header.then_some((big(bytes, 16, 4)?, big(bytes, 20, 4)?))
}

/// Walks the segments up to the frame header.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        match *bytes.get(at + 1)? {
            // Fill bytes, and markers that stand alone.
            0xff => at += 1,
            0x01 | 0xd0..=0xd7 => at += 2,
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Some((big(bytes, at + 7, 2)?, big(bytes, at + 5, 2)?));
            }
            // Image data or the end before any frame.
            0xd9 | 0xda => return None,
            _ => at += 2 + usize::try_from(big(bytes, at + 2, 2)?).ok()?.max(2),
        }
    }
}

fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8 " => Some((little(bytes, 26, 2)? & 0x3fff, little(bytes, 28, 2)? & 0x3fff)),
        b"VP8L" => {
            let bits = little(bytes, 21, 4)?;
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        b"VP8X" => Some((little(bytes, 24, 3)? + 1, little(bytes, 27, 3)? + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 9, 9, 0xff, 0xff, 0xc2, 0, 11, 8];
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes
    }

    fn webp(kind: &[u8; 4], rest: &[u8]) -> Vec<u8> {
        [b"RIFF\0\0\0\0WEBP".as_slice(), kind, rest].concat()
    }

    #[test]
    fn sizes_are_read_from_the_header_of_each_format() {
        let size = Header::Image { width: 400, height: 600 };
        let vp8 = webp(b"VP8 ", &[0, 0, 0, 0, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x90, 0x01, 0x58, 0x02]);
        let lossless: u32 = 399 | (599 << 14);
        let vp8l = webp(b"VP8L", &[&[0, 0, 0, 0, 0x2f], lossless.to_le_bytes().as_slice()].concat());
        let vp8x = webp(b"VP8X", &[0, 0, 0, 0, 0, 0, 0, 0, 0x8f, 0x01, 0, 0x57, 0x02, 0]);
        for bytes in [png(400, 600), jpeg(400, 600), vp8, vp8l, vp8x] {
            assert_eq!(header(&bytes), size, "{bytes:?}");
        }
        for bytes in [b"GIF89a..".as_slice(), b"BM...."] {
            assert_eq!(header(bytes), Header::OtherFormat);
        }
        for bytes in [b"".as_slice(), b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xda"] {
            assert_eq!(header(bytes), Header::Unknown);
        }
    }

    #[test]
    fn each_route_has_its_own_sizes_and_both_have_one_ratio() {
        let too_small = Err("The image is too small. It must be above 400x600 pixels.".to_owned());
        let too_large = Err("The image is too large. It must be below 800x1200 pixels.".to_owned());
        let ratio = |found: &str| Err(format!("Bad image ratio: expected 0.66, found {found}"));
        for (width, height, in_json, in_form) in [
            (400, 600, Ok(()), Ok(())),
            (800, 1200, Ok(()), Ok(())),
            (399, 600, too_small.clone(), too_small.clone()),
            (400, 599, too_small.clone(), Ok(())),
            (1000, 1500, too_large.clone(), Ok(())),
            (600, 600, ratio("1.0"), ratio("1.0")),
            (423, 600, Ok(()), Ok(())),
            (425, 600, ratio("0.70"), ratio("0.70")),
            (400, 640, ratio("0.62"), ratio("0.62")),
        ] {
            assert_eq!(check(&png(width, height), JSON_MIN, Some(JSON_MAX)), in_json, "{width}x{height}");
            assert_eq!(check(&png(width, height), UPLOAD_MIN, None), in_form, "{width}x{height}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_can_stop_the_header_reader(start in 0usize..4, rest in prop::collection::vec(any::<u8>(), 0..64)) {
            let starts: [&[u8]; 4] = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8X"];
            let bytes = [starts[start], &rest].concat();
            let _ = header(&bytes);
        }
    }
}
