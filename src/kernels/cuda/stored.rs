//! Compiled kernels, kept in `kernels/` of the cache folder under the hash of what they were made from. The folder is a
//! convenience: what is missing, damaged or cannot be written costs a second and nothing else.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::{atomic, files};

/// What every compiled program holds.
const MARK: &[u8] = b".version";

/// Returns what `make` makes of `facts` (the text, the architecture, the driver), or what it made in an earlier process.
///
/// # Errors
/// Those of `make`.
pub fn kept(facts: &[&str], make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let folder = files::cache_folder().map(|folder| folder.join("kernels"));
    kept_in(folder.as_deref(), facts, make)
}

fn kept_in(folder: Option<&Path>, facts: &[&str], make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let Some(folder) = folder else { return make() };
    let mut hash = Sha256::new();
    for fact in facts {
        hash.update((fact.len() as u64).to_le_bytes());
        hash.update(fact);
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let file = folder.join(format!("{hash}.ptx"));
    if let Ok(image) = std::fs::read(&file)
        && let Some(image) = checked(image)
    {
        return Ok(image);
    }
    let image = make()?;
    if std::fs::create_dir_all(folder).is_ok() {
        // A cache that cannot be written is none.
        let _ = atomic::write(&file, with_sum(&image));
    }
    Ok(image)
}

/// Returns an image with its checksum behind it.
fn with_sum(image: &[u8]) -> Vec<u8> {
    let sum = crc32c::crc32c(image).to_le_bytes();
    [image, &sum[..]].concat()
}

/// Returns an image without its checksum, if it is sound.
fn checked(mut stored: Vec<u8>) -> Option<Vec<u8>> {
    let length = stored.len().checked_sub(4)?;
    let sum = crc32c::crc32c(&stored[..length]).to_le_bytes();
    let is_sound = stored[length..] == sum && stored.windows(MARK.len()).any(|part| part == MARK);
    stored.truncate(length);
    is_sound.then_some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn what_was_made_is_made_once_for_the_same_facts_and_again_where_it_is_damaged() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path().join("kernels");
        let make = |image: &'static [u8]| move || Ok(image.to_vec());
        let never = || Err(Error::run("made twice"));
        let first = kept_in(Some(&place), &["text", "90"], make(b".version 1")).expect("made");
        assert_eq!(
            kept_in(Some(&place), &["text", "90"], never).expect("kept"),
            first
        );
        let other = kept_in(Some(&place), &["text9", "0"], make(b".version 2")).expect("made");
        assert_ne!(other, first);
        for entry in std::fs::read_dir(&place).expect("a folder") {
            let file = entry.expect("a file").path();
            let mut bytes = std::fs::read(&file).expect("readable");
            bytes[3] ^= 1;
            std::fs::write(&file, bytes).expect("writable");
        }
        let again = kept_in(Some(&place), &["text", "90"], make(b".version 3")).expect("made");
        assert_eq!(again, b".version 3");
        assert!(kept_in(Some(&place), &["broken"], never).is_err());
        assert_eq!(kept_in(None, &[], make(b"x")).expect("made"), b"x");
    }
}
