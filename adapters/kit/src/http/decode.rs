//! Decompression in small steps, so that a bomb is seen before it has filled the memory.

use std::io::Write as _;

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Compressed bytes decoded between two looks at the limit: at deflate's best ratio (about 1 000) these become 4 MiB.
const STEP: usize = 4096;

/// How a body is packed.
pub(super) enum Decoder {
    /// As it is.
    Plain,
    /// `gzip`.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// `deflate`, whose first byte tells which of the two formats of that name it is.
    DeflateUnknown,
    /// `deflate` as the standard says.
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    /// `deflate` as some servers do.
    Deflate(Box<DeflateDecoder<Vec<u8>>>),
}

/// What decoding ran into.
pub(super) enum DecodeProblem {
    /// More than the limit.
    TooLarge,
    /// Not what the header says.
    Damaged(std::io::Error),
}

impl Decoder {
    /// The decoder for a `Content-Encoding`; `None` when it is not one that was asked for.
    pub(super) fn of(encoding: &str) -> Option<Self> {
        match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Plain),
            "gzip" | "x-gzip" => Some(Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            "deflate" => Some(Self::DeflateUnknown),
            _ => None,
        }
    }

    /// Decodes one piece, giving at most about `room` bytes.
    pub(super) fn push(&mut self, piece: &[u8], room: u64) -> Result<Vec<u8>, DecodeProblem> {
        if let (Self::DeflateUnknown, Some(first)) = (&*self, piece.first()) {
            // A zlib header's low four bits are 8; raw deflate has them so only in a block that packs nothing.
            *self = if first & 0x0f == 8 {
                Self::Zlib(Box::new(ZlibDecoder::new(Vec::new())))
            } else {
                Self::Deflate(Box::new(DeflateDecoder::new(Vec::new())))
            };
        }
        let mut out = Vec::new();
        for step in piece.chunks(STEP) {
            let decoded = match self {
                Self::Plain | Self::DeflateUnknown => step.to_vec(),
                Self::Gzip(decoder) => fed(decoder.write_all(step), decoder.get_mut())?,
                Self::Zlib(decoder) => fed(decoder.write_all(step), decoder.get_mut())?,
                Self::Deflate(decoder) => fed(decoder.write_all(step), decoder.get_mut())?,
            };
            if (out.len() + decoded.len()) as u64 > room {
                return Err(DecodeProblem::TooLarge);
            }
            out.extend_from_slice(&decoded);
        }
        Ok(out)
    }

    /// Says that no more comes, and gives what was held back.
    pub(super) fn finish(&mut self) -> Result<Vec<u8>, DecodeProblem> {
        match self {
            Self::Plain | Self::DeflateUnknown => Ok(Vec::new()),
            Self::Gzip(decoder) => fed(decoder.try_finish(), decoder.get_mut()),
            Self::Zlib(decoder) => fed(decoder.try_finish(), decoder.get_mut()),
            Self::Deflate(decoder) => fed(decoder.try_finish(), decoder.get_mut()),
        }
    }
}

fn fed(result: std::io::Result<()>, out: &mut Vec<u8>) -> Result<Vec<u8>, DecodeProblem> {
    result.map_err(DecodeProblem::Damaged)?;
    Ok(std::mem::take(out))
}
