//! What others wrote, on a terminal and in a pipe.

use std::path::Path;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Eof, Expect};

use super::run_script;
use crate::program::{program, script};

/// Everything that a script sends to its terminal.
fn on_terminal(text: &str, here: &Path) -> String {
    let (_kept, path) = script(text);
    let mut command = program();
    command.arg("run").arg(path).current_dir(here);
    command.env("TERM", "xterm").env("NO_COLOR", "1");
    let mut session = OsSession::spawn(command).expect("a terminal");
    session.set_expect_timeout(Some(Duration::from_secs(60)));
    let found = session.expect(Eof).expect("it ends");
    String::from_utf8_lossy(found.as_bytes()).into_owned()
}

/// A window title, a colour, C1's CSI, a carriage return and a mark that turns text round.
const EVIL: &str = r"\x1b]0;owned\x07 \x1b[31mred \u009b31m a\rb \u202eback";

#[test]
fn escape_sequences_are_shown_on_a_terminal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for door in [
        format!("print(\"{EVIL}\");"),
        format!("print_table([#{{ text: \"{EVIL}\" }}]);"),
        format!("throw \"{EVIL}\";"),
        format!("LanguageModel(LanguageModelConfig(#{{ model_name: \"/x{EVIL}\" }}));"),
        format!("datasets::load_dataset(\"{EVIL}.jsonl\");"),
    ] {
        let seen = on_terminal(&door, folder.path());
        assert!(seen.contains("␛]0;owned␇"), "{door}: {seen:?}");
        for raw in ["\x1b]", "\x1b[31m", "\x07", "\u{9b}", "\u{202e}", "a\rb"] {
            assert!(!seen.contains(raw), "{raw:?} after {door}: {seen:?}");
        }
    }
}

#[test]
fn print_is_raw_in_a_pipe_and_tables_and_errors_are_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let printed = run_script(r#"print("\x1b[31mred\x07")"#, folder.path(), &[]).ended_with(0);
    assert_eq!(printed.out, "\x1b[31mred\x07\n");
    let table = run_script(r#"print_table([#{ a: "\x1b[31mred\x07" }])"#, folder.path(), &[]).ended_with(0);
    assert!(
        table.out.contains("␛[31mred␇") && !table.out.contains('\x1b'),
        "{:?}",
        table.out
    );
    let error = run_script(r#"throw "\x1b[31mred\x07""#, folder.path(), &[]);
    assert!(
        error.err.contains("␛[31mred␇") && !error.err.contains('\x1b'),
        "{:?}",
        error.err
    );
}
