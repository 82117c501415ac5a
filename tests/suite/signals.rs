//! Ctrl-C and SIGTERM, wherever the program is.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::{program, script};

/// Far longer than a stop takes, and shorter than what would end the waits of these tests otherwise.
const PATIENCE: Duration = Duration::from_secs(8);

/// Starts a script, waits for `ready`, sends `signal` and expects the end.
fn stops(text: &str, signal: i32, configure: impl FnOnce(&mut Command), ready: impl FnOnce(&mut Child)) {
    let (_kept, path) = script(text);
    let mut command = program();
    // One looks through the whole disk, one asks a server.
    command.args(["run", "-A"]).arg(&path);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    configure(&mut command);
    let mut child = command.spawn().expect("started");
    ready(&mut child);
    let id = i32::try_from(child.id()).expect("an id");
    // SAFETY: signals the child that this test started and did not wait for.
    assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    let sent = Instant::now();
    let status = loop {
        match child.try_wait().expect("ours") {
            Some(status) => break status,
            None if sent.elapsed() > PATIENCE => {
                child.kill().expect("ours");
                panic!("it does not stop: {text}");
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    let mut errors = String::new();
    let mut stderr = child.stderr.take().expect("a pipe");
    stderr.read_to_string(&mut errors).expect("UTF-8");
    assert_eq!(status.code(), Some(130), "{errors}");
}

/// A server that takes connections and answers `head`, if anything, and then a byte now and then.
fn slow(head: &'static str) -> (String, Receiver<()>) {
    use std::io::Write;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, asked) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut stream = stream;
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(head.as_bytes());
                let _ = sender.send(());
                // A client that hangs up is no failure of the test.
                while head.is_empty() || stream.write_all(b"{").is_ok() {
                    thread::sleep(Duration::from_millis(500));
                }
            });
        }
    });
    (address, asked)
}

const SIGNALS: [i32; 2] = [libc::SIGINT, libc::SIGTERM];

/// The first line that the child prints.
fn first_line(child: &mut Child) {
    let mut byte = [0];
    let out = child.stdout.as_mut().expect("a pipe");
    out.read_exact(&mut byte).expect("it prints");
}

#[test]
fn waiting_for_a_silent_hub_stops() {
    for signal in SIGNALS {
        let (address, asked) = slow("");
        let home = tempfile::tempdir().expect("a temporary folder");
        stops(
            "datasets::load_dataset(\"org/name\");",
            signal,
            |command| {
                command.env("HF_ENDPOINT", address).env("HF_HOME", home.path());
                command.env_remove("HF_HUB_OFFLINE").current_dir(home.path());
            },
            |_| asked.recv_timeout(PATIENCE).expect("asked"),
        );
    }
}

#[test]
fn a_cache_that_trickles_in_stops() {
    for signal in SIGNALS {
        let (address, asked) = slow("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        let text = format!(
            r#"ActivationFactory(ActivationFactoryConfig(#{{
                sources: [ActivationFactoryActivationsSource(#{{ name: "x", path: "{address}" }})],
                target: ActivationFactoryTarget::ACTIVATIONS_1D, hook_points: ["h"], batch_size: 4
            }})).process(#{{}});"#
        );
        stops(
            &text,
            signal,
            |_| {},
            |_| asked.recv_timeout(PATIENCE).expect("asked"),
        );
    }
}

#[test]
fn reading_and_counting_a_large_file_stop() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // 4 GB of blank lines in a few megabytes: many frames of the same.
    let frame = zstd::encode_all(&vec![b'\n'; 64 << 20][..], 1).expect("packed");
    std::fs::write(folder.path().join("blank.txt.zst"), frame.repeat(200)).expect("written");
    for signal in SIGNALS {
        for work in [
            "data.len()",
            "for r in data { print(r) }",
            "data.shuffle(1).take(3).len(); for r in data.shuffle(1) { print(r) }",
        ] {
            let text = format!("let data = datasets::load_dataset(\"blank.txt.zst\"); print(1); {work}");
            let here = folder.path();
            let configure = |command: &mut Command| {
                command.current_dir(here);
            };
            stops(&text, signal, configure, first_line);
        }
    }
}

#[test]
fn looking_for_files_on_the_whole_disk_stops() {
    for signal in SIGNALS {
        stops(
            "print(1); loop { datasets::load_dataset(\"/**/*.jsonl-that-is-nowhere\") }",
            signal,
            |_| {},
            first_line,
        );
    }
}
