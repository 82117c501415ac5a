//! Links that another program changes while a script reads and writes through them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::World;

/// Runs a script while the link `place` in its working folder leads to `inside` and `outside` in turn.
fn while_it_flips(world: &World, place: &str, inside: &str, outside: &str, text: &str) -> String {
    let (link, new) = (world.at(&format!("work/{place}")), world.at("work/.next"));
    let flip = |to: &str| {
        symlink(to, &new).expect("linked");
        fs::rename(&new, &link).expect("renamed");
    };
    flip(inside);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                flip(outside);
                flip(inside);
            }
        });
        let ran = world.run(&[], text, &[]);
        over.store(true, Ordering::Relaxed);
        ran.ended_with(0).out
    })
}

#[test]
fn a_link_that_changes_between_question_and_use_opens_nothing() {
    let world = World::new();
    let text = r#"
        let read = 0; let refused = 0;
        for i in 0..4000 {
            try {
                let said = read_text("flip");
                if said == "outside" { throw "it was read"; }
                read += 1;
            } catch (e) { if e == "it was read" { print(e); } refused += 1; }
        }
        print(read + refused == 4000);
    "#;
    let said = while_it_flips(&world, "flip", "file", "../outside/file", text);
    assert_eq!(said.trim(), "true");
}

#[test]
fn a_folder_that_changes_between_question_and_use_is_not_written() {
    let world = World::new();
    world.write("work/inside/file", "x");
    let text = r#"
        let written = 0; let refused = 0;
        for i in 0..1500 {
            try { write_text("flip/new" + i, "x"); written += 1; } catch { refused += 1; }
        }
        print(written + refused == 1500);
    "#;
    let said = while_it_flips(&world, "flip", "inside", "../outside", text);
    assert_eq!(said.trim(), "true");
    assert_eq!(names(&world.at("outside")), ["file", "module.rhai"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}
