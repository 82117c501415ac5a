//! The commands of docs/libraries.md, as they are written there.

use std::path::Path;

use super::place::Workplace;

#[test]
fn the_commands_of_the_page_run() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/libraries.md");
    let text = std::fs::read_to_string(page).expect("the page");
    let place = Workplace::new();
    let mut folder = std::path::PathBuf::new();
    let mut ran = 0;
    for fence in text.split("\n```sh\n").skip(1) {
        let commands = fence.split("\n```").next().unwrap_or_default();
        for line in commands.lines() {
            match line.split_once(' ') {
                Some(("cd", "..")) => drop(folder.pop()),
                Some(("cd", below)) => folder.push(below),
                Some(("saescript", arguments)) => {
                    let arguments: Vec<&str> = arguments.split(' ').collect();
                    place.run(&folder.display().to_string(), 0, &arguments);
                    ran += 1;
                }
                _ => panic!("`{line}` is no command of saescript"),
            }
        }
    }
    assert!(ran >= 14, "only {ran} commands were found");
}
