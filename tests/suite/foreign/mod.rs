//! Files, servers and folders that others made: nothing they say ends in a panic, an abort or a full memory, and nothing
//! in them is run or reaches a terminal.

mod files;
mod programs;
mod servers;
mod terminal;

use crate::program::{Ran, finish, program, script};

/// Runs a script in the folder `here` with the environment `variables`.
fn run_script(text: &str, here: &std::path::Path, variables: &[(&str, &str)]) -> Ran {
    let (_kept, path) = script(text);
    let mut command = program();
    command
        .args(["run", "-A"])
        .arg(path)
        .current_dir(here)
        .env("HOME", here);
    command.envs(variables.iter().copied());
    finish(&mut command, "")
}
