//! Every page in a browser: what it shows, and where its links and keys lead.

use saescript::findings::Store;

use super::made_store::{DEAD_EVERY, Size, label};
use super::served::opened;

#[test]
fn the_link_opens_the_overview_whose_counts_lead_into_the_list() {
    let Some((_folder, path, served, mut browser)) = opened() else {
        return;
    };
    let address = browser.address();
    assert_eq!(address, served.at("overview"), "the token stays in no address");
    let dead = Size::SMALL.latents.div_ceil(DEAD_EVERY);
    browser.wait_text(".card[href*='where=dead']", &format!("{dead}dead"));
    browser.wait_text(".head", "600 latents, 28,800 tokens in 300 contexts");
    assert!(browser.count(".density .bar") > 20);
    browser.wait_text(".facts", "tiny-pythia");
    browser.click(".card[href*='where=dead']");
    browser.wait_text(".told", &format!("{dead} of 600 latents"));
    assert!(browser.count(".list .row.dead") > 5);
    // A box around the upper half of the cloud of latents.
    browser.open(&served.at("overview"));
    browser.wait("document.querySelector('canvas')?.width > 300");
    browser.drag(".scatter-frame", (150.0, -100.0));
    browser.wait("location.hash.includes('/latents') && document.querySelector('.told')?.textContent.includes(' of 600')");
    let filter = browser.value("document.querySelector('input[type=search]').value");
    let filter = filter.as_str().expect("a filter");
    assert!(
        ["density>=", "density<=", "max>=", "max<="]
            .iter()
            .all(|bound| filter.contains(bound)),
        "{filter}"
    );
    let store = Store::open(&path).expect("the store");
    let id = store.analysis(None).expect("an analysis").id;
    let bound = |name: &str| -> f64 {
        let term = filter
            .split(' ')
            .find_map(|term| term.strip_prefix(name))
            .expect("a bound");
        term.parse().expect("a number")
    };
    let inside = |value: f64, name: &str| {
        value as f32 >= bound(&format!("{name}>=")) as f32
            && value as f32 <= bound(&format!("{name}<=")) as f32
    };
    let expected = store
        .scalars(id)
        .expect("figures")
        .iter()
        .filter(|one| inside(one.density, "density") && inside(one.max, "max"))
        .count();
    browser.wait_text(".told", &format!("{expected} of 600 latents"));
    assert_eq!(browser.troubles(), [] as [String; 0]);
}

#[test]
fn lists_are_filtered_sorted_searched_and_walked_through() {
    let Some((_folder, path, served, mut browser)) = opened() else {
        return;
    };
    let store = Store::open(&path).expect("the store");
    let id = store.analysis(None).expect("an analysis").id;
    let figures = store.scalars(id).expect("figures");
    browser.keys(["/"]);
    browser.wait("document.activeElement?.type === 'search'");
    browser.write("alive max>6");
    let expected = figures
        .iter()
        .filter(|one| one.max as f32 > 6.0 && one.act_times > 0)
        .count();
    browser.wait_text(".told", &format!("{expected} of 600 latents"));
    browser.keys(["Enter"]);
    browser.click(".heads .head:nth-child(6) .sort");
    browser.wait("location.hash.includes('sort=-max')");
    let mut order: Vec<_> = figures
        .iter()
        .filter(|one| one.max as f32 > 6.0 && one.act_times > 0)
        .collect();
    order.sort_by(|a, b| {
        (b.max as f32)
            .total_cmp(&(a.max as f32))
            .then(a.latent.cmp(&b.latent))
    });
    let shown = "[...document.querySelectorAll('.list .row .number')].map((link) => link.textContent).slice(0, 6).join()";
    let first: Vec<String> = order.iter().take(6).map(|one| one.latent.to_string()).collect();
    browser.wait(&format!("{shown} === '{}'", first.join(",")));
    // The third row, by keys; then on through the list.
    browser.keys(["j", "j", "Enter"]);
    browser.wait_text(".heading h1", &first[2]);
    browser.wait_text(".moves", &format!("3 of {expected}"));
    browser.keys(["j"]);
    browser.wait_text(".heading h1", &first[3]);
    browser.keys(["k", "k"]);
    browser.wait_text(".heading h1", &first[1]);
    browser.open(&served.at("latents?where=months"));
    let themed = (0..600u32)
        .filter(|latent| latent % 16 == 0 && latent % DEAD_EVERY != 0)
        .count();
    browser.wait_text(".told", &format!("{themed} of 600 latents"));
    browser.open(&served.at("latents?where=densty%3E1"));
    browser.wait_text(".told", "Not understood: densty>1");
    browser.click(".chip:nth-child(8)");
    browser.wait("location.hash.includes('has%3Alabel')");
    assert_eq!(browser.troubles(), [] as [String; 0]);
}

