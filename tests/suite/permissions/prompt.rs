//! `--prompt`: whoever sits at the terminal decides.

use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Eof, Expect};

use super::World;
use crate::program::program;

/// What a script says that reads a file outside twice, when its questions are answered so.
fn answered(answers: &[&str]) -> String {
    let world = World::new();
    world.write(
        "scripts/script.rhai",
        "for i in 0..2 { try { print(read_text(\"../outside/file\")); } catch (e) { print(e.kind); } }",
    );
    let mut command = program();
    command
        .args(["run", "--prompt", "../scripts/script.rhai"])
        .current_dir(world.at("work"))
        .env("HOME", world.at("home"))
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    let mut session = OsSession::spawn(command).expect("a terminal");
    session.set_expect_timeout(Some(Duration::from_secs(60)));
    let mut said = String::new();
    for answer in answers {
        let found = session.expect("n: no").expect("a question");
        said.push_str(&String::from_utf8_lossy(found.as_bytes()));
        session.send_line(answer).expect("an answer");
    }
    let found = session.expect(Eof).expect("it ends");
    said.push_str(&String::from_utf8_lossy(found.as_bytes()));
    said
}

#[test]
fn a_person_may_allow_once_always_or_not() {
    let always = answered(&["a"]);
    assert!(always.contains("the script wants to read `/"), "{always}");
    assert_eq!(always.matches("outside\r\n").count(), 2, "{always}");
    let once = answered(&["y", "n"]);
    assert_eq!(once.matches("outside\r\n").count(), 1, "{once}");
    assert!(once.contains("permission"), "{once}");
    let never = answered(&["", "nonsense"]);
    assert_eq!(never.matches("permission").count(), 2, "{never}");
}
