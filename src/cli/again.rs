//! The command that goes on with what was interrupted: as it was given, so that it does the same.

use std::ffi::OsString;

use crate::error::{Error, Fault};

/// Returns the command line after the program's name, as a shell takes it, with `option` where it is not there already.
pub(super) fn command_with(option: Option<&str>) -> String {
    written(std::env::args_os().skip(1), option)
}

/// Adds the command that goes on, unless the same command would be refused again.
pub(super) fn with_way_on(error: Error) -> Error {
    match error.fault() {
        Fault::Input => error,
        _ => error.hint(format!("go on with: {}", command_with(None))),
    }
}

fn written(arguments: impl Iterator<Item = OsString>, option: Option<&str>) -> String {
    let mut words: Vec<String> = arguments
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some(option) = option.filter(|option| !words.iter().any(|word| word == option)) {
        // After `--` nothing is an option.
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, option.to_string());
    }
    let words = words.iter().map(|word| quoted(word));
    std::iter::once("saescript".to_string())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell takes it: between single quotes where anything in it means something to shells.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-+=:,./@%".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_repeated_as_a_shell_takes_it() {
        let again = |words: &[&str], option| written(words.iter().map(OsString::from), option);
        let given = [
            "train",
            "my runs/a.toml",
            "--set",
            "sae_name=it's",
            "--set",
            "trainer.lr=3e-4",
        ];
        assert_eq!(
            again(&given, Some("--resume")),
            r"saescript train 'my runs/a.toml' --set 'sae_name=it'\''s' --set trainer.lr=3e-4 --resume"
        );
        assert_eq!(
            again(&["train", "--resume", "a.toml"], Some("--resume")),
            "saescript train --resume a.toml"
        );
        assert_eq!(
            again(&["train", "--", "-a.toml"], Some("--resume")),
            "saescript train --resume -- -a.toml"
        );
        assert_eq!(
            again(&["generate", "a.toml", "--set", "x=$Y"], None),
            "saescript generate a.toml --set 'x=$Y'"
        );
    }
}
