//! Stores that change, cannot be written or are of another program while somebody looks: clear words, nothing lost.

use std::path::Path;

use saescript::findings::Store;

use super::made_store::{Size, make};
use super::served::{Served, opened, small};
use crate::program::{program, run};

#[test]
fn a_page_left_open_says_that_the_store_was_written_anew() {
    let Some((folder, path, served, mut browser)) = opened() else {
        return;
    };
    browser.open(&served.at("latent/20"));
    browser.wait_text(".heading h1", "20");
    let other = folder.path().join("new.sqlite");
    let fewer = Size {
        latents: 100,
        ..Size::SMALL
    };
    make(&other, fewer).expect("a store");
    std::fs::rename(&other, &path).expect("in its place");
    // What was being typed is not lost.
    browser.keys(["e"]);
    browser.write("my label");
    browser.keys(["Enter"]);
    browser.wait_text("#bar", "The store was written anew since this page was opened.");
    assert_eq!(
        browser.value("document.querySelector('.editing input').value"),
        "my label"
    );
    let store = Store::open(&path).expect("the new store");
    assert!(
        store.label(20).expect("read").is_none(),
        "nothing went into the new one"
    );
    browser.click("#bar button");
    browser.wait_text(".moves", "21 of 100");
    browser.wait("document.getElementById('bar').hidden");
    assert_eq!(browser.text(".heading h1"), "20");
}

#[test]
fn a_page_says_that_its_program_has_ended() {
    let Some((_folder, _path, mut served, mut browser)) = opened() else {
        return;
    };
    browser.open(&served.at("latent/20"));
    browser.wait_text(".heading h1", "20");
    browser.keys(["e"]);
    browser.write("my label");
    assert_eq!(served.interrupt(), Some(0), "Ctrl-C is how a server ends");
    browser.keys(["Enter"]);
    browser.wait_text("#bar", "The program behind this page does not answer.");
    assert_eq!(
        browser.value("document.querySelector('.editing input').value"),
        "my label"
    );
}

#[test]
fn a_store_from_elsewhere_is_read_only_until_write_is_given() {
    let Some((_folder, path, _served, mut browser)) = opened() else {
        return;
    };
    Store::open(&path)
        .expect("the store")
        .set_meta("made.here", "0011223344556677")
        .expect("set");
    let served = Served::start(&[&path], &[]);
    browser.open(&served.link);
    browser.wait("document.querySelector('.cards')");
    browser.open(&served.at("latent/20"));
    browser.wait_text(
        ".heading",
        "Read only: it was made elsewhere; `--write` allows it.",
    );
    browser.keys(["b"]);
    browser.wait_text("#line", "Nothing is written into this store");
    let answer = browser.value(
        "(async () => { const meta = await (await fetch('/api/meta')).json(); const answer = await fetch('/api/bookmark', { method: 'POST', \
         headers: { 'Content-Type': 'application/json', 'X-Saescript-Token': meta.write_token }, \
         body: JSON.stringify({ latent: 1, on: true, tags: [], note: '' }) }); return (await answer.json()).error; })()",
    );
    assert!(
        answer
            .as_str()
            .is_some_and(|error| error.contains("made elsewhere")),
        "{answer}"
    );
    let served = Served::start(&[&path], &["--write"]);
    browser.open(&served.link);
    browser.wait("document.querySelector('.cards')");
    browser.open(&served.at("latent/20"));
    browser.wait_text(".heading h1", "20");
    browser.keys(["b"]);
    browser.wait("document.querySelector('.star').ariaPressed === 'true'");
    assert_eq!(
        Store::open(&path)
            .expect("the store")
            .bookmarks()
            .expect("read")
            .len(),
        1
    );
}

#[test]
fn what_is_no_store_or_of_a_newer_program_is_said_before_anything_is_served() {
    let (folder, path) = small();
    let refused = |arguments: &[&Path], expected: &str| {
        let ran = run([Path::new("serve")].into_iter().chain(arguments.iter().copied())).ended_with(2);
        assert!(ran.err.contains(expected), "{}", ran.err);
        assert_eq!(ran.out, "");
    };
    refused(&[&folder.path().join("none.sqlite")], "there is no such file");
    refused(&[folder.path()], "has no `analysis.sqlite`");
    let run_of_it = folder.path().join("first");
    std::fs::create_dir(&run_of_it).expect("a folder");
    std::fs::copy(&path, run_of_it.join("analysis.sqlite")).expect("copied");
    refused(
        &[folder.path()],
        &format!("there is one in `{}`", run_of_it.display()),
    );
    let text = folder.path().join("text.sqlite");
    std::fs::write(
        &text,
        "this is no store at all, but it is long enough to look like a file",
    )
    .expect("written");
    refused(&[&text], "no store");
    let newer = folder.path().join("newer.sqlite");
    std::fs::copy(&path, &newer).expect("copied");
    let mut bytes = std::fs::read(&newer).expect("read");
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes()); // user_version in the head of an SQLite file
    std::fs::write(&newer, bytes).expect("written");
    refused(&[&newer], "version 99");
    refused(&[&path, &newer], "a newer program wrote it");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let mut command = program();
    let ran =
        crate::program::finish(command.arg("serve").arg(&path).args(["--port", &port]), "").ended_with(2);
    assert!(ran.err.contains("cannot listen on 127.0.0.1"), "{}", ran.err);
    assert!(ran.err.contains("--port"), "{}", ran.err);
}
