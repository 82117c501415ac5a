//! Fuzzing of everything that reads what others wrote: hand-written parsers, and the thin layers over parsers of
//! crates.
//!
//! The suite only replays the committed seeds, `tests/fuzz/seeds/TARGET/*`. `scripts/fuzz` runs the driver, which makes
//! new inputs of them and keeps those to which a target says something new. A target fails that panics, takes longer
//! than ten seconds, makes the process hold 2 GB, or finds its property violated.

mod driver;
mod files;
mod libraries;
mod listings;
mod mutation;
mod texts;

use std::path::PathBuf;

use driver::Plan;

/// What came of one input: what the parser had to say of it, or how it violates the target's property.
type Verdict = Result<String, String>;

/// One parser.
struct Target {
    name: &'static str,
    /// Reads one input.
    run: fn(&[u8]) -> Verdict,
    /// Texts that mean something in its grammar.
    words: &'static [&'static str],
}

const TARGETS: &[Target] = &[
    texts::LEXER,
    texts::SCRIPT,
    texts::CONFIG_TOML,
    texts::CONFIG_JSON,
    texts::CONFIG_YAML,
    texts::OVERRIDE,
    texts::TRACE,
    files::JSON,
    files::JSON_LINES,
    files::CSV,
    files::SAFETENSORS,
    files::CACHE_INDEX,
    libraries::MANIFESTS,
    libraries::LOCKS,
    libraries::ARCHIVES,
    listings::CARD,
    listings::CHOICE,
    listings::HUB_LIST,
    listings::LINKS,
];

/// Fails with a sentence if a property does not hold.
fn ensure(holds: bool, sentence: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(sentence()) }
}

/// A number's order of magnitude as a letter: inputs that differ by one row do not count as new.
fn magnitude(count: usize) -> char {
    char::from(b'a' + count.checked_ilog2().map_or(0, |power| power as u8 + 1).min(25))
}

fn seeds(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/seeds")
        .join(target.name)
}

#[test]
fn every_seed_is_taken_as_its_target_promises() {
    for target in TARGETS {
        let seeds = driver::inputs_in(&seeds(target));
        assert!(seeds.len() >= 3, "{} has only {} seeds", target.name, seeds.len());
        let mut outcomes: Vec<String> = Vec::new();
        for (path, input) in seeds {
            let verdict = (target.run)(&input);
            outcomes.push(verdict.unwrap_or_else(|fault| panic!("{}: {fault}", path.display())));
        }
        outcomes.sort();
        outcomes.dedup();
        let some = outcomes.iter().any(|outcome| outcome.starts_with("ok"));
        assert!(
            some && outcomes.len() > 1,
            "{}'s seeds are all alike: {outcomes:?}",
            target.name
        );
    }
}

#[test]
#[ignore = "run by scripts/fuzz, for as long as that says"]
fn drive() {
    let plan = Plan::of_environment();
    let chosen = TARGETS.iter().filter(|target| plan.is_for(target.name));
    let faults: usize = chosen.map(|target| driver::drive(target, &plan)).sum();
    assert_eq!(faults, 0, "inputs that show faults are in target/fuzz");
}
