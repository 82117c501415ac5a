//! Checksums that the hub gives away by a file's ETag.
//!
//! Large files carry the SHA-256 of their contents (Git LFS), small ones Git's SHA-1 of the blob, which is the SHA-1
//! of `blob LENGTH\0` and the contents.

use std::fmt::Write;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Which checksum an ETag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// SHA-256 of the contents.
    Sha256,
    /// Git's SHA-1 of the contents, for which the length has to be known beforehand.
    Git {
        /// Bytes.
        length: u64,
    },
}

impl Checksum {
    /// Reads an ETag; `None` for one that is no checksum, as some mirrors have them.
    pub(super) fn of(etag: &str, size: Option<u64>) -> Option<Self> {
        let hexadecimal = etag.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match (etag.len(), size) {
            (64, _) if hexadecimal => Some(Checksum::Sha256),
            (40, Some(length)) if hexadecimal => Some(Checksum::Git { length }),
            _ => None,
        }
    }

    /// Starts to compute.
    pub(super) fn begin(self) -> Running {
        match self {
            Checksum::Sha256 => Running::Sha256(Sha256::new()),
            Checksum::Git { length } => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {length}\0"));
                Running::Git(hasher)
            }
        }
    }
}

/// A checksum that is being computed.
#[derive(Clone)]
pub(super) enum Running {
    Sha256(Sha256),
    Git(Sha1),
}

impl Running {
    /// Takes the next bytes of the contents.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        match self {
            Running::Sha256(hasher) => hasher.update(bytes),
            Running::Git(hasher) => hasher.update(bytes),
        }
    }

    /// Returns the checksum in lower-case hexadecimal digits, as ETags have it.
    pub(super) fn finish(self) -> String {
        match self {
            Running::Sha256(hasher) => hexadecimal(&hasher.finalize()),
            Running::Git(hasher) => hexadecimal(&hasher.finalize()),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_agree_with_their_programs() {
        let sum = |checksum: Checksum| {
            let mut running = checksum.begin();
            running.add(b"hel");
            running.add(b"lo\n");
            running.finish()
        };
        // `printf 'hello\n' | git hash-object --stdin`, `… | sha256sum`
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(sum(Checksum::of(git, Some(6)).expect("known")), git);
        assert_eq!(sum(Checksum::of(sha256, None).expect("known")), sha256);
        assert_eq!(Checksum::of("some-mirror-1", Some(6)), None);
        assert_eq!(Checksum::of(git, None), None);
    }
}
