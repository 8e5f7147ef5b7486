//! A poster as its vendor has it → a picture as pass Culture wants it.
//!
//! Pure. pass Culture takes JPEG of two by three, 400 × 600 to 800 × 1200 pixels; posters come in any size and ratio. What is
//! decoded is bounded before it is decoded.
//!
//! Invariant: what [`frame`] gives is a JPEG of exactly two by three within those sizes.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, crop_imm, resize};
use image::{ImageFormat, ImageReader, Limits};

/// Largest file read, in bytes.
pub const MOST_BYTES: usize = 10_000_000;
/// Longest side read, in pixels.
pub const LONGEST_SIDE: u32 = 8_000;
/// Memory that decoding may take, in bytes.
const MOST_MEMORY: u64 = 200 * 1024 * 1024;
/// pass Culture: at least that wide, after framing.
const LEAST_WIDTH: u32 = 400;
/// pass Culture: at most that wide.
const MOST_WIDTH: u32 = 800;
/// Width divided by height of what is still a poster: framing a banner would leave nothing of it.
const RATIOS: std::ops::RangeInclusive<f64> = 0.4..=1.5;
/// Of the JPEG written, 1–100: a poster stays below 400 kB.
const QUALITY: u8 = 88;

/// Why a picture is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureProblem {
    /// More than [`MOST_BYTES`].
    #[error("PictureTooLarge: the file is larger than 10 MB")]
    TooManyBytes,
    /// Neither JPEG nor PNG, or damaged.
    #[error("NoPicture: the file is no JPEG or PNG, or it is damaged")]
    NoPicture,
    /// More pixels than are worth decoding.
    #[error("TooManyPixels: a side is longer than 8000 pixels")]
    TooManyPixels,
    /// Smaller than pass Culture takes.
    #[error("PictureTooSmall: less than 400 × 600 pixels once it is framed two by three")]
    TooSmall,
    /// Far from a poster's shape.
    #[error("OddRatio: the picture is too wide or too narrow for a poster")]
    OddRatio,
}

/// Crops to the middle, two by three, scales down, and writes a JPEG.
///
/// # Errors
/// [`PictureProblem`]. Takes up to a second on a large picture: keep it off threads that others wait for.
pub fn frame(bytes: &[u8]) -> Result<Vec<u8>, PictureProblem> {
    if bytes.len() > MOST_BYTES {
        return Err(PictureProblem::TooManyBytes);
    }
    let (width, height) = reader(bytes)?.into_dimensions().map_err(|_| PictureProblem::NoPicture)?;
    if width > LONGEST_SIDE || height > LONGEST_SIDE {
        return Err(PictureProblem::TooManyPixels);
    }
    let (cut_width, cut_height) = two_by_three(width, height);
    if !RATIOS.contains(&(f64::from(width) / f64::from(height.max(1)))) {
        return Err(PictureProblem::OddRatio);
    }
    if cut_width < LEAST_WIDTH {
        return Err(PictureProblem::TooSmall);
    }
    let picture = reader(bytes)?.decode().map_err(|_| PictureProblem::NoPicture)?.into_rgb8();
    let cut = crop_imm(&picture, (width - cut_width) / 2, (height - cut_height) / 2, cut_width, cut_height);
    // Even widths, so that the height is exactly half as long again.
    let target = cut_width.min(MOST_WIDTH) & !1;
    let framed = resize(&*cut, target, target / 2 * 3, FilterType::Triangle);
    let mut written = Vec::new();
    JpegEncoder::new_with_quality(&mut written, QUALITY)
        .encode_image(&framed)
        .map_err(|_| PictureProblem::NoPicture)?;
    Ok(written)
}

fn reader(bytes: &[u8]) -> Result<ImageReader<Cursor<&[u8]>>, PictureProblem> {
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| PictureProblem::NoPicture)?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return Err(PictureProblem::NoPicture);
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    Ok(reader)
}

/// The largest part of two by three.
fn two_by_three(width: u32, height: u32) -> (u32, u32) {
    let by_height = height / 3 * 2;
    if by_height <= width { (by_height, height / 3 * 3) } else { (width & !1, (width & !1) / 2 * 3) }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};
    use proptest::prelude::*;

    use super::*;

    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        DynamicImage::ImageRgb8(RgbImage::new(width, height)).write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    fn framed(width: u32, height: u32) -> Result<(u32, u32), PictureProblem> {
        let bytes = frame(&picture(width, height, ImageFormat::Jpeg))?;
        assert!(bytes.starts_with(b"\xff\xd8\xff"));
        Ok(ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().into_dimensions().unwrap())
    }

    #[test]
    fn a_poster_becomes_two_by_three_within_the_sizes() {
        assert_eq!(framed(600, 800), Ok((532, 798)));
        assert_eq!(framed(2_000, 3_000), Ok((800, 1_200)));
        assert_eq!(framed(900, 900), Ok((600, 900)));
        assert_eq!(framed(400, 600), Ok((400, 600)));
        assert!(frame(&picture(500, 750, ImageFormat::Png)).is_ok());
    }

    #[test]
    fn what_is_no_poster_says_why() {
        assert_eq!(framed(300, 450), Err(PictureProblem::TooSmall));
        assert_eq!(framed(3_000, 900), Err(PictureProblem::OddRatio));
        assert_eq!(framed(600, 2_000), Err(PictureProblem::OddRatio));
        assert_eq!(framed(8_001, 8_100), Err(PictureProblem::TooManyPixels));
        assert_eq!(frame(b"<html>"), Err(PictureProblem::NoPicture));
        assert_eq!(frame(b"GIF89a......"), Err(PictureProblem::NoPicture));
        assert_eq!(frame(&vec![0; MOST_BYTES + 1]), Err(PictureProblem::TooManyBytes));
        let whole = picture(500, 750, ImageFormat::Png);
        assert_eq!(frame(&whole[..whole.len() / 2]), Err(PictureProblem::NoPicture));
    }

    proptest! {
        #[test]
        fn any_size_gives_a_cut_of_two_by_three_inside_it(width in 1_u32..9_000, height in 1_u32..9_000) {
            let (cut_width, cut_height) = two_by_three(width, height);
            prop_assert!(cut_width <= width && cut_height <= height);
            prop_assert_eq!(cut_width * 3, cut_height * 2);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = frame(&bytes);
        }
    }
}
