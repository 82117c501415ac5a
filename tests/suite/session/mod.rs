//! The interactive session on a terminal of its own.

mod day;

use std::path::Path;
use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{ControlCode, Eof, Expect};

use crate::program::program;

/// A session whose terminal shows no colours, so that what is expected can be written down.
struct Terminal(OsSession);

impl Terminal {
    fn open(state: &Path) -> Self {
        Self::open_with(state, &[])
    }

    fn open_with(state: &Path, arguments: &[&str]) -> Self {
        Self::open_in(state, arguments, &[("PAGER", "cat")])
    }

    fn open_in(state: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = program();
        command.arg("repl").args(arguments).current_dir(state);
        command.envs(variables.iter().copied());
        command
            .env("XDG_STATE_HOME", state)
            .env("TERM", "xterm")
            .env("NO_COLOR", "1");
        let mut session = OsSession::spawn(command).expect("a terminal");
        session.set_expect_timeout(Some(Duration::from_secs(60)));
        session
            .get_process_mut()
            .set_window_size(100, 40)
            .expect("a window");
        let mut terminal = Terminal(session);
        terminal.expect(":help");
        terminal.expect("> ");
        terminal
    }

    #[track_caller]
    fn expect(&mut self, text: &str) {
        if let Err(error) = self.0.expect(text) {
            let mut rest = [0; 4096];
            let length = self.0.try_read(&mut rest).unwrap_or(0);
            panic!(
                "{text:?} did not come: {error}; there was {:?}",
                String::from_utf8_lossy(&rest[..length])
            );
        }
    }

    fn send(&mut self, text: &str) {
        self.0.send(text).expect("the terminal takes it");
    }

    /// Types an entry and waits for `answer`, then for the next prompt.
    #[track_caller]
    fn enter(&mut self, entry: &str, answer: &str) {
        self.send(entry);
        self.send("\r");
        self.expect("\r\n");
        self.expect(answer);
        self.expect("> ");
    }

