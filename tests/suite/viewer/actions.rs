//! What people do every day: label, bookmark, tag, note, select, export; all of it is in the store afterwards.

use saescript::findings::Store;

use super::served::{Served, opened};

#[test]
fn labels_bookmarks_tags_and_notes_are_written_and_seen_everywhere() {
    let Some((_folder, path, served, mut browser)) = opened() else {
        return;
    };
    browser.open(&served.at("latent/20"));
    browser.wait_text(".heading h1", "20");
    browser.keys(["e"]);
    browser.wait("document.activeElement?.getAttribute('aria-label') === 'Label'");
    browser.write("rivers & <b>lakes</b> עברית");
    browser.keys(["Enter"]);
    browser.wait_text(".heading .text", "rivers & <b>lakes</b> עברית");
    browser.keys(["b"]);
    browser.wait("document.querySelector('.star').ariaPressed === 'true'");
    browser.keys(["t"]);
    browser.wait("document.activeElement?.getAttribute('aria-label') === 'Tags'");
    browser.write("water, to check");
    browser.keys(["Enter"]);
    browser.wait("document.querySelectorAll('.heading .tag').length === 2");
    browser.keys(["n"]);
    browser.wait("document.activeElement?.getAttribute('aria-label') === 'Note'");
    browser.write("seen near \"banks\"");
    browser.click(".editing button");
    browser.wait_text(".heading .note", "seen near \"banks\"");
    browser.click("nav a:nth-child(4)");
    browser.wait_text(".marks li", "rivers & <b>lakes</b>");
    browser.wait_text(".marks li", "to check");
    browser.open(&served.at("latents?where=tag%3A%22to+check%22"));
    browser.wait_text(".told", "1 of 600 latents");
    browser.open(&served.at("latents?where=lakes"));
    browser.wait_text(".told", "1 of 600 latents");
    let store = Store::open(&path).expect("the store");
    assert_eq!(
        store.label(20).expect("read").expect("a label").text,
        "rivers & <b>lakes</b> עברית"
    );
    let marks = store.bookmarks().expect("read");
    let tags: Vec<&str> = marks.iter().map(|mark| mark.tag.as_str()).collect();
    assert_eq!(tags, ["to check", "water"]);
    assert!(marks.iter().all(|mark| mark.note == "seen near \"banks\""));
    // Another label: the first stays in its history. Then the bookmark goes.
    browser.open(&served.at("latent/20"));
    browser.wait_text(".heading .text", "rivers");
    browser.click(".label .edit");
    browser.wait("document.activeElement?.tagName === 'INPUT'");
    browser.value("document.activeElement.select()");
    browser.write("rivers");
    browser.keys(["Enter"]);
    browser.wait_text(".history summary", "1 earlier");
    browser.keys(["b"]);
    browser.wait("document.querySelector('.star').ariaPressed === 'false'");
    assert_eq!(store.bookmarks().expect("read"), []);
    assert_eq!(store.label_history(20).expect("read").len(), 2);
    assert_eq!(browser.troubles(), [] as [String; 0]);
}

#[test]
fn selected_rows_are_bookmarked_labelled_and_exported_together() {
    let Some((_folder, path, served, mut browser)) = opened() else {
        return;
    };
    browser.open(&served.at("latents?where=alive"));
    browser.wait("document.querySelectorAll('.list .row').length > 10");
    browser.keys(["x", "j", "x", "j", "x"]);
    browser.wait_text(".selection", "3 latents");
    browser.click(".selection button:nth-of-type(1)");
    browser.wait_text("#line", "3 latents bookmarked");
    browser.click(".selection button:nth-of-type(2)");
    browser.wait("document.querySelector('.selection form input')");
    browser.write("three of a kind");
    browser.keys(["Enter"]);
    browser.wait_text("#line", "3 latents labelled");
    browser.wait("[...document.querySelectorAll('.list .row .line b')].filter((label) => label.textContent === 'three of a kind').length >= 3");
    let store = Store::open(&path).expect("the store");
    assert_eq!(store.bookmarks().expect("read").len(), 3);
    for latent in [1, 2, 3] {
        assert_eq!(
            store.label(latent).expect("read").expect("a label").text,
            "three of a kind"
        );
    }
    browser.value("globalThis.saved = null; URL.createObjectURL = (blob) => { blob.text().then((text) => (globalThis.saved = text)); return '#'; }; 0");
    browser.value("HTMLAnchorElement.prototype.click = () => {}; 0");
    browser.click(".selection button:nth-of-type(3)");
    browser.wait("globalThis.saved");
    let table = browser.value("globalThis.saved");
    let table = table.as_str().expect("text");
    assert!(table.starts_with("latent,label,density,max,"), "{table}");
    assert_eq!(table.lines().count(), 4);
    assert!(table.contains("\n2,\"three of a kind\","), "{table}");
}

#[test]
fn two_stores_are_a_choice_and_keep_apart() {
    let Some((folder, path, _served, mut browser)) = opened() else {
        return;
    };
    let other = folder.path().join("other.sqlite");
    std::fs::copy(&path, &other).expect("copied");
    Store::open(&other)
        .expect("the store")
        .set_label(4, "only in the other", "user")
        .expect("labelled");
    let served = Served::start(&[&path, &other], &[]);
    browser.open(&served.link);
    browser.wait("document.querySelectorAll('#top option').length === 2");
    browser.open(&served.at("latent/4?store=1"));
    browser.wait_text(".heading .text", "only in the other");
    browser.open(&served.at("latent/4?store=0"));
    browser.wait_text(".heading .text", "Add a label");
}
