//! A dictionary as large as real ones, 65,536 latents: every page, and the keys one walks with.

use std::fs::File;
use std::path::{Path, PathBuf};

use saescript::findings::Store;

use super::chromium::Browser;
use super::made_store::{DEAD_EVERY, Size, make};
use super::served::Served;

/// The store, made once for a build folder: nothing is written into it.
fn large() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join("viewer-large.sqlite");
    let turn = File::create(folder.join("viewer-large.lock")).expect("a lock");
    turn.lock().expect("a turn");
    let made_by = concat!(
        include_str!("made_store.rs"),
        include_str!("made_texts.rs"),
        include_str!("themes.rs"),
        include_str!("../../../src/findings/schema.sql")
    );
    let stamp = folder.join("viewer-large.stamp");
    if !path.is_file() || std::fs::read_to_string(&stamp).ok().as_deref() != Some(made_by) {
        let _ = std::fs::remove_file(&path);
        make(&path, Size::LARGE).expect("a store");
        std::fs::write(stamp, made_by).expect("written");
    }
    path
}

#[test]
fn sixty_five_thousand_latents_are_as_easily_looked_through() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let path = large();
    let served = Served::start(&[&path], &["--read-only"]);
    browser.open(&served.link);
    browser.wait_text(".head", "65,536 latents");
    let dead = Size::LARGE.latents.div_ceil(DEAD_EVERY);
    browser.wait_text(".card[href*='where=dead']", "1,772dead");
    assert_eq!(dead, 1772);
    browser.open(&served.at("latents?where=alive&sort=-density"));
    browser.wait_text(".told", "63,764 of 65,536 latents");
    let store = Store::open(&path).expect("the store");
    let id = store.analysis(None).expect("an analysis").id;
    let mut order = store.scalars(id).expect("figures");
    order.retain(|one| one.act_times > 0);
    order.sort_by(|a, b| {
        (b.density as f32)
            .total_cmp(&(a.density as f32))
            .then(a.latent.cmp(&b.latent))
    });
    let shown = "[...document.querySelectorAll('.list .row .number')].map((link) => link.textContent)";
    browser.wait(&format!("{shown}[0] === '{}'", order[0].latent));
    // Down to the end, which holds the rarest.
    browser.value("document.querySelector('.list').scrollTop = 1e9");
    let last = order.last().expect("one").latent;
    browser.wait(&format!(
        "{shown}.at(-1) === '{last}' && document.querySelector('.list .row:last-child .t')"
    ));
    browser.click(".list .row:last-child .number");
    browser.wait_text(".heading h1", &last.to_string());
    browser.wait_text(".moves", "63,764 of 63,764");
    browser.keys(["k"]);
    browser.wait_text(".heading h1", &order[order.len() - 2].latent.to_string());
    browser.open(&served.at("latents?where=thunder"));
    browser.wait_text(".told", "2,000 of 65,536 latents, the best of many");
    browser.wait("document.querySelector('.list .row .t')");
    browser.open(&served.at("bookmarks"));
    browser.wait_text("main", "Nothing is bookmarked yet.");
    assert_eq!(browser.troubles(), [] as [String; 0]);
}
