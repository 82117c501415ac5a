//! One file from the hub into the cache.

use std::path::PathBuf;

use hf_hub::Repo;
use hf_hub::api::Progress;
use hf_hub::api::sync::Api;

use super::failure;
use crate::error::Result;
use crate::event::{Event, RunContext};

/// Downloads `file`, telling `context` how far it is; `None` if the repository does not have it.
pub(super) fn download(
    api: &Api,
    repo: &Repo,
    id: &str,
    file: &str,
    context: &RunContext,
) -> Result<Option<PathBuf>> {
    context.check("downloading")?;
    let progress = Reporter {
        context,
        done: 0,
        title: format!("downloading {id}/{file}"),
    };
    match api.repo(repo.clone()).download_with_progress(file, progress) {
        Ok(path) => Ok(Some(path)),
        Err(error) => failure::explain(&error, id, file),
    }
}

/// Turns the library's progress into events.
struct Reporter<'a> {
    context: &'a RunContext,
    done: u64,
    title: String,
}

impl Progress for Reporter<'_> {
    fn init(&mut self, size: usize, _: &str) {
        self.done = 0;
        let started = Event::TaskStarted {
            title: self.title.clone(),
            unit: "bytes",
            total: Some(size as u64),
        };
        // An observer's error cannot leave through the library; it comes up again with the next event outside.
        self.context.events.emit(started).ok();
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        let advanced = Event::TaskAdvanced {
            done: self.done,
            shown: Vec::new(),
        };
        self.context.events.emit(advanced).ok();
    }

    fn finish(&mut self) {
        self.context.events.emit(Event::TaskFinished).ok();
    }
}