    fn ends_with(mut self, code: i32) {
        self.0.expect(Eof).expect("the end");
        let status = self.0.get_process().wait().expect("a status");
        assert!(
            matches!(status, WaitStatus::Exited(_, ended) if ended == code),
            "{status:?}"
        );
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn entries_of_several_lines_keep_what_they_define() {
    let state = folder();
    let mut terminal = Terminal::open(state.path());
    terminal.send("fn twice(n) {\r");
    terminal.send("n * 2\r");
    terminal.enter("}", "");
    terminal.enter("twice(21)", "42");
    terminal.enter("let text = `over\rlines`; text.len()", "10");
    terminal.send("\u{4}");
    terminal.ends_with(0);
}

#[test]
fn an_error_is_shown_with_its_place_and_the_session_goes_on() {
    let state = folder();
    let mut terminal = Terminal::open(state.path());
    terminal.enter("let weight = 3", "");
    terminal.enter("1 + wieght", "did you mean `weight`?");
    terminal.enter("weight + 1", "4");
    terminal.send(":quit\r");
    terminal.ends_with(0);
}

#[test]
fn tab_completes_names_members_and_keys() {
    let state = folder();
    let mut terminal = Terminal::open(state.path());
    terminal.enter("let weights = torch::zeros([2, 3])", "");
    terminal.send("weig\t");
    terminal.expect("weights");
    terminal.send(".numel\t");
    terminal.expect(".numel(");
    terminal.enter(")", "6");
    terminal.send("SAEConfig(#{ expansion_f\t");
    terminal.expect("expansion_factor: ");
    terminal.send("\u{3}");
    terminal.expect("> ");
    terminal.send("torch::lins\t");
    terminal.expect("torch::linspace");
    terminal.send("\u{3}");
    terminal.expect("> ");
    terminal.send("\u{4}");
    terminal.ends_with(0);
}

#[test]
fn help_shows_signatures_and_docs() {
    let state = folder();
    let mut terminal = Terminal::open(state.path());
    terminal.enter(":help torch::zeros", "torch::zeros(size");
    terminal.enter(":help SAEConfig", "d_model: int (required)");
    terminal.enter(":help", "write what was entered so far");
    terminal.enter(":hlep", "did you mean `:help`?");
    terminal.send("\u{4}");
    terminal.ends_with(0);
}

#[test]
fn ctrl_c_clears_a_line_and_stops_an_evaluation() {
    let state = folder();
    let mut terminal = Terminal::open(state.path());
    terminal.send("this is not ( finished");
    terminal.send("\u{3}");
    terminal.expect("> ");
    terminal.enter("1 + 1", "2");
    terminal.send("print(\"be\" + \"gun\"); loop {}\r");
    terminal.expect("begun");
    terminal
        .0
        .send(ControlCode::EndOfText)
        .expect("the terminal takes it");
    terminal.expect("interrupted");
    terminal.expect("> ");
    terminal.enter("2 + 3", "5");
    terminal.send("\u{4}");
    terminal.ends_with(0);
}

#[test]
fn more_than_one_ctrl_c_ends_the_call_and_not_the_session() {
    let state = folder();
    let mut terminal = Terminal::open(state.path());
    terminal.enter("let kept = 41", "");
    // One step that nothing can stop: minutes on a slow machine would be too long, a second or two are enough.
    terminal.send(
        "let a = torch::ones([2500, 2500]); print(\"be\" + \"gun\"); for i in 0..1000 { a.matmul(a); }\r",
    );
    terminal.expect("begun");
    for _ in 0..2 {
        terminal
            .0
            .send(ControlCode::EndOfText)
            .expect("the terminal takes it");
    }
    terminal.expect("interrupted");
    terminal.expect("> ");
    terminal.enter("kept + 1", "42");
    terminal.send("\u{4}");
    terminal.ends_with(0);
}

#[test]
fn an_entry_that_fails_keeps_what_it_had_defined() {
    let state = folder();
    std::fs::write(state.path().join("early.rhai"), "fn four() { 4 }").expect("writable");
    std::fs::write(state.path().join("late.rhai"), "print(\"must not\" + \" run\");").expect("writable");
    let mut terminal = Terminal::open(state.path());
    terminal.enter("let a = 1; let triple = |n| n * 3; import \"early\" as early; fn seven() { 7 } [1][5]; let b = 2; import \"late\" as late;", "out of range");
    terminal.enter("a + triple.call(2) + seven() + early::four()", "18");
    terminal.enter("b", "unknown variable `b`");
    terminal.enter("late::x()", "unknown module `late`");
    terminal.enter("let a = 5; a = a.nothing()", "nothing");
    terminal.enter("\"a is \" + a", "a is 5");
    terminal.send("\u{4}");
    terminal.ends_with(0);
}

#[test]
fn what_is_typed_while_a_call_runs_is_run_after_it() {
    let state = folder();
    let mut terminal = Terminal::open(state.path());
    terminal.send("print(\"be\" + \"gun\"); sleep(1.0)\r");
    terminal.expect("begun");
    terminal.send("let ahead = 20\rfn add(n) {\r  n + ahead_of()\r}\rfn ahead_of() { 1 }\r\"sum \" + (ahead + add(21))\r");
    terminal.expect("sum 42");
    terminal.enter("ahead", "20");
    terminal.send(":quit\r");
    terminal.ends_with(0);
}

#[test]
fn a_paste_without_brackets_is_run_entry_by_entry() {
    let state = folder();
    let mut terminal = Terminal::open(state.path());
    let lines: Vec<String> = (0..60).map(|n| format!("let v{n} = {n} + 1000")).collect();
    terminal.send(&(lines.join("\r") + "\rlet total = [\r  v0,\r  v59,\r]\r\"ends \" + total\r"));
    terminal.expect("ends [1000, 1059]");
    terminal.enter("v31", "1031");
    terminal.send(":quit\r");
    terminal.ends_with(0);
}

#[test]
fn a_signal_during_a_call_ends_the_session_after_it() {
    let state = folder();
    let mut terminal = Terminal::open(state.path());
    terminal.send("print(\"be\" + \"gun\"); loop {}\r");
    terminal.expect("begun");
    let id = terminal.0.get_process().pid().as_raw();
    // SAFETY: the child has not been waited for, so the id is still its own.
    assert_eq!(unsafe { libc::kill(id, libc::SIGTERM) }, 0);
    terminal.ends_with(130);
}

#[test]
fn a_signal_at_the_prompt_ends_the_session() {
    let state = folder();
    let terminal = Terminal::open(state.path());
    let id = terminal.0.get_process().pid().as_raw();
    // SAFETY: the child has not been waited for, so the id is still its own.
    assert_eq!(unsafe { libc::kill(id, libc::SIGTERM) }, 0);
    terminal.ends_with(130);
}

#[test]
fn history_is_kept_from_session_to_session() {
    let state = folder();
    let mut first = Terminal::open(state.path());
    first.enter("111 + 222", "333");
    first.send("\u{4}");
    first.ends_with(0);
    let mut second = Terminal::open(state.path());
    second.send("\u{1b}[A");
    second.expect("111 + 222");
    second.enter("", "333");
    second.send("\u{4}");
    second.ends_with(0);
    assert!(state.path().join("saescript/history").is_file());
}

#[test]
fn a_script_can_be_loaded_first_and_exit_ends_with_its_code() {
    let state = folder();
    std::fs::write(
        state.path().join("begin.rhai"),
        "let base = 40; fn add(n) { n + 2 }",
    )
    .expect("writable");
    let mut terminal = Terminal::open_with(state.path(), &["begin.rhai"]);
    terminal.enter("add(base)", "42");
    terminal.send("exit(5)\r");
    terminal.ends_with(5);
}
