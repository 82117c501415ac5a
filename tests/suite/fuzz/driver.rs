//! Makes inputs for a target until its time is up, and keeps what shows something new.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::mutation::{Chance, mutate};
use super::{Target, seeds};

/// Longest time for one input.
const LONGEST: Duration = Duration::from_secs(10);

/// Most memory that the process may hold, in bytes.
const MOST_MEMORY: u64 = 2_000_000_000;

/// After so many different faults a target is left alone.
const ENOUGH: usize = 10;

/// What `scripts/fuzz` asks for.
pub struct Plan {
    target: Option<String>,
    seconds: f64,
    seed: u64,
    /// One input to try instead.
    input: Option<PathBuf>,
}

impl Plan {
    /// From the variables that `scripts/fuzz` sets; without them every target for a second.
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(format!("SAESCRIPT_FUZZ_{name}")).ok();
        Plan {
            target: variable("TARGET").filter(|name| !name.is_empty()),
            seconds: variable("SECONDS")
                .and_then(|text| text.parse().ok())
                .unwrap_or(1.0),
            seed: variable("SEED").and_then(|text| text.parse().ok()).unwrap_or(0),
            input: variable("INPUT")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
        }
    }

    pub fn is_for(&self, name: &str) -> bool {
        self.target.as_ref().is_none_or(|target| target == name)
    }
}

/// The files of a folder with their contents, in order of their names.
pub fn inputs_in(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).ok()?;
        Some((path, bytes))
    };
    paths.into_iter().filter_map(read).collect()
}

/// Where a target's finds are kept.
fn finds(target: &Target) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/fuzz")
        .join(target.name);
    std::fs::create_dir_all(folder.join("corpus")).expect("a folder for what is found");
    folder
}

/// Fuzzes a target; the number of different faults.
pub fn drive(target: &Target, plan: &Plan) -> usize {
    let mut session = Session::start(target);
    // A panic is reported once, with the input that leads to it.
    let loud = take_hook();
    set_hook(Box::new(|_| {}));
    match &plan.input {
        Some(path) => session.attempt(&std::fs::read(path).expect("the input")),
        None => session.run(plan),
    }
    set_hook(loud);
    session.report()
}

/// A target at work.
struct Session<'a> {
    target: &'a Target,
    folder: PathBuf,
    /// Holds the input that is being tried, for when the process dies of it.
    current: PathBuf,
    watch: Arc<Watch>,
    corpus: Vec<Vec<u8>>,
    outcomes: BTreeSet<String>,
    faults: BTreeSet<String>,
    inputs: u64,
    began: Instant,
}

impl<'a> Session<'a> {
    fn start(target: &'a Target) -> Self {
        Session {
            target,
            folder: finds(target),
            current: std::env::temp_dir().join("current"),
            watch: Watch::start(),
            corpus: Vec::new(),
            outcomes: BTreeSet::new(),
            faults: BTreeSet::new(),
            inputs: 0,
            began: Instant::now(),
        }
    }

    /// Seeds and earlier finds first, then what is made of them.
    fn run(&mut self, plan: &Plan) {
        for (_, input) in inputs_in(&seeds(self.target))
            .into_iter()
            .chain(inputs_in(&self.folder.join("corpus")))
        {
            self.attempt(&input);
            self.corpus.push(input);
        }
        let mut chance = Chance::new(plan.seed);
        while self.began.elapsed().as_secs_f64() < plan.seconds && self.faults.len() < ENOUGH {
            let input = &self.corpus[chance.below(self.corpus.len())];
            let other = &self.corpus[chance.below(self.corpus.len())];
            let input = mutate(input, other, self.target.words, &mut chance);
            let known = self.outcomes.len();
            self.attempt(&input);
            if self.outcomes.len() > known {
                // An input that was kept is only of use to later runs.
                let _ = std::fs::write(self.folder.join("corpus").join(name_of(&input)), &input);
                self.corpus.push(input);
            }
        }
    }

