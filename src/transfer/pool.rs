//! Several requests at once, on a few threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, unbounded};

use super::progress::Progress;
use super::trouble::Trouble;
use crate::error::Result;
use crate::event::{Event, RunContext};

/// Files fetched at the same time.
const THREADS: usize = 4;

/// How often observers hear of progress, and an interruption is looked for.
const TICK: Duration = Duration::from_millis(100);

/// What ended the work on several items.
pub struct Failed {
    /// The number of the item it came from, if it came from one.
    pub item: Option<usize>,
    /// What it was.
    pub trouble: Trouble,
}

/// Runs `work` on every item, a few at a time, and gives the results in the order of the items.
///
/// The calling thread reports meanwhile: remarks, and the bytes under the running task if there is one.
///
/// # Errors
/// The first trouble that came up; an interruption; what an observer says. The other items are then left.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    progress: &Progress,
    context: &RunContext,
    has_task: bool,
    work: impl Fn(&T) -> Result<R, Trouble> + Sync,
) -> Result<Vec<R>, Failed> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = unbounded();
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let mut failed = None;
    thread::scope(|scope| {
        for _ in 0..THREADS.min(items.len()) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                while let Some((index, item)) = take(items, next) {
                    let result = work(item);
                    let broken = result.is_err();
                    if sender.send((index, result)).is_err() || broken {
                        return;
                    }
                }
            });
        }
        drop(sender);
        loop {
            let received = receiver.recv_timeout(TICK);
            if failed.is_none()
                && let Err(error) = report(progress, context, has_task)
            {
                failed = Some(Failed {
                    item: None,
                    trouble: Trouble::Local(error),
                });
            }
            match received {
                Ok((index, Ok(result))) => results[index] = Some(result),
                Ok((index, Err(trouble))) => {
                    failed.get_or_insert(Failed {
                        item: Some(index),
                        trouble,
                    });
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if failed.is_some() {
                progress.cancel();
            }
        }
    });
    match failed {
        Some(failed) => Err(failed),
        None => Ok(results.into_iter().flatten().collect()),
    }
}

/// Runs `work` on a thread of its own, so that this one can report meanwhile.
///
/// # Errors
/// As [`each`].
pub fn one<R: Send>(
    context: &RunContext,
    work: impl Fn(&Progress) -> Result<R, Trouble> + Sync,
) -> Result<R, Trouble> {
    let progress = Progress::default();
    let done = each(&[()], &progress, context, false, |()| work(&progress));
    let done = done.map_err(|failed| failed.trouble)?;
    done.into_iter()
        .next()
        .ok_or_else(|| Trouble::Broken("a thread ended unexpectedly".into()))
}

fn take<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, items.get(index)?))
}

fn report(progress: &Progress, context: &RunContext, has_task: bool) -> Result<()> {
    for remark in progress.take_remarks() {
        context.events.note(remark)?;
    }
    if has_task {
        context.events.emit(Event::TaskAdvanced {
            done: progress.bytes(),
            shown: Vec::new(),
        })?;
    }
    context.check("the download")
}