#[test]
fn a_latent_shows_its_contexts_and_every_key_does_what_the_help_says() {
    let Some((_folder, _path, served, mut browser)) = opened() else {
        return;
    };
    browser.open(&served.at("latent/276"));
    browser.wait_text(".heading .text", &label(276));
    browser.wait("document.querySelectorAll('.bin').length === 7");
    assert_eq!(browser.count(".bin.top li"), 10);
    assert!(browser.count(".bin.top .t.peak") == 10);
    assert_eq!(browser.count(".near li"), 30);
    let words = "document.querySelector('.bin.top .context').textContent.split(' ').length";
    let short = browser.value(words).as_u64();
    browser.keys(["2"]);
    browser.wait("location.hash.includes('range=1')");
    assert!(browser.value(words).as_u64() > short);
    browser.keys(["4"]);
    browser.wait("document.querySelector('.bin.top .context.whole')");
    browser.keys(["1", "]"]);
    browser.wait(
        "location.hash.includes('bin=top_activations') && document.querySelectorAll('.bin').length === 1",
    );
    browser.keys(["]"]);
    browser.wait("document.querySelector('.band.current') && document.querySelectorAll('.bin.uniform li').length === 5");
    browser.keys(["[", "["]);
    browser.wait("document.querySelectorAll('.bin').length === 7");
    browser.click(".band");
    browser.wait("location.hash.includes('bin=quantile')");
    let strength = "getComputedStyle(document.querySelector('.bin .t:not(.peak)')).getPropertyValue('--v')";
    let linear: f64 = browser
        .value(strength)
        .as_str()
        .and_then(|text| text.trim().parse().ok())
        .expect("a number");
    browser.keys(["s"]);
    browser.wait("location.hash.includes('scale=root')");
    let root: f64 = browser
        .value(strength)
        .as_str()
        .and_then(|text| text.trim().parse().ok())
        .expect("a number");
    assert!((root - linear.sqrt()).abs() < 2e-3, "{linear} {root}");
    browser.keys(["m"]);
    browser.wait("location.hash.includes('of=sample') && getComputedStyle(document.querySelector('.t.peak')).getPropertyValue('--v') == 1");
    browser.keys(["w"]);
    browser.wait("document.querySelector('.context.marks').textContent.includes('·')");
    assert_eq!(browser.troubles(), [] as [String; 0]);
}

#[test]
fn help_numbers_and_chance_are_a_key_away() {
    let Some((_folder, _path, served, mut browser)) = opened() else {
        return;
    };
    browser.open(&served.at("latent/276?of=sample"));
    browser.wait_text(".heading h1", "276");
    browser.keys(["?"]);
    browser.wait_text("dialog[open]", "the next latent of the list");
    browser.keys(["Escape"]);
    browser.wait("!document.querySelector('dialog[open]')");
    browser.keys(["g"]);
    browser.write("23");
    browser.keys(["Enter"]);
    browser.wait_text(".heading h1", "23");
    assert!(
        browser.address().contains("of=sample"),
        "how tokens are shown goes along"
    );
    browser.keys(["r"]);
    browser.wait("!location.hash.includes('latent/23?')");
}

#[test]
fn the_address_is_all_that_is_needed_to_see_the_same() {
    let Some((_folder, _path, served, mut browser)) = opened() else {
        return;
    };
    browser.open(&served.at("latent/18?range=1&scale=log&bin=quantile_5&where=alive&sort=-max&marks=1"));
    browser.wait("document.querySelectorAll('.bin').length === 1");
    let seen = "document.querySelector('main').textContent";
    browser.wait_text(".moves", " of 58");
    let first = browser.value(seen);
    browser.open("about:blank");
    browser.open(&served.at("latent/18?range=1&scale=log&bin=quantile_5&where=alive&sort=-max&marks=1"));
    browser.wait("document.querySelectorAll('.bin').length === 1");
    browser.wait_text(".moves", " of 58");
    assert_eq!(browser.value(seen), first);
    browser.open(&served.at("latent/600"));
    browser.wait_text("main", "There is no latent 600");
    browser.open(&served.at("latent/18"));
    browser.wait_text(".heading h1", "18");
    browser.point(".bin.top .t.peak");
    browser.wait("!document.getElementById('card').hidden");
    browser.wait_text("#card", "% of the maximum");
    assert_eq!(browser.troubles(), [] as [String; 0]);
}
