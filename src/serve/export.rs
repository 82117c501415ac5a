//! A page that stands alone: the front end and the latents of a store in one file, to be sent and opened anywhere.
//!
//! Modules become `data:` addresses in an import map, and data are JSON, compressed with gzip, in base64; latents lie in
//! chunks of which a browser unpacks those it shows. Nothing in the file is loaded from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::front;
use super::stores::{OpenStores, Page, Refusal};
use super::view::{columns, found, latent, overview, rows};
use crate::atomic;
use crate::error::{Error, Result};
use crate::event::StopFlag;

/// Latents of a chunk.
const CHUNK: usize = 128;

/// From this size on a page is slow to open, in bytes.
pub const LARGE: u64 = 50_000_000;

/// Which latents a page has.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// All of the dictionary.
    All,
    /// Those with a bookmark.
    Bookmarked,
    /// Those with these numbers.
    Numbers(Vec<RangeInclusive<u32>>),
}

impl std::str::FromStr for Chosen {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            "all" => return Ok(Chosen::All),
            "bookmarked" => return Ok(Chosen::Bookmarked),
            _ => {}
        }
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(first..=last)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Chosen::Numbers).ok_or_else(|| {
            Error::input(format!("`{text}` names no latents"))
                .hint("write numbers and ranges, such as `3,17,100-199`, or `bookmarked`, or `all`")
        })
    }
}

impl OpenStores {
    /// Writes a page of the first store's `chosen` latents to `file`; returns its size in bytes and how many there are.
    ///
    /// # Errors
    /// There is no such analysis or latent; a damaged store; the file cannot be written; `stop` was set.
    pub fn export(
        &self,
        analysis: Option<&str>,
        chosen: &Chosen,
        file: &Path,
        stop: &StopFlag,
    ) -> Result<(u64, usize)> {
        let read = self.read(0, analysis, None, |mut page| whole(&mut page, chosen, stop));
        let (text, latents) = match read {
            Ok(done) => done,
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Rewritten) => {
                return Err(Error::run("the store was written anew while it was read"));
            }
        };
        atomic::write(file, text.as_bytes())?;
        Ok((text.len() as u64, latents))
    }
}

fn numbers(page: &Page<'_>, chosen: &Chosen) -> Result<Vec<u32>> {
    let size = page.analysis.latents;
    let mut numbers: Vec<u32> = match chosen {
        Chosen::All => (0..size).collect(),
        Chosen::Bookmarked => {
            let marks = page.opened.store().bookmarks()?;
            marks
                .into_iter()
                .map(|mark| mark.latent)
                .filter(|latent| *latent < size)
                .collect()
        }
        Chosen::Numbers(ranges) => {
            if let Some(range) = ranges.iter().find(|range| *range.end() >= size) {
                return Err(Error::input(format!(
                    "there is no latent {}: the dictionary has {size}",
                    range.end()
                ))
                .hint(format!(
                    "latents are numbered from 0 to {}",
                    size.saturating_sub(1)
                )));
            }
            ranges.iter().cloned().flatten().collect()
        }
    };
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() {
        return Err(Error::input("no latent was chosen")
            .hint("bookmark some, or name them: `--latents 3,17,100-199`"));
    }
    Ok(numbers)
}

fn whole(page: &mut Page<'_>, chosen: &Chosen, stop: &StopFlag) -> Result<(String, usize)> {
    let latents = numbers(page, chosen)?;
    let name = page
        .opened
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut meta = serde_json::to_value(overview::overview(page, 0, &[name])?).unwrap_or_default();
    // Where the store lay is nobody else's business.
    meta["path"] = "".into();
    meta["analyses"] = json!([page.analysis.name]);
    meta["writable"] = false.into();
    meta["closed"] = "this page stands alone, as it was exported".into();
    meta["alone"] = true.into();
    meta["only"] = if latents.len() == page.analysis.latents as usize {
        Value::Null
    } else {
        json!(latents)
    };
    let analysis = page.analysis.clone();
    let figures = columns::numbers(page.opened.store(), &analysis)?;
    let figures = only(figures, page.analysis.latents as usize, &latents);
    let marks = found::bookmarks(page.opened.store())?;
    let mut data = String::new();
    put(&mut data, "meta", &packed(&to_json(&meta)?)?);
    put(&mut data, "columns", &packed(&figures)?);
    put(&mut data, "bookmarks", &packed(&to_json(&marks)?)?);
    let mut lines = Vec::new();
    for (number, chunk) in latents.chunks(CHUNK).enumerate() {
        if stop.is_set() {
            return Err(Error::interrupted("writing the page was interrupted"));
        }
        lines.extend(rows::rows(page, chunk)?);
        let views: Result<Vec<_>> = chunk
            .iter()
            .map(|one| latent::latent(page, *one, false))
            .collect();
        put(
            &mut data,
            &format!("latents-{number}"),
            &packed(&to_json(&views?)?)?,
        );
    }
    put(&mut data, "rows", &packed(&to_json(&lines)?)?);
    put(&mut data, "chunk", &CHUNK.to_string());
    put(&mut data, "numbers", &packed(&to_json(&latents)?)?);
    Ok((document(&data)?, latents.len()))
}

