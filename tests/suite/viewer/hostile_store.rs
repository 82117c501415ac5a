//! Stores that somebody made to do harm: nothing of them runs, and what is broken is said.

use std::path::Path;

use rusqlite::Connection;
use saescript::findings::Store;

use super::chromium::Browser;
use super::served::{Served, small};
use crate::program::run;

/// Texts that would do something if they were taken for markup, scripts, styles or addresses.
const NASTY: [&str; 6] = [
    "<script>globalThis.hit = 1</script>",
    "<img src=x onerror=\"globalThis.hit = 1\">",
    "\"><svg onload=globalThis.hit=1>",
    "javascript:globalThis.hit=1",
    "</style></title><iframe srcdoc='<script>top.hit=1</script>'>",
    "\u{202e}gnp.exe\u{0000}\u{001b}[2J",
];

fn change(path: &Path, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) {
    let connection = Connection::open(path).expect("opened");
    work(&connection).expect("changed");
}

/// Puts nasty texts wherever a store has texts.
fn poison(path: &Path) {
    change(path, |store| {
        for (token, text) in NASTY.iter().cycle().take(60).enumerate() {
            store.execute(
                "UPDATE vocabulary SET bytes = ? WHERE token = ?",
                (text.as_bytes(), token as i64),
            )?;
        }
        for (key, text) in ["dictionary.name", "<b>key</b>", "model.name"].iter().zip(NASTY) {
            store.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, text))?;
        }
        store.execute("UPDATE context SET dataset = ?", [NASTY[1]])?;
        store.execute("UPDATE subsample SET name = ? || id", [NASTY[0]])?;
        store.execute("UPDATE analysis SET settings = ?", [NASTY[4]])?;
        for (at, text) in NASTY.iter().enumerate() {
            store.execute("INSERT INTO evaluation VALUES (?, 1.5, '{}')", [text])?;
            store.execute("INSERT INTO metric VALUES (?, 17, ?)", (text, at as f64))?;
        }
        Ok(())
    });
    let store = Store::open(path).expect("still a store");
    for (latent, text) in (15..21).zip(NASTY) {
        store.set_label(latent, text, "user").expect("labelled");
        store.bookmark(latent, text, text).expect("bookmarked");
    }
}

#[test]
fn texts_of_a_store_are_texts_and_nothing_else() {
    let (folder, path) = small();
    poison(&path);
    let page = folder.path().join("page.html");
    let (store, file) = (path.display().to_string(), page.display().to_string());
    run(["view", &store, "--html", &file, "--latents", "0-60"]).ended_with(0);
    for latent in ["15", "17", "20"] {
        let printed = run(["show", &store, latent]).ended_with(0).out;
        assert!(!printed.contains(['\x1b', '\0', '\u{202e}']), "{printed:?}");
    }
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let served = Served::start(&[&path], &[]);
    browser.open(&served.link);
    browser.wait("document.querySelector('.cards')");
    let pages = [
        "overview",
        "latents?sort=-max",
        "latents?where=has%3Alabel",
        "latent/15",
        "latent/17?range=3",
        "latent/19?marks=1",
        "latent/20",
        "bookmarks",
    ];
    for start in [served.at(""), format!("file://{file}#/")] {
        for page in pages {
            browser.open(&format!("{start}{page}"));
            browser.wait("document.querySelector('.page')?.textContent.length > 20");
            std::thread::sleep(std::time::Duration::from_millis(150));
            assert!(
                browser.value("globalThis.hit === undefined") == true,
                "{page} ran something"
            );
            let made = browser.count("main script, main img, main iframe, main style, main [onerror], main [onload], main a[href^='javascript']");
            assert_eq!(made, 0, "{page}");
        }
    }
    browser.open(&served.at("latent/15"));
    browser.wait_text(".heading .text", NASTY[0]);
    assert_eq!(browser.troubles(), [] as [String; 0]);
}

#[test]
fn broken_parts_are_said_and_the_rest_is_shown() {
    let (_folder, path) = small();
    change(&path, |store| {
        store.execute("UPDATE sample SET data = x'0102' WHERE latent = 1", [])?;
        store.execute("UPDATE sample SET n = 4000000000 WHERE latent = 2", [])?;
        store.execute("UPDATE histogram SET linear = x'01' WHERE latent = 3", [])?;
        store.execute(
            "UPDATE neighbour SET data = x'ffffffff0000c07f' WHERE latent = 4",
            [],
        )?;
        store.execute("UPDATE logits SET histogram = x'' WHERE latent = 5", [])?;
        store.execute(
            "UPDATE latent SET max = 9e999, density = -1, mean = 1e-320 WHERE latent = 6",
            [],
        )?;
        store.execute(
            "UPDATE latent SET act_times = 9223372036854775807, flags = 4294967295 WHERE latent = 7",
            [],
        )?;
        Ok(())
    });
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let served = Served::start(&[&path], &[]);
    browser.open(&served.link);
    browser.wait("document.querySelector('.cards')");
    for latent in [1, 2, 3, 5] {
        browser.open(&served.at(&format!("latent/{latent}")));
        browser.wait_text("#bar", "is damaged");
        browser.value("document.getElementById('bar').hidden = true");
    }
    for latent in [4, 6, 7, 20] {
        browser.open(&served.at(&format!("latent/{latent}")));
        browser.wait_text(".heading h1", &latent.to_string());
        browser.wait("document.querySelectorAll('.bin').length > 0");
    }
    for page in ["overview", "latents?sort=-max", "latents"] {
        browser.open(&served.at(page));
        browser.wait("document.querySelector('.page')?.textContent.length > 100");
    }
    browser.wait_text(".list", "is damaged");
    let mut troubles = browser.troubles();
    // The browser itself notes each answer that is an error.
    troubles.retain(|trouble| !trouble.contains("status of 500"));
    assert_eq!(troubles, [] as [String; 0]);
}

#[test]
fn contexts_that_unpack_to_too_much_and_latents_beyond_counting_are_refused() {
    let (_folder, path) = small();
    let bomb = zstd::bulk::compress(&vec![0u8; 64 << 20], 19).expect("compressed");
    change(&path, |store| {
        store.execute("UPDATE context_tokens SET data = ?", [bomb])?;
        Ok(())
    });
    let ran = run(["show", &path.display().to_string(), "17"]).ended_with(1);
    assert!(ran.err.contains("is damaged"), "{}", ran.err);
    change(&path, |store| {
        store
            .execute("UPDATE analysis SET latents = 4294967295", [])
            .map(drop)
    });
    let served = Served::start(&[&path], &[]);
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.open(&served.link);
    browser.wait_text("#bar", "the viewer shows at most 2097152");
}
