//! A file on its way: fetched, and gone on with where it broke off.

use std::io::Read;

use super::body::Reply;
use super::body::cut;
use super::progress::Progress;
use super::request::header;
use super::retry::Patience;
use super::trouble::Trouble;
use crate::error::{Error, Result};

const PIECE: usize = 1 << 18;

/// The most bytes that are taken of a file whose length nobody tells: it might never end.
const LONGEST_UNANNOUNCED: u64 = 1 << 30;

/// Where the bytes of a file go.
pub trait Sink {
    /// Bytes that are there.
    fn length(&self) -> u64;

    /// Hears how long the whole will be, before the first byte comes.
    ///
    /// # Errors
    /// It is not what should come, or there is no room for it.
    fn expect(&mut self, size: u64) -> Result<()> {
        let _ = size;
        Ok(())
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// The disk is full, or cannot be written to.
    fn append(&mut self, bytes: &[u8], progress: &Progress) -> Result<()>;

    /// Throws away what is there.
    ///
    /// # Errors
    /// The disk cannot be written to.
    fn restart(&mut self, progress: &Progress) -> Result<()>;
}

/// Repeats `attempt` until it succeeds, makes no sense, or has failed too often without getting any further.
///
/// # Errors
/// The trouble that remains.
pub fn persist<S: Sink>(
    sink: &mut S,
    progress: &Progress,
    mut attempt: impl FnMut(&mut S) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut patience = Patience::new();
    let mut reached = sink.length();
    while let Err(trouble) = attempt(sink) {
        if sink.length() > reached {
            reached = sink.length();
            patience.renew();
        }
        patience.after(trouble, progress)?;
    }
    Ok(())
}

/// Fetches what is missing of a file. `condition` names the header and the value by which a server knows whether it
/// still has the file of which a part is there; `get` sends the request, and `size` says from the answer how long the
/// whole file is. Where the server does not send the part that was asked for, the file is begun anew.
///
/// # Errors
/// The answer breaks off or is of no use; the sink's errors.
pub fn receive<'p>(
    sink: &mut impl Sink,
    condition: Option<(&str, String)>,
    progress: &'p Progress,
    get: impl FnOnce(&[(&str, String)]) -> Result<Reply<'p>, Trouble>,
    size: impl FnOnce(&Reply<'p>) -> Result<Option<u64>, Trouble>,
) -> Result<(), Trouble> {
    let mut headers = Vec::new();
    if sink.length() > 0 {
        headers.push(("range", format!("bytes={}-", sink.length())));
        headers.extend(condition);
    }
    let reply = match get(&headers) {
        Err(Trouble::Refused(refusal)) if matches!(refusal.status, 412 | 416) && sink.length() > 0 => {
            sink.restart(progress)?;
            return Err(Trouble::Corrupt(
                "the unfinished file does not fit any more".into(),
            ));
        }
        other => other?,
    };
    let start = header(&reply, "content-range").and_then(|range| range_start(&range));
    match reply.status().as_u16() {
        206 if start == Some(sink.length()) => {}
        206 => {
            sink.restart(progress)?;
            return Err(Trouble::Corrupt(
                "the server sent another part than the one asked for".into(),
            ));
        }
        _ => sink.restart(progress)?,
    }
    let size = size(&reply)?;
    if let Some(size) = size.filter(|_| sink.length() == 0) {
        sink.expect(size)?;
    }
    let mut body = reply.into_body();
    let mut piece = vec![0; PIECE];
    loop {
        progress.check()?;
        match body.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => sink.append(&piece[..read], progress)?,
            Err(error) => return Err(cut(error)),
        }
        if size.is_some_and(|size| sink.length() > size) {
            return Ok(());
        }
        if size.is_none() && sink.length() > LONGEST_UNANNOUNCED {
            sink.restart(progress)?;
            return Err(Trouble::Local(Error::run(format!(
                "the server does not say how long the file is, and it does not end within {} GB",
                LONGEST_UNANNOUNCED >> 30
            ))));
        }
    }
}

/// The first byte's number in `bytes 100-199/200`.
fn range_start(range: &str) -> Option<u64> {
    range
        .trim()
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}
