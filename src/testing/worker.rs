//! The process of a file: runs its tests and writes a line about each to standard output.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::message::{Ended, Failure, Message};
use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::report::Printer;
use crate::script::{Host, Limits, Spot, State, TestEvent};

/// Runs those tests of the script at `path` whose names contain `filter`, as far as they may go, and writes messages about
/// them, with `coverage` also about what ran.
///
/// # Errors
/// The host cannot be built. What is wrong with the script is a message.
pub fn work(
    path: &Path,
    filter: &str,
    bounds: (Policy, Limits),
    coverage: bool,
    printer: &Printer,
) -> Result<()> {
    let (policy, limits) = bounds;
    let printed = Rc::new(RefCell::new(String::new()));
    let sink = printed.clone();
    let mut host = Host::builder()
        .output(move |line| {
            let mut text = sink.borrow_mut();
            text.push_str(line);
            text.push('\n');
        })
        .policy(policy)
        .limits(limits)
        .coverage(coverage)
        .build()?;
    let state = host.state().clone();
    let tested = host.test_each(
        path,
        |name| name.contains(filter),
        |event| {
            let message = match event {
                TestEvent::Began(test) => {
                    // What the statements of the script print is the same before every test.
                    printed.borrow_mut().clear();
                    Message::Began { test }
                }
                TestEvent::Ended(outcome) => Message::Ended(Ended {
                    test: outcome.name,
                    seconds: outcome.took.as_secs_f64(),
                    failure: outcome.failure.as_ref().map(Failure::new),
                    skipped: outcome.skipped,
                    printed: std::mem::take(&mut *printed.borrow_mut()),
                }),
            };
            let is_over = matches!(message, Message::Ended(_));
            tell(&message, printer);
            if is_over && coverage {
                tell(&covered(&state), printer);
            }
        },
    );
    if let Err(error) = tested {
        let failure = Failure::new(&error);
        tell(&Message::Broken { failure }, printer);
    }
    Ok(())
}

/// What ran for the first time.
fn covered(state: &State) -> Message {
    let mut files: BTreeMap<String, Vec<Spot>> = BTreeMap::new();
    for covered in state.coverage().take() {
        files
            .entry(covered.file.to_string())
            .or_default()
            .push(covered.spot);
    }
    Message::Covered { files }
}

fn tell(message: &Message, printer: &Printer) {
    match serde_json::to_string(message) {
        Ok(line) => printer.line(&line),
        Err(error) => printer.error(&Error::run(format!("cannot write a message: {error}"))),
    }
}
