//! How long the viewer takes with a made-up dictionary: in a browser, from a key to what it shows, beside what the server
//! takes of it.
//!
//!     scripts/bench view [--latents 65536] [--rounds 20] [--store FILE]
//!     scripts/make-store FILE [--latents 65536]
//!
//! Medians of so many rounds; a start of the server is timed from the command to its link. `--store` measures a store that
//! is there.

// What tests of the viewer share, and a measurement uses a part of; they say what they skip.
#![allow(dead_code, clippy::print_stderr)]

mod support;

#[path = "../tests/suite/viewer/chromium.rs"]
mod chromium;
#[path = "../tests/suite/viewer/made_store.rs"]
mod made_store;
#[path = "../tests/suite/viewer/made_texts.rs"]
mod made_texts;
#[path = "../tests/suite/program.rs"]
mod program;
#[path = "../tests/suite/viewer/served.rs"]
mod served;
#[path = "../tests/suite/viewer/themes.rs"]
mod themes;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use saescript::{Error, Result};

use chromium::Browser;
use made_store::{DEAD_EVERY, Size};
use served::Served;
use support::{Options, median};

/// Measures in the page: does something, waits until `seen` holds in a frame that was drawn, and returns milliseconds.
const WATCH: &str = r#"(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const begun = performance.now();
  DO;
  while (!(SEEN)) await frame();
  await frame();
  return performance.now() - begun;
})()"#;

fn main() -> Result<()> {
    let options = Options::read(&[
        ("make", ""),
        ("latents", "65536"),
        ("rounds", "20"),
        ("store", ""),
    ])?;
    let latents = options.number("latents")? as u32;
    let size = if latents > 10_000 {
        Size {
            latents,
            ..Size::LARGE
        }
    } else {
        Size {
            latents,
            ..Size::SMALL
        }
    };
    if !options.text("make").is_empty() {
        return made_store::make(Path::new(options.text("make")), size).map(drop);
    }
    let folder = tempfile::tempdir().map_err(|error| Error::run(error.to_string()))?;
    let store = match options.text("store") {
        "" => {
            let path = folder.path().join("made.sqlite");
            made_store::make(&path, size)?;
            path
        }
        given => PathBuf::from(given),
    };
    measure(&store, latents, options.number("rounds")? as usize)
}

