//! What happens to a training when its machine turns against it: kills, hang-ups, full disks.

use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use saescript::train::list_checkpoints;

use crate::program::{finish, program, run};
use crate::runner::write_config;

/// Kills within one run; few, so that the suite stays fast. `SAESCRIPT_KILLS=20` takes a minute or two.
const KILLS: u64 = 4;

/// Logs and checkpoints close together, so that any moment is near one.
const BUSY: [&str; 4] = [
    "--set",
    "trainer.log_frequency=2",
    "--set",
    "trainer.n_checkpoints=20",
];

pub fn train(config: &Path, more: &[&str]) -> Command {
    let mut command = program();
    command.arg("train").arg(config).args(BUSY).args(more);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

pub fn results(folder: &Path) -> (Vec<u8>, String) {
    let results = folder.join("results");
    let weights = std::fs::read(results.join("sae_weights.safetensors")).expect("weights");
    let metrics = std::fs::read_to_string(results.join("metrics.jsonl")).expect("metrics");
    (weights, metrics)
}

/// A run that nothing happened to.
fn undisturbed() -> (tempfile::TempDir, (Vec<u8>, String)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = write_config(folder.path());
    assert!(train(&config, &[]).status().expect("run").success());
    let results = results(folder.path());
    (folder, results)
}

pub fn assert_same(ours: (Vec<u8>, String), theirs: (Vec<u8>, String), what: &str) {
    for (line, (ours, theirs)) in ours.1.lines().zip(theirs.1.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {} of the metrics: {what}", line + 1);
    }
    assert_eq!(
        ours.1.lines().count(),
        theirs.1.lines().count(),
        "metrics: {what}"
    );
    assert!(ours.0 == theirs.0, "weights: {what}");
}

/// The step that was logged last.
fn logged(folder: &Path) -> u64 {
    let text = std::fs::read_to_string(folder.join("results/metrics.jsonl")).unwrap_or_default();
    let line = text.lines().last().unwrap_or_default();
    let row: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    row["step"].as_u64().unwrap_or(0)
}

/// Waits until `step` was logged; false if the process ended before.
pub fn wait_for(step: u64, folder: &Path, child: &mut Child) -> bool {
    for _ in 0..60_000 {
        if logged(folder) >= step {
            return true;
        }
        if child.try_wait().expect("alive").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("step {step} does not come");
}

/// Numbers that differ from run to run, from a seed that failures name.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_happened() {
    let (_kept, expected) = undisturbed();
    let kills = std::env::var("SAESCRIPT_KILLS")
        .ok()
        .and_then(|text| text.parse().ok());
    let kills: u64 = kills.unwrap_or(KILLS);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    let seed = now.as_nanos() as u64;
    let mut dice = Dice(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = write_config(folder.path());
    let (mut killed, mut after_checkpoint) = (0, 0);
    for kill in 0..kills {
        let mut child = train(&config, &["--resume"]).spawn().expect("started");
        // One moment in each part of the run: at some step of it, and then anywhere within a few steps.
        let part = 100 * kill / kills;
        wait_for(part + dice.below((100 / kills).max(1)), folder.path(), &mut child);
        std::thread::sleep(Duration::from_micros(dice.below(30_000)));
        after_checkpoint += u64::from(!list_checkpoints(&folder.path().join("results")).is_empty());
        child.kill().expect("killed");
        killed += u64::from(child.wait().expect("ended").code().is_none());
    }
    assert!(train(&config, &["--resume"]).status().expect("run").success());
    let what = format!("seed {seed}: {killed} kills, {after_checkpoint} after the first checkpoint");
    eprintln!("{what}");
    assert!(killed * 2 > kills, "most came in time; {what}");
    assert_same(results(folder.path()), expected, &what);
}

/// A process with a terminal of its own, whose other end is given.
fn on_terminal(mut command: Command) -> (Child, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: both are valid places for a descriptor; what is not wanted may be null.
    let opened = unsafe {
        libc::openpty(
            &mut ours,
            &mut theirs,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    assert_eq!(opened, 0, "no pseudo-terminal");
    // SAFETY: openpty gave both, and nobody else has them.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    let copy = || theirs.try_clone().expect("a descriptor");
    command
        .stdin(copy())
        .stdout(copy())
        .stderr(copy())
        .env("TERM", "xterm");
    let number = ours.as_raw_fd();
    // SAFETY: only calls that are allowed between fork and exec.
    unsafe {
        command.pre_exec(move || {
            libc::close(number);
            libc::setsid();
            match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    (command.spawn().expect("started"), ours)
}

/// Reads what the process writes to its terminal, so that it never waits, until the terminal is closed.
fn drain(terminal: &OwnedFd) -> std::thread::JoinHandle<()> {
    let mut reader = std::fs::File::from(terminal.try_clone().expect("a descriptor"));
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while matches!(reader.read(&mut buffer), Ok(length) if length > 0) {}
    })
}

fn ended(mut child: Child) -> ExitStatus {
    for _ in 0..6000 {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    panic!("it does not end");
}

/// Interrupts a run on a terminal with `end`, then goes on.
fn interrupted_run(end: impl FnOnce(&Child, OwnedFd)) {
    let (_kept, expected) = undisturbed();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = write_config(folder.path());
    let (mut child, terminal) = on_terminal(train(&config, &[]));
    let _reading = drain(&terminal);
    assert!(wait_for(30, folder.path(), &mut child));
    end(&child, terminal);
    assert_eq!(ended(child).code(), Some(130));
    let run: String = std::fs::read_to_string(folder.path().join("results/run.json")).expect("facts");
    assert!(run.contains(r#""status": "interrupted""#), "{run}");
    let (step, _) = list_checkpoints(&folder.path().join("results"))
        .pop()
        .expect("a checkpoint");
    assert!((30..100).contains(&step), "step {step}");
    assert!(train(&config, &["--resume"]).status().expect("run").success());
    assert_same(results(folder.path()), expected, "after the interruption");
}

#[test]
fn a_terminal_that_hangs_up_leaves_a_checkpoint() {
    interrupted_run(|child, _terminal| send(child, libc::SIGHUP));
}

#[test]
fn a_request_to_end_leaves_a_checkpoint() {
    interrupted_run(|child, _terminal| send(child, libc::SIGTERM));
}

fn send(child: &Child, signal: i32) {
    // SAFETY: a child of this test that has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// Lets the process write files of so many bytes at most, as if the disk had no more.
fn with_file_limit(command: &mut Command, bytes: u64) {
    // SAFETY: only calls that are allowed between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let limit = libc::rlimit {
                rlim_cur: bytes,
                rlim_max: bytes,
            };
            match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
}

/// A run in which no file may grow beyond `bytes`: it fails with a clear error, everything saved before can be used,
/// and the run that goes on ends as if nothing had happened.
fn limited_run(bytes: u64, expected_in_error: &str, more: &[&str]) {
    let whole = tempfile::tempdir().expect("a temporary folder");
    let config = write_config(whole.path());
    assert!(train(&config, more).status().expect("run").success());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = write_config(folder.path());
    let mut command = train(&config, more);
    with_file_limit(&mut command, bytes);
    let ran = finish(&mut command, "").ended_with(1);
    assert!(ran.err.contains("cannot write"), "{}", ran.err);
    assert!(ran.err.contains(expected_in_error), "{}", ran.err);
    let metrics = std::fs::read_to_string(folder.path().join("results/metrics.jsonl")).expect("metrics");
    for line in metrics.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("whole lines only");
    }
    let again = [more, &["--resume"]].concat();
    assert!(train(&config, &again).status().expect("run").success());
    assert_same(
        results(folder.path()),
        results(whole.path()),
        "after the full disk",
    );
}

#[test]
fn no_room_for_a_line_of_metrics_ends_the_run_cleanly() {
    // 100 rows have some 90 kB; everything else is smaller.
    let more = [
        "--set",
        "trainer.log_frequency=1",
        "--set",
        "sae.expansion_factor=0.25",
        "--set",
        "activation_factory.buffer_size=128",
    ];
    limited_run(50_000, "metrics.jsonl", &more);
}

#[test]
fn no_room_for_a_checkpoint_ends_the_run_cleanly() {
    limited_run(100_000, "trainer_state", &[]);
}

/// Runs the program on a disk of 700 kB, if this machine lets its users mount one.
#[test]
fn a_full_disk_ends_the_run_cleanly() {
    let mount = |then: &str| format!("mount -t tmpfs -o size=700k none \"$1\" && {then}");
    let allowed = Command::new("unshare")
        .args(["-rm", "sh", "-c", &mount("true"), "sh", "/mnt"])
        .stderr(Stdio::null())
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine does not let its users mount a small disk");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = write_config(folder.path());
    let results = folder.path().join("results");
    std::fs::create_dir(&results).expect("a folder");
    // The disk is gone with its name space, so what was saved is copied out.
    let steps =
        r#"{ "$2" train "$3" --set trainer.n_checkpoints=20; code=$?; cp -r "$1/." "$4"; exit $code; }"#;
    let saved = folder.path().join("saved");
    std::fs::create_dir(&saved).expect("a folder");
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", &mount(steps), "sh"])
        .arg(&results);
    command
        .arg(env!("CARGO_BIN_EXE_saescript"))
        .arg(&config)
        .arg(&saved);
    let ran = finish(&mut command, "").ended_with(1);
    assert!(ran.err.contains("no space is left on the disk"), "{}", ran.err);
    std::fs::remove_dir(&results).expect("empty outside");
    std::fs::rename(&saved, &results).expect("renamed");
    let (step, _) = list_checkpoints(&results)
        .pop()
        .expect("a checkpoint that was saved before");
    assert!(step < 100);
    let more = ["--set", "trainer.n_checkpoints=20"];
    let resumed =
        run([&["train", config.to_str().expect("UTF-8"), "--resume"][..], &more].concat()).ended_with(0);
    assert!(
        resumed.err.contains(&format!("going on from step {step}")),
        "{}",
        resumed.err
    );
}
