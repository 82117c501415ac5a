//! What files hold, told in one short line, so that what a run was begun with can be compared with what it would go on
//! with.
//!
//! Files of models and tokenizers are read whole, once: their digests are remembered by path, size and times. Data may
//! be as large as disks are, so of much data only samples are read, besides sizes and times. Files in the cache of a
//! hub are named by their contents already. None of this guards against an attacker; it finds accidents.

mod digest;
mod remembered;

use std::path::Path;

pub use digest::{content, of_text};

use crate::error::Result;

/// Data up to this many bytes in all are read whole.
const SMALL_DATA: u64 = 64 << 20;

/// Returns the contents of `files`, which are read whole: e.g. `2 files, 4 711 bytes, xxh3 0123456789abcdef`.
///
/// # Errors
/// A file that cannot be read.
pub fn of_files<P: AsRef<Path>>(files: &[P]) -> Result<String> {
    described(files, digest::whole)
}

/// Returns the contents of `files` of a data set, in their order. Up to 64 MiB are read whole; of more, each file
/// counts by its size, its time of change, and samples of its head, middle and tail.
///
/// # Errors
/// A file that cannot be read.
pub fn of_data<P: AsRef<Path>>(files: &[P]) -> Result<String> {
    let mut bytes = 0;
    for file in files {
        bytes += digest::size(file.as_ref())?;
    }
    if bytes <= SMALL_DATA {
        described(files, digest::read_whole)
    } else {
        described(files, digest::sampled)
    }
}

fn described<P: AsRef<Path>>(files: &[P], digest: impl Fn(&Path) -> Result<String>) -> Result<String> {
    let (mut bytes, mut digests) = (0, String::new());
    for file in files {
        bytes += digest::size(file.as_ref())?;
        digests.push_str(&digest(file.as_ref())?);
        digests.push('\n');
    }
    let count = match files.len() {
        1 => "1 file".to_string(),
        count => format!("{count} files"),
    };
    Ok(format!("{count}, {bytes} bytes, {}", of_text(&digests)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn contents_count_and_names_do_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths = ["a", "b", "c"].map(|name| folder.path().join(name));
        for (path, text) in paths.iter().zip(["one", "one", "two"]) {
            fs::write(path, text).expect("written");
        }
        let [a, b, c] = &paths;
        assert_eq!(of_files(&[a]).expect("read"), of_files(&[b]).expect("read"));
        assert_eq!(of_data(&[a, c]).expect("read"), of_data(&[b, c]).expect("read"));
        assert_ne!(of_data(&[a, c]).expect("read"), of_data(&[c, a]).expect("read"));
        assert!(
            of_files(&[a])
                .expect("read")
                .starts_with("1 file, 3 bytes, xxh3 ")
        );
        assert!(of_files(&[folder.path()]).is_err(), "a folder has no contents");
    }

    #[test]
    fn of_much_data_samples_are_read_and_changes_of_time_or_size_are_seen() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("large.jsonl");
        let file = File::create(&path).expect("made");
        // 100 GB that take no room, and no time to look at.
        file.set_len(100_000_000_000).expect("sparse");
        let digest = || of_data(&[&path]).expect("read");
        let before = digest();
        assert_eq!(before, digest());
        for place in [0, 50_000_000_000, 99_999_999_000] {
            let modified = fs::metadata(&path)
                .and_then(|about| about.modified())
                .expect("a time");
            file.write_all_at(b"x", place).expect("written");
            file.set_modified(modified).expect("set");
            let changed = digest();
            assert_ne!(before, changed, "a sample at {place}");
            file.write_all_at(b"\0", place).expect("written");
            file.set_modified(modified).expect("set");
            assert_eq!(before, digest());
        }
        file.write_all_at(b"x", 1 << 30).expect("written");
        assert_ne!(before, digest(), "the time");
    }
}
