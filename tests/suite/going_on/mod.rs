//! Work that goes on: only with what it was begun with, and in a folder that nobody else writes to.

mod generating;
mod passes;
mod products;
mod schema;
mod scripts;
mod training;

use std::path::Path;

use saescript::event::{Control, Event, Observer, RunContext};
use saescript::fingerprint::Allowances;

/// A context in which the task `title` is asked to stop once it has done so much.
fn stopping(title: &'static str, after: u64) -> RunContext {
    struct Stopping {
        title: &'static str,
        after: u64,
        running: bool,
    }

    impl Observer for Stopping {
        fn on(&mut self, event: &Event) -> saescript::Result<Control> {
            match event {
                Event::TaskStarted { title, .. } => self.running = title == self.title,
                Event::TaskAdvanced { done, .. } if self.running && *done >= self.after => {
                    return Ok(Control::Stop);
                }
                _ => {}
            }
            Ok(Control::Continue)
        }
    }
    let context = RunContext::default();
    context.events.add(Box::new(Stopping {
        title,
        after,
        running: false,
    }));
    context
}

fn allowing(names: &[&str]) -> Allowances {
    Allowances::new(names.iter().map(|name| name.to_string()))
}

/// A copy of the tiny model, whose files may be changed.
fn copy_model(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model/lm/neox_parallel");
    std::fs::create_dir(to).expect("made");
    for entry in std::fs::read_dir(from).expect("the fixture") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

/// Texts in two columns.
fn corpus() -> String {
    let words = [
        "the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "birds", "near", "old", "trees",
    ];
    let text = |line: usize, stride: usize| -> String {
        let words: Vec<&str> = (0..24)
            .map(|at| words[(line * stride + at * at * 3 + line * at) % words.len()])
            .collect();
        words.join(" ")
    };
    let lines = (0..400).map(|line| {
        let record = serde_json::json!({"text": text(line, 7), "title": text(line, 5)});
        format!("{record}\n")
    });
    lines.collect()
}

/// Changes one byte of a file in place: the last that is `from`. Size and time stay as they are.
fn change(path: &Path, from: u8, to: u8) {
    let modified = std::fs::metadata(path)
        .and_then(|about| about.modified())
        .expect("a time");
    let mut bytes = std::fs::read(path).expect("a file");
    let at = bytes.iter().rposition(|byte| *byte == from).expect("such a byte");
    bytes[at] = to;
    std::fs::write(path, bytes).expect("written");
    let file = std::fs::File::options().write(true).open(path).expect("open");
    file.set_modified(modified).expect("set");
}

/// The last byte of a file is changed, size and time are not.
fn change_last(path: &Path) {
    let last = *std::fs::read(path).expect("a file").last().expect("a byte");
    change(path, last, last ^ 1);
}
