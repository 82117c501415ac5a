//! The process of a file: runs its tests and writes a line about each to standard output.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use super::message::{Ended, Failure, Message};
use crate::error::{Error, Result};
use crate::policy::Policy;
use crate::report::Printer;
use crate::script::{Host, Limits, TestEvent};

/// Runs those tests of the script at `path` whose names contain `filter`, as far as they may go, and writes messages about
/// them.
///
/// # Errors
/// The host cannot be built. What is wrong with the script is a message.
pub fn work(path: &Path, filter: &str, bounds: (Policy, Limits), printer: &Printer) -> Result<()> {
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
        .build()?;
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
            tell(&message, printer);
        },
    );
    if let Err(error) = tested {
        let failure = Failure::new(&error);
        tell(&Message::Broken { failure }, printer);
    }
    Ok(())
}

fn tell(message: &Message, printer: &Printer) {
    match serde_json::to_string(message) {
        Ok(line) => printer.line(&line),
        Err(error) => printer.error(&Error::run(format!("cannot write a message: {error}"))),
    }
}