    /// Tries one input, and notes what came of it.
    fn attempt(&mut self, input: &[u8]) {
        std::fs::write(&self.current, input).expect("room for the input");
        self.inputs += 1;
        self.watch.begin();
        let verdict = judged(self.target, input);
        self.watch.end();
        match verdict {
            Ok(outcome) => drop(self.outcomes.insert(signature(&outcome))),
            Err(fault) if self.faults.insert(signature(&fault)) => {
                let input = self.smaller(input.to_vec(), &signature(&fault));
                let path = self.folder.join(format!("fault-{}", name_of(&input)));
                std::fs::write(&path, &input).expect("the input is kept");
                eprintln!("{}: {fault}\n    {}", self.target.name, path.display());
            }
            Err(_) => {}
        }
    }

    /// Leaves out of `input` whatever the same fault does not need.
    fn smaller(&self, mut input: Vec<u8>, fault: &str) -> Vec<u8> {
        let shows = |input: &[u8]| judged(self.target, input).is_err_and(|found| signature(&found) == fault);
        let until = Instant::now() + LONGEST;
        let mut size = input.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < input.len() && Instant::now() < until {
                let without = [&input[..at], &input[(at + size).min(input.len())..]].concat();
                if shows(&without) {
                    input = without
                } else {
                    at += size
                }
            }
            size /= 2;
        }
        input
    }

    fn report(&self) -> usize {
        let seconds = self.began.elapsed().as_secs_f64();
        eprintln!(
            "{:14} {:>9} inputs in {seconds:.0} s, {} different outcomes, {} faults",
            self.target.name,
            self.inputs,
            self.outcomes.len(),
            self.faults.len()
        );
        self.watch.done.store(true, Ordering::Relaxed);
        // Nobody died.
        let _ = std::fs::remove_file(&self.current);
        self.faults.len()
    }
}

/// What the target makes of `input`; a panic is a fault, also one that was turned into an error.
fn judged(target: &Target, input: &[u8]) -> super::Verdict {
    let verdict = catch_unwind(AssertUnwindSafe(|| (target.run)(input))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("it panics: {}", text.unwrap_or("without a text")))
    });
    match verdict {
        Ok(outcome) if outcome.contains("by a defect of this program") => Err(outcome),
        verdict => verdict,
    }
}

/// What outcomes of the same kind have in common: nothing from the first to the last quotation mark, for that may hold
/// anything, and no numbers.
fn signature(outcome: &str) -> String {
    let quotes = ['`', '"'];
    let (before, after) = match (outcome.find(quotes), outcome.rfind(quotes)) {
        (Some(first), Some(last)) => (&outcome[..first], &outcome[last..]),
        _ => (outcome, ""),
    };
    let letters = before.chars().chain(after.chars());
    letters
        .filter(|letter| !letter.is_ascii_digit())
        .take(200)
        .collect()
}

fn name_of(input: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Ends the process when an input takes too long or too much.
struct Watch {
    /// Milliseconds since the start at which the input began; 0 between inputs.
    since: AtomicU64,
    done: AtomicBool,
    start: Instant,
}

impl Watch {
    fn start() -> Arc<Self> {
        let watch = Arc::new(Watch {
            since: AtomicU64::new(0),
            done: AtomicBool::new(false),
            start: Instant::now(),
        });
        let watched = watch.clone();
        thread::spawn(move || {
            while !watched.done.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
                let memory = saescript::memory::used();
                let what = match watched.elapsed() {
                    taken if taken > LONGEST => format!("takes longer than {} s", LONGEST.as_secs()),
                    _ if memory > MOST_MEMORY => {
                        format!("makes the process hold {:.1} GB", memory as f64 / 1e9)
                    }
                    _ => continue,
                };
                eprintln!("an input {what}");
                std::process::abort();
            }
        });
        watch
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64 + 1
    }

    fn begin(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.now().saturating_sub(since)),
        }
    }
}
