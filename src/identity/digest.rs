//! Digests of single files and texts.

use std::fs::{File, Metadata};
use std::hash::Hasher;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use twox_hash::XxHash3_64;

use super::remembered::{self, Stamp};
use crate::error::{Error, Result};

/// The part of a file that is read at a time.
const PIECE: usize = 1 << 20;

/// The length of one sample.
const SAMPLE: u64 = 64 << 10;

/// Smaller files are read again rather than remembered.
const WORTH_REMEMBERING: u64 = 8 << 20;

/// Returns the digest of `text`: `xxh3 0123456789abcdef`.
pub fn of_text(text: &str) -> String {
    content(text.as_bytes())
}

/// Returns the digest of `bytes`.
pub fn content(bytes: &[u8]) -> String {
    shown(XxHash3_64::oneshot(bytes))
}

fn shown(hash: u64) -> String {
    format!("xxh3 {hash:016x}")
}

fn opened(path: &Path) -> Result<(File, Metadata)> {
    // Whatever is no file (a pipe, a device) could keep its reader waiting for ever.
    regular(path)?;
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    let about = file.metadata().map_err(|error| Error::io("read", path, error))?;
    Ok((file, about))
}

fn regular(path: &Path) -> Result<Metadata> {
    let about = std::fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    if about.is_file() {
        Ok(about)
    } else {
        Err(Error::input(format!("`{}` is not a file", path.display())))
    }
}

/// Returns the size of a file in bytes.
pub(super) fn size(path: &Path) -> Result<u64> {
    Ok(regular(path)?.len())
}

/// Returns the digest of a whole file: of one in a hub's cache its name, else remembered, else read.
pub(super) fn whole(path: &Path) -> Result<String> {
    if let Some(name) = name_in_hub_cache(path) {
        return Ok(name);
    }
    let (_, about) = opened(path)?;
    if about.len() < WORTH_REMEMBERING {
        return read_whole(path);
    }
    let full = path
        .canonicalize()
        .map_err(|error| Error::io("read", path, error))?;
    let Some(stamp) = Stamp::of(&about) else {
        return read_whole(path);
    };
    if let Some(digest) = remembered::recall(&full, &stamp) {
        return Ok(digest);
    }
    let digest = read_whole(path)?;
    remembered::remember(&full, &stamp, &digest);
    Ok(digest)
}

/// Returns the digest of a whole file, read now.
pub(super) fn read_whole(path: &Path) -> Result<String> {
    let (mut file, _) = opened(path)?;
    let mut hasher = XxHash3_64::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file
            .read(&mut piece)
            .map_err(|error| Error::io("read", path, error))?;
        if read == 0 {
            return Ok(shown(hasher.finish()));
        }
        hasher.write(&piece[..read]);
    }
}

/// Returns the digest of a file's size, its time of change, and three samples. Its cost does not depend on its size.
pub(super) fn sampled(path: &Path) -> Result<String> {
    use std::os::unix::fs::FileExt;
    let (file, about) = opened(path)?;
    let length = about.len();
    let changed = about.modified().ok();
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let mut hasher = XxHash3_64::new();
    hasher.write_u64(length);
    hasher.write_u128(changed.unwrap_or_default().as_nanos());
    let middle = (length / 2).saturating_sub(SAMPLE / 2);
    for start in [0, middle, length.saturating_sub(SAMPLE)] {
        let mut sample = vec![0; SAMPLE.min(length - start) as usize];
        file.read_exact_at(&mut sample, start)
            .map_err(|error| Error::io("read", path, error))?;
        hasher.write(&sample);
    }
    Ok(shown(hasher.finish()))
}

/// The name of the contents, where `path` leads into a hub's cache: `…/models--org--name/blobs/SHA`.
fn name_in_hub_cache(path: &Path) -> Option<String> {
    let blob = path.canonicalize().ok()?;
    let (name, blobs) = (blob.file_name()?.to_str()?, blob.parent()?);
    let repository = blobs.parent()?.file_name()?.to_str()?;
    let in_cache = blobs.file_name()? == "blobs" && repository.contains("--");
    let is_sum = matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (in_cache && is_sum).then(|| format!("hub {name}"))
}
