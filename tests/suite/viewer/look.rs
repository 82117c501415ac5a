//! How pages look: both themes, contrast, narrow windows, texts of all scripts.

use std::path::Path;

use super::chromium::Browser;
use super::served::opened;

/// The contrast of texts with what is behind them, by WCAG's formula; the least, and where it is.
const CONTRAST: &str = r#"(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const seen = (stack) => {
    canvas.globalCompositeOperation = "source-over";
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of stack) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => { const [r, g, b] = rgb.map((part) => { const x = part / 255; return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let least = [99, ""];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({ opacityProperty: true })) continue;
    const behind = [];
    for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const style = getComputedStyle(element);
    const back = seen(behind);
    const ink = seen([...behind, element instanceof SVGElement ? style.fill : style.color]);
    const [a, b] = [light(back), light(ink)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < least[0]) least = [contrast, `${element.tagName}.${element.className} “${element.textContent.slice(0, 30)}” ${ink} on ${back}`];
  }
  return least;
})()"#;

fn least_contrast(browser: &mut Browser) -> (f64, String) {
    let least = browser.value(CONTRAST);
    (
        least[0].as_f64().expect("a number"),
        least[1].as_str().unwrap_or_default().to_string(),
    )
}

#[test]
fn texts_can_be_read_in_both_themes() {
    let Some((_folder, _path, served, mut browser)) = opened() else {
        return;
    };
    let pages = [
        ("overview", ".cards"),
        ("latents?sort=-max", ".list .row .t"),
        ("latent/17?range=1&marks=1", ".bin .t"),
        ("bookmarks", ".head"),
    ];
    for dark in [false, true] {
        browser.dark(dark);
        for (page, ready) in pages {
            browser.open(&served.at(page));
            browser.wait(&format!("document.querySelector('{ready}')"));
            let (contrast, place) = least_contrast(&mut browser);
            assert!(contrast >= 4.5, "{page}, dark {dark}: {contrast:.2} at {place}");
        }
    }
    // The choice on the page goes before the system's, and stays.
    browser.dark(false);
    let paper = "getComputedStyle(document.documentElement).backgroundColor";
    let light = browser.value(paper);
    browser.click("#top button[title^='Light']");
    browser.click("#top button[title^='Light']");
    assert_ne!(browser.value(paper), light);
    browser.open(&served.at("latents"));
    browser.wait("document.querySelector('.list .row')");
    assert_ne!(browser.value(paper), light);
}

#[test]
fn nothing_is_cut_off_in_a_narrow_window() {
    let Some((_folder, _path, served, mut browser)) = opened() else {
        return;
    };
    for width in [360, 700, 1100, 1900] {
        browser.resize(width, 800);
        for (page, ready) in [
            ("overview", ".cards"),
            ("latents", ".list .row .t"),
            ("latent/17?range=2", ".bin .t"),
            ("bookmarks", ".head"),
        ] {
            browser.open(&served.at(page));
            browser.wait(&format!("document.querySelector('{ready}')"));
            let over =
                browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert_eq!(over, 0, "{page} at {width}");
        }
    }
}

#[test]
fn characters_stay_whole_whatever_tokens_they_are_of() {
    let Some((_folder, _path, served, mut browser)) = opened() else {
        return;
    };
    // Emoji of several code points, and accents apart from their letters: latents 8 and 10 of 16 themes.
    for (latent, whole) in [
        (8, ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽"]),
        (10, ["e\u{301}", "o\u{308}", "i\u{308}"]),
    ] {
        browser.open(&served.at(&format!("latent/{latent}?range=3")));
        browser.wait("document.querySelector('.bin .context')");
        let split = format!(
            "(() => {{ const whole = {}; let seen = 0; for (const line of document.querySelectorAll('.context')) {{ \
             const texts = [...line.childNodes].map((node) => node.textContent); const all = texts.join(''); \
             for (const one of whole) {{ const times = all.split(one).length - 1; const inside = texts.reduce((sum, text) => sum + text.split(one).length - 1, 0); \
             if (times !== inside) return `${{one}} is split: ${{JSON.stringify(texts)}}`; seen += times; }} }} return seen; }})()",
            serde_json::json!(whole)
        );
        let seen = browser.value(&split);
        assert!(seen.as_u64().is_some_and(|times| times > 3), "{seen}");
    }
    browser.open(&served.at("latent/6?range=1"));
    browser.wait("document.querySelector('.bin .context')");
    assert_eq!(
        browser.value("getComputedStyle(document.querySelector('.context')).unicodeBidi"),
        "isolate"
    );
}

/// The picture of README.md, made by the pages themselves: `SAESCRIPT_BLESS=1` writes it anew.
#[test]
fn the_picture_in_the_readme_is_of_this_viewer() {
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/viewer.png");
    assert!(picture.is_file(), "docs/viewer.png");
    if std::env::var_os("SAESCRIPT_BLESS").is_none() {
        return;
    }
    let Some((_folder, _path, served, mut browser)) = opened() else {
        return;
    };
    browser.resize(1280, 760);
    browser.open(&served.at("latent/276?where=alive"));
    browser.wait_text(".moves", " of 58");
    browser.wait("document.querySelectorAll('.bin').length === 7");
    browser.picture(&picture);
}
