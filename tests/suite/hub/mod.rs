//! The hub: its protocol with all its refusals and accidents, the cache that Python shares, and whole programs that
//! load models, data sets and dictionaries from it.

mod client;
mod programs;
mod refusals;
pub mod server;

use std::path::Path;
use std::sync::{Arc, Mutex};

use saescript::Result;
use saescript::event::{Control, Event, Observer, RunContext};
use saescript::hub::{HubSettings, RepoKind, Repository};

use server::Hub;

/// Settings for the hub of a test, with a cache of its own.
fn settings(hub: &Hub, cache: &Path) -> HubSettings {
    HubSettings {
        cache_dir: Some(cache.to_path_buf()),
        endpoint: Some(hub.address.clone()),
        token: Some("hf_good".into()),
        ..HubSettings::default()
    }
}

fn model(id: &str, settings: &HubSettings) -> Repository {
    Repository::open(id, RepoKind::Model, None, settings).expect("a good id")
}

/// Bytes without a pattern that would hide a mistake in a position.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Keeps what observers are told.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    pub fn context() -> (Heard, RunContext) {
        let (heard, context) = (Heard::default(), RunContext::default());
        context.events.add(Box::new(heard.clone()));
        (heard, context)
    }

    pub fn events(&self) -> Vec<Event> {
        self.0.lock().expect("no thread panicked").clone()
    }
}

impl Observer for Heard {
    fn on(&mut self, event: &Event) -> Result<Control> {
        self.0.lock().expect("no thread panicked").push(event.clone());
        Ok(Control::Continue)
    }
}
