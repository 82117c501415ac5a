//! Files as the formats read them: regular ones, unpacked and without a byte-order mark, until the work shall end.

use std::error::Error as StdError;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::manner::Manner;
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::{files, memory};

/// The variable that says how long one record may be, in MB.
const LONGEST: &str = "SAESCRIPT_MAX_RECORD_MB";

/// How long a record may be where nobody says: 256 MB, or less in a small budget. A file of a few kilobytes may unpack
/// to a line of many gigabytes.
const LONGEST_RECORD: u64 = 256 << 20;

/// Part of the memory budget that one record may take at most: it is copied on its way.
const SHARE: u64 = 8;

/// What UTF-8 files begin with that come from Windows. It is no part of the text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What texts in other encodings begin with.
const OTHER_MARKS: &[(&[u8], &str)] = &[
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
];

/// A file to be read, how, and whether to stop.
#[derive(Clone, Debug)]
pub(in crate::text) struct Input {
    pub path: PathBuf,
    pub manner: Manner,
    pub stop: StopFlag,
}

/// Why reading ends that could go on.
#[derive(Debug)]
enum Halt {
    Interrupted,
    TooLong,
}

impl fmt::Display for Halt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Halt::Interrupted => "reading was interrupted",
            Halt::TooLong => "the record is too long",
        })
    }
}

impl StdError for Halt {}

/// Returns the most bytes that one record may have.
pub(super) fn longest_record() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let given = std::env::var(LONGEST).ok();
        let given = given.and_then(|megabytes| megabytes.trim().parse::<u64>().ok());
        match given {
            Some(megabytes) => megabytes.max(1).saturating_mul(1 << 20),
            None => LONGEST_RECORD.min(memory::limit() / SHARE),
        }
    })
}

/// Says that one record, or what holds it, has more than [`longest_record`] bytes. `place` says which.
pub(super) fn too_long(place: &str) -> Error {
    let most = longest_record() >> 20;
    Error::input(format!(
        "{place}: the record is longer than {most} MB, the most that is taken into memory at once"
    ))
    .hint(format!(
        "check that the file is what it should be; {LONGEST} (now {most}) lets longer ones through"
    ))
}

/// Says that reading at `place` failed.
pub(super) fn broken(place: &str, error: &io::Error) -> Error {
    match error.get_ref().and_then(|halt| halt.downcast_ref()) {
        Some(halt @ Halt::Interrupted) => Error::interrupted(halt.to_string()),
        Some(Halt::TooLong) => too_long(place),
        None => Error::input(format!("{place}: the file cannot be read on: {error}"))
            .hint("the file may be cut short or damaged; fetch or write it again"),
    }
}

impl Input {
    /// Returns the file's bytes as they are.
    ///
    /// # Errors
    /// There is none, it may not be read, or it is no regular file.
    pub(super) fn file(&self) -> Result<Watched<File>> {
        let file = files::open(&self.path).map_err(|error| Error::io("read", &self.path, error))?;
        Ok(self.watched(file))
    }

    /// Returns the file's text, with `.gz` and `.zst` unpacked, after the byte-order mark if there is one.
    ///
    /// # Errors
    /// As of [`file`](Self::file); a mark of another encoding than UTF-8.
    pub(super) fn text(&self) -> Result<Watched<Box<dyn Read + Send>>> {
        let file = self.file()?;
        let mut text: Box<dyn Read + Send> =
            match self.path.extension().and_then(|extension| extension.to_str()) {
                Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
                Some("zst") => {
                    let unpacked = zstd::Decoder::new(file);
                    Box::new(unpacked.map_err(|error| broken(&format!("`{}`", self.path.display()), &error))?)
                }
                _ => Box::new(file),
            };
        let mut start = Vec::new();
        let read = text.by_ref().take(4).read_to_end(&mut start);
        // What is wrong with the file shows again when the format reads on.
        if read.is_ok()
            && let Some((_, encoding)) = OTHER_MARKS.iter().find(|(mark, _)| start.starts_with(mark))
        {
            return Err(Error::input(format!(
                "`{}` is {encoding} text, but texts are read as UTF-8",
                self.path.display()
            ))
            .hint(format!(
                "convert it, e.g. with `iconv -f {} -t utf-8`",
                encoding.to_lowercase()
            )));
        }
        if start.starts_with(BYTE_ORDER_MARK) {
            start.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(self.watched(Box::new(Cursor::new(start).chain(Failed(read.err())).chain(text))))
    }

    /// Returns the file's text as of [`text`](Self::text), with `end` behind it.
    ///
    /// # Errors
    /// As of [`text`](Self::text).
    pub(super) fn text_then(&self, end: &'static str) -> Result<Watched<Box<dyn Read + Send>>> {
        let text = self.text()?.chain(end.as_bytes());
        Ok(self.watched(Box::new(text)))
    }

    /// # Errors
    /// The work shall end.
    pub(super) fn check(&self) -> Result<()> {
        if self.stop.is_set() {
            Err(Error::interrupted(Halt::Interrupted.to_string()))
        } else {
            Ok(())
        }
    }

    fn watched<R>(&self, inner: R) -> Watched<R> {
        Watched {
            inner,
            stop: self.stop.clone(),
            record: Record::default(),
        }
    }
}

/// Nothing, after the error of an earlier reading if there was one.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0.take() {
            Some(error) => Err(error),
            None => Ok(0),
        }
    }
}

/// Reads until the work shall end.
pub(super) struct Watched<R> {
    inner: R,
    stop: StopFlag,
    record: Record,
}

/// Bytes read since a record began, for readers that keep a whole one and have no bound of their own.
#[derive(Clone, Default)]
pub(super) struct Record(Option<Arc<AtomicU64>>);

impl Record {
    /// Notes that a record begins.
    pub(super) fn begin(&self) {
        if let Some(bytes) = &self.0 {
            bytes.store(0, Ordering::Relaxed);
        }
    }
}

impl<R> Watched<R> {
    /// Has reading end in the midst of a record that is too long.
    pub(super) fn by_record(mut self) -> (Self, Record) {
        self.record = Record(Some(Arc::default()));
        let record = self.record.clone();
        (self, record)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Err(io::Error::other(Halt::Interrupted));
        }
        let read = self.inner.read(target)?;
        if let Some(bytes) = &self.record.0
            && bytes.fetch_add(read as u64, Ordering::Relaxed) > longest_record()
        {
            return Err(io::Error::other(Halt::TooLong));
        }
        Ok(read)
    }
}

impl<R: Seek> Seek for Watched<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// The name of a file in lower case, and without the `.gz` or `.zst` of a compressed one.
pub(super) fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let stem = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst"));
    stem.unwrap_or(&name).to_string()
}