/// Returns the columns with 0 for latents that the page does not have, which takes next to nothing when compressed.
fn only(mut figures: Vec<u8>, size: usize, latents: &[u32]) -> Vec<u8> {
    let mut kept = vec![false; size];
    latents.iter().for_each(|latent| kept[*latent as usize] = true);
    for (at, word) in figures.chunks_exact_mut(4).enumerate() {
        if !kept[at % size] {
            word.fill(0);
        }
    }
    figures
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::run(format!("the page cannot be written: {error}")))
}

fn packed(bytes: &[u8]) -> Result<String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    let packed = written.map_err(|error| Error::run(format!("the page cannot be compressed: {error}")))?;
    Ok(STANDARD.encode(packed))
}

/// Data are in elements of a type that no browser runs, and have no letter that markup knows.
fn put(data: &mut String, name: &str, text: &str) {
    let _ = writeln!(
        data,
        "<script type=\"text/plain\" id=\"data-{name}\">{text}</script>"
    );
}

/// The modules of the front end by the names under which they import each other.
fn modules() -> BTreeMap<String, String> {
    let mut addresses = BTreeMap::new();
    for path in front::paths().filter(|path| path.ends_with(".js")) {
        let Some((bytes, _)) = front::file(path) else {
            continue;
        };
        let text = standing_alone(path, &String::from_utf8_lossy(&bytes));
        let address = format!("data:text/javascript;base64,{}", STANDARD.encode(text));
        addresses.insert(named(path), address);
    }
    addresses
}

fn named(path: &str) -> String {
    format!("saescript/{path}")
}

/// Returns a module whose imports are by name: addresses relative to one that holds the module itself lead nowhere.
fn standing_alone(path: &str, text: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let line = |line: &str| {
        let Some((head, rest)) = line.strip_prefix("import ").and_then(|rest| rest.split_once('"')) else {
            return line.to_string();
        };
        let Some((target, tail)) = rest.split_once('"') else {
            return line.to_string();
        };
        let target = match (target.strip_prefix("../"), target.strip_prefix("./")) {
            (Some(above), _) => above.to_string(),
            (None, Some(beside)) if folder.is_empty() => beside.to_string(),
            (None, Some(beside)) => format!("{folder}/{beside}"),
            (None, None) => return line.to_string(),
        };
        format!("import {head}\"{}\"{tail}", named(&target))
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

fn document(data: &str) -> Result<String> {
    let text = |path: &str| {
        front::file(path)
            .map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    };
    let style = format!("{}{}", text("look.css"), text("pages.css"));
    let map = serde_json::to_string(&json!({ "imports": modules() }))
        .map_err(|error| Error::run(format!("the page cannot be written: {error}")))?;
    let start = format!("import \"{}\";", named("standalone.js"));
    let policy = format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src {}; script-src data: {} {}",
        hash(&style),
        hash(&map),
        hash(&start)
    );
    let icon = STANDARD.encode(text("icon.svg").as_bytes());
    let mut page = String::new();
    for line in text("index.html").lines() {
        if line.contains("<meta charset") {
            let _ = writeln!(
                page,
                "{line}\n<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">"
            );
        } else if line.contains("rel=\"icon\"") {
            let _ = writeln!(
                page,
                "<link rel=\"icon\" href=\"data:image/svg+xml;base64,{icon}\">"
            );
        } else if line.contains("rel=\"stylesheet\"") {
            if line.contains("look.css") {
                let _ = writeln!(page, "<style>{style}</style>");
            }
        } else if line.contains("<script") {
            let _ = writeln!(page, "<script type=\"importmap\">{map}</script>");
        } else if line == "</body>" {
            let _ = writeln!(page, "{data}<script type=\"module\">{start}</script>\n{line}");
        } else {
            let _ = writeln!(page, "{line}");
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_become_names() {
        let text =
            "import { a } from \"../dom.js\";\nimport { b } from \"./bins.js\";\nconst c = \"./x.js\";";
        assert_eq!(
            standing_alone("pages/latent.js", text),
            "import { a } from \"saescript/dom.js\";\nimport { b } from \"saescript/pages/bins.js\";\nconst c = \"./x.js\";"
        );
        assert_eq!(
            standing_alone("main.js", "import \"./a.js\";"),
            "import \"saescript/a.js\";"
        );
        let known = modules();
        assert!(known.contains_key("saescript/pages/latent.js"));
    }

    #[test]
    fn latents_are_chosen_by_numbers_and_ranges() {
        let chosen: Chosen = "3, 10-12".parse().expect("chosen");
        let Chosen::Numbers(ranges) = chosen else {
            panic!("numbers")
        };
        assert_eq!(ranges, [3..=3, 10..=12]);
        for wrong in ["", "x", "5-3", "1,,2", "-1"] {
            assert!(wrong.parse::<Chosen>().is_err(), "{wrong}");
        }
    }
}
