//! Starts the process of a file, hears what it tells, and ends it where it takes too long.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};

use super::message::{Ended, Failure, Message};
use crate::error::{Error, Result};
use crate::event::StopFlag;
use crate::script::Spot;

/// How often it is asked whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// The most that is kept of what a process writes to standard error.
const MOST_SAID: u64 = 64 << 10;

/// What came of one file.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Its tests, in the order in which they ran.
    pub tests: Vec<Ended>,
    /// Why the script as a whole could not be tested.
    pub broken: Option<Failure>,
    /// Which statements ran, by the script's name in errors; nothing where that is not asked for.
    pub covered: BTreeMap<String, BTreeSet<Spot>>,
}

/// Runs `command`, which works on the tests of `file` and ends each when `timeout` is over, to its end. Where a test goes on
/// for `grace` longer, its process is ended: it fails, and those after it are not run.
///
/// # Errors
/// The process cannot be started; `stop` was set.
pub fn hear(
    command: Command,
    file: &Path,
    (timeout, grace): (Duration, Duration),
    stop: &StopFlag,
) -> Result<Heard> {
    let mut child = started(command, file)?;
    let lines = lines_of(&mut child);
    let said = rest_of(&mut child);
    let mut heard = Heard::default();
    let mut running: Option<(String, Instant)> = Some((String::new(), Instant::now()));
    let late = loop {
        match lines.recv_timeout(TICK) {
            Ok(Message::Began { test }) => running = Some((test, Instant::now())),
            Ok(Message::Ended(ended)) => {
                heard.tests.push(ended);
                running = Some((String::new(), Instant::now()));
            }
            Ok(Message::Covered { files }) => heard.cover(files),
            Ok(Message::Broken { failure }) => heard.broken = Some(failure),
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) if stop.is_set() => {
                end(&mut child);
                return Err(Error::interrupted("the tests were interrupted"));
            }
            Err(RecvTimeoutError::Timeout) => {
                if running
                    .as_ref()
                    .is_some_and(|(_, since)| since.elapsed() > timeout + grace)
                {
                    end(&mut child);
                    break true;
                }
            }
        }
    };
    let status = child
        .wait()
        .map_err(|error| Error::run(format!("cannot wait for a process: {error}")))?;
    let said = said.join().unwrap_or_default();
    let (test, since) = running.take().unwrap_or_else(|| (String::new(), Instant::now()));
    if late || !status.success() {
        let why = if late {
            too_long(timeout, grace)
        } else {
            died(status, &said)
        };
        heard.fail(test, since.elapsed(), &why);
    }
    Ok(heard)
}

fn started(mut command: Command, file: &Path) -> Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Error::run(format!(
                "cannot start a process for `{}`: {error}",
                file.display()
            ))
        })
}

impl Heard {
    fn cover(&mut self, files: BTreeMap<String, Vec<Spot>>) {
        for (file, spots) in files {
            self.covered.entry(file).or_default().extend(spots);
        }
    }

    /// The test that was running failed with its process; without a name, the script did.
    fn fail(&mut self, test: String, ran: Duration, why: &Error) {
        let failure = Failure::new(why);
        if test.is_empty() {
            self.broken.get_or_insert(failure);
        } else {
            self.tests.push(Ended {
                test,
                seconds: ran.as_secs_f64(),
                failure: Some(failure),
                skipped: None,
                printed: String::new(),
            });
        }
    }
}

fn too_long(timeout: Duration, grace: Duration) -> Error {
    Error::run(format!(
        "it did not end within {} s, nor {} s after it was to",
        timeout.as_secs_f64(),
        grace.as_secs_f64()
    ))
    .hint("the tests after it in this file were not run; `--timeout SECONDS` gives them more time")
}

fn died(status: ExitStatus, said: &str) -> Error {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("its process ended with code {code}"),
        (None, Some(signal)) => format!("its process was ended by signal {signal}"),
        (None, None) => "its process ended".to_string(),
    };
    let error = Error::run(how).hint("the tests after it in this file were not run");
    if said.trim().is_empty() {
        error
    } else {
        error.hint(format!("it said: {}", said.trim()))
    }
}

/// Ends the process; that it has ended already is no failure.
fn end(child: &mut Child) {
    let _ = child.kill();
}

/// What the process tells, read on a thread of its own. Lines that are no messages come from foreign libraries.
fn lines_of(child: &mut Child) -> Receiver<Message> {
    let (sender, receiver) = unbounded();
    if let Some(out) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
                let message = serde_json::from_str(&line);
                if message.is_ok_and(|message| sender.send(message).is_err()) {
                    break;
                }
            }
        });
    }
    receiver
}

/// What the process writes to standard error, read on a thread of its own so that it never has to wait.
fn rest_of(child: &mut Child) -> thread::JoinHandle<String> {
    let err = child.stderr.take();
    thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut err) = err {
            let _ = err.by_ref().take(MOST_SAID).read_to_end(&mut said);
            let _ = std::io::copy(&mut err, &mut std::io::sink());
        }
        String::from_utf8_lossy(&said).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_does_not_end_is_ended() {
        let began = "{\"event\":\"began\",\"test\":\"test_a\"}";
        let mut command = Command::new("sh");
        command.args(["-c", &format!("echo '{began}'; exec sleep 600")]);
        let bounds = (Duration::from_millis(100), Duration::from_millis(100));
        let heard = hear(command, Path::new("a.rhai"), bounds, &StopFlag::default()).expect("it starts");
        let failure = heard.tests[0].failure.as_ref().expect("it failed");
        assert_eq!(heard.tests[0].test, "test_a");
        assert!(
            failure.message.contains("did not end within 0.1 s"),
            "{failure:?}"
        );
        assert!(failure.shown.contains("were not run"), "{failure:?}");
    }
}
