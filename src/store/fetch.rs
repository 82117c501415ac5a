//! One file on its way here.

use crate::transfer::{self, Progress, Reply, Sink, Trouble, header};

/// Which contents are being fetched, as the server tells them apart.
#[derive(Default)]
struct Version {
    /// Bytes.
    size: Option<u64>,
    /// The header by which the rest is asked of the same contents only.
    condition: Option<(&'static str, String)>,
}

impl Version {
    fn of(reply: &Reply<'_>) -> Self {
        // `bytes 100-199/200`; a whole answer has its length.
        let size = match header(reply, "content-range") {
            Some(range) => range
                .rsplit('/')
                .next()
                .and_then(|total| total.trim().parse().ok()),
            None => header(reply, "content-length").and_then(|length| length.trim().parse().ok()),
        };
        let strong = header(reply, "etag").filter(|etag| !etag.starts_with("W/"));
        let condition = strong
            .map(|etag| ("if-match", etag))
            .or_else(|| header(reply, "last-modified").map(|date| ("if-unmodified-since", date)));
        Version { size, condition }
    }
}

/// Fetches what `get` answers with into `sink`, and the rest of it after a cut.
///
/// # Errors
/// What remains after all attempts; the sink's errors.
pub(super) fn fetch<'p, S: Sink>(
    sink: &mut S,
    get: impl Fn(&[(&str, String)]) -> Result<Reply<'p>, Trouble>,
    progress: &'p Progress,
) -> Result<(), Trouble> {
    let mut version = Version::default();
    transfer::persist(sink, progress, |sink| {
        progress.check()?;
        let begun = sink.length() > 0;
        if !begun || version.size != Some(sink.length()) {
            let condition = version.condition.clone();
            let size = |reply: &Reply<'p>| {
                let seen = Version::of(reply);
                if begun && reply.status() == 206 {
                    return if seen.size == version.size {
                        Ok(version.size)
                    } else {
                        Err(Trouble::Corrupt("it became another file meanwhile".into()))
                    };
                }
                version = seen;
                Ok(version.size)
            };
            transfer::receive(sink, condition, progress, &get, size)?;
        }
        let what = |size: u64| format!("{} bytes arrived of {size}", sink.length());
        match version.size {
            Some(size) if sink.length() < size => Err(Trouble::Broken(what(size))),
            Some(size) if sink.length() > size => {
                let what = what(size);
                sink.restart(progress)?;
                Err(Trouble::Corrupt(what))
            }
            _ => Ok(()),
        }
    })
}
