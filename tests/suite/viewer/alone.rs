//! Pages that stand alone: the same front end, without a program behind it.

use super::chromium::Browser;
use super::served::small;
use crate::program::run;

#[test]
fn a_page_that_stands_alone_shows_what_it_was_given() {
    let (folder, path) = small();
    let page = folder.path().join("page.html");
    let (store, file) = (path.display().to_string(), page.display().to_string());
    let ran = run(["view", &store, "--html", &file, "--latents", "16-47,200"]).ended_with(0);
    assert!(ran.out.contains("33 latents"), "{}", ran.out);
    let text = std::fs::read_to_string(&page).expect("a page");
    for secret in [folder.path().to_str().expect("a path"), "http://", "https://"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.ask(
        "Network.emulateNetworkConditions",
        serde_json::json!({ "offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0 }),
    );
    browser.open(&format!("file://{file}#/latents"));
    browser.wait_text(".told", "33 latents");
    browser.wait("document.querySelector('.list .row .t.peak')");
    browser.open(&format!("file://{file}#/latent/17"));
    browser.wait_text(".heading .text", "days of the week");
    browser.wait("document.querySelectorAll('.bin').length === 7");
    browser.keys(["j"]);
    browser.wait_text(".heading h1", "18");
    browser.keys(["b"]);
    browser.wait_text("#line", "this page stands alone");
    browser.open(&format!("file://{file}#/latent/5"));
    browser.wait_text("#bar", "This page does not have latent 5.");
    browser.open(&format!("file://{file}#/latents?where=months"));
    browser.wait_text(".told", " of 33 latents");
    browser.open(&format!("file://{file}#/overview"));
    browser.wait_text(".card", "32alive");
    let troubles = browser.troubles();
    assert_eq!(troubles, [] as [String; 0]);
}

#[test]
fn what_cannot_be_exported_is_said() {
    let (folder, path) = small();
    let store = path.display().to_string();
    let page = folder.path().join("page.html").display().to_string();
    let refused = |latents: &str, expected: &str| {
        let ran = run(["view", &store, "--html", &page, "--latents", latents]).ended_with(2);
        assert!(ran.err.contains(expected), "{}", ran.err);
    };
    refused("600", "there is no latent 600");
    refused("bookmarked", "no latent was chosen");
    refused("some", "`some` names no latents");
    let ran = run(["view", &store, &store, "--html", &page]).ended_with(2);
    assert!(ran.err.contains("of one store"), "{}", ran.err);
    assert!(!folder.path().join("page.html").exists());
    let folder = folder.path().display().to_string();
    let taken = run(["view", &store, "--html", &folder, "--latents", "1"]);
    assert!(
        taken.code != Some(0) && taken.err.contains("cannot"),
        "{}",
        taken.err
    );
}