/// A time in milliseconds, and what it is to be at most.
#[allow(clippy::print_stdout)] // a program of its own
fn tell(what: &str, milliseconds: f64, goal: f64) {
    println!("{what:<44}{milliseconds:>8.1} ms   (goal {goal:.0})");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn measure(store: &Path, latents: u32, rounds: usize) -> Result<()> {
    let starts = (0..3).map(|_| {
        let begun = Instant::now();
        drop(Served::start(&[store], &["--read-only"]));
        begun.elapsed()
    });
    tell(
        "server up, libtorch's loading included",
        ms(median(starts.collect())),
        150.0,
    );
    let served = Served::start(&[store], &["--read-only"]);
    let mut browser = Browser::start().ok_or_else(|| Error::run("no Chromium is installed"))?;
    let begun = Instant::now();
    browser.open(&served.link);
    browser.wait("document.querySelector('.cards')");
    tell(
        "first page, columns read from the store",
        ms(begun.elapsed()),
        300.0,
    );
    browser.wait("document.querySelector('.scatter')");
    tell("  with its plots", ms(begun.elapsed()), 300.0);
    let mut watch = Watch {
        browser,
        rounds,
        latents: latents as usize,
    };
    watch.pages();
    watch.lists();
    watch.search();
    server_times(&mut watch.browser, rounds, latents);
    memory(&served);
    Ok(())
}

/// A browser in which the same is done again and again.
struct Watch {
    browser: Browser,
    rounds: usize,
    latents: usize,
}

const LISTED: &str = "document.querySelector('.list .row .number')";
const MARKS: &str = "document.querySelector('.bookmarks .head')";

fn go(page: &str) -> String {
    format!("location.hash = '#/{page}'")
}

/// The page of a latent is there.
fn heading(latent: usize) -> String {
    format!(
        "document.querySelector('.heading h1')?.textContent === '{latent}' && document.querySelector('.bin')"
    )
}

impl Watch {
    /// Tells the median time from what `act` gives to do until what it says is seen.
    fn timed(&mut self, what: &str, goal: f64, act: impl Fn(usize) -> (String, String)) {
        let browser = &mut self.browser;
        let times = (0..self.rounds).map(|round| {
            let (act, seen) = act(round);
            let text = WATCH.replace("DO", &act).replace("SEEN", &seen);
            Duration::from_secs_f64(browser.value(&text).as_f64().unwrap_or(f64::NAN) / 1e3)
        });
        let times = times.collect();
        tell(what, ms(median(times)), goal);
    }

    fn pages(&mut self) {
        let (latents, rounds) = (self.latents, self.rounds);
        // None that is dead: those have no contexts to wait for.
        let far = move |round: usize| {
            let latent = (round * 7919 + 1) % latents;
            latent + usize::from(latent.is_multiple_of(DEAD_EVERY as usize))
        };
        self.timed("overview again", 300.0, |round| match round % 2 {
            0 => (go("overview"), "document.querySelector('.cards')".into()),
            _ => (go("bookmarks"), MARKS.into()),
        });
        self.timed("page of a latent", 50.0, |round| {
            (go(&format!("latent/{}", far(round))), heading(far(round)))
        });
        self.timed("next latent, by its key", 30.0, |round| {
            let key = "dispatchEvent(new KeyboardEvent('keydown', { key: 'j' }))";
            (key.into(), heading(far(rounds - 1) + round + 1))
        });
    }

    fn lists(&mut self) {
        self.timed("list", 50.0, |round| match round % 2 {
            0 => (go("latents"), LISTED.into()),
            _ => (go("bookmarks"), MARKS.into()),
        });
        self.timed("sort of all latents", 50.0, |round| {
            let sort = ["-max", "density", "-mean", "max", "-density"][round % 5];
            first_changes(&format!("latents?where=alive&sort={sort}"))
        });
        let told = "document.querySelector('.told')?.textContent";
        self.timed("filter of all latents", 50.0, |round| {
            let bound = 1.0 + 0.25 * round as f64;
            let page = go(&format!("latents?where=max%3E{bound}+alive"));
            (
                format!("globalThis.before = {told}; {page}"),
                format!("{told} !== globalThis.before"),
            )
        });
    }

    fn search(&mut self) {
        let words = ["thunder", "violin", "Danube", "heron", "purple"];
        self.timed("search", 100.0, |round| {
            // They begin with another latent each time.
            let query = words[round % words.len()];
            first_changes(&format!("latents?where={query}"))
        });
    }
}

/// Goes to a list that begins with another latent than the one that is shown.
fn first_changes(page: &str) -> (String, String) {
    (
        format!("globalThis.first = {LISTED}?.textContent; {}", go(page)),
        format!(
            "{LISTED} && {LISTED}.textContent !== globalThis.first && document.querySelector('.list .row .t')"
        ),
    )
}

/// What the server takes, as the page sees it: without drawing.
fn server_times(browser: &mut Browser, rounds: usize, latents: u32) {
    let times = (0..rounds).map(|round| {
        let latent = (round as u32 * 104_729 + 3) % latents;
        let ask = format!("(async () => {{ const begun = performance.now(); await (await fetch('/api/latent?latent={latent}')).text(); return performance.now() - begun; }})()");
        Duration::from_secs_f64(browser.value(&ask).as_f64().unwrap_or(f64::NAN) / 1e3)
    });
    tell(
        "  of a latent's page, the server",
        ms(median(times.collect())),
        20.0,
    );
}

#[allow(clippy::print_stdout)] // a program of its own
fn memory(served: &Served) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.process())).unwrap_or_default();
    let field = |name: &str| -> f64 {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default();
        line.split_whitespace()
            .next()
            .and_then(|kib| kib.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
            / 1024.0
    };
    println!(
        "{:<44}{:>8.0} MB   (goal 200), of which {:.0} MB are the program's own",
        "memory of the server",
        field("VmRSS:"),
        field("RssAnon:")
    );
}
