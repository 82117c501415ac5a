//! How long the viewer takes with a made-up dictionary: in a browser, from a key to what it shows, beside what the server
//! takes of it.
//!
//!     scripts/bench view [--latents 65536] [--rounds 20] [--store FILE]
//!     scripts/make-store FILE [--latents 65536]
//!
//! Medians of so many rounds; a start of the server is timed from the command to its link. `--store` measures a store that
//! is there.

// What tests of the viewer share, and a measurement uses a part of.
#![allow(dead_code)]

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
use made_store::Size;
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
    let mut timed = |what: &str, goal: f64, act: &dyn Fn(usize) -> (String, String)| {
        let times = (0..rounds).map(|round| {
            let (act, seen) = act(round);
            let text = WATCH.replace("DO", &act).replace("SEEN", &seen);
            Duration::from_secs_f64(browser.value(&text).as_f64().unwrap_or(f64::NAN) / 1e3)
        });
        let times = times.collect();
        tell(what, ms(median(times)), goal);
    };
    let heading = |latent: usize| {
        format!(
            "document.querySelector('.heading h1')?.textContent === '{latent}' && document.querySelector('.bin')"
        )
    };
    let go = |page: &str| format!("location.hash = '#/{page}'");
    let far = |round: usize| (round * 7919 + 1) % latents as usize;
    timed("overview again", 300.0, &|round| {
        let away = if round % 2 == 0 {
            ("overview", ".cards")
        } else {
            ("bookmarks", ".bookmarks .head")
        };
        (go(away.0), format!("document.querySelector('{}')", away.1))
    });
    timed("page of a latent", 50.0, &|round| {
        (go(&format!("latent/{}", far(round))), heading(far(round)))
    });
    timed("next latent, by its key", 30.0, &|round| {
        let latent = far(rounds - 1) + round + 1;
        (
            "dispatchEvent(new KeyboardEvent('keydown', { key: 'j' }))".into(),
            heading(latent),
        )
    });
    timed("list", 50.0, &|round| {
        let page = if round % 2 == 0 { "latents" } else { "bookmarks" };
        (
            go(page),
            if round % 2 == 0 {
                "document.querySelector('.list .row .number')".into()
            } else {
                "document.querySelector('.bookmarks .head')".into()
            },
        )
    });
    let told = "document.querySelector('.told')?.textContent";
    timed("sort of all latents", 50.0, &|round| {
        let sort = ["-max", "density", "-mean", "max", "-density"][round % 5];
        let first = "globalThis.first";
        (
            format!(
                "{first} = document.querySelector('.list .row .number')?.textContent; location.hash = '#/latents?sort={sort}'"
            ),
            format!(
                "document.querySelector('.list .row .number') && document.querySelector('.list .row .number').textContent !== {first}"
            ),
        )
    });
    timed("filter of all latents", 50.0, &|round| {
        let bound = 1.0 + 0.25 * round as f64;
        (
            format!("globalThis.before = {told}; location.hash = '#/latents?where=max%3E{bound}+alive'"),
            format!("{told} !== globalThis.before"),
        )
    });
    let words = [
        "thunder",
        "violin",
        "months",
        "Danube",
        "court",
        "heron",
        "forty",
        "purple",
        "Wednesday",
        "import",
    ];
    timed("search", 100.0, &|round| {
        let word = words[round % words.len()];
        let sort = if round < words.len() { "" } else { "&sort=-max" };
        (
            format!("globalThis.before = location.hash; location.hash = '#/latents?where={word}{sort}'"),
            format!("{told}?.includes(' of ') && document.querySelector('.list .row .t')"),
        )
    });
    server_times(&mut browser, rounds, latents);
    memory(&served);
    Ok(())
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
