//! What libraries may reach: what they ask for and are granted, in their own code; a closure or an object that they are
//! handed does what its maker may, and one that they hand out what they may.

use crate::library::Workplace;
use crate::program::Ran;

/// A library that reaches outside in every way it can.
const PROBES: &str = r#"
import "std/sweeps" as sweeps;
import "std/plots" as plots;
fn sweep_of(path) { sweeps::load(path) }
fn chart_to(path) { plots::line([1, 2], #{}).save(path) }
fn chart() { plots::line([1, 2], #{}) }
fn read(path) { read_text(path) }
fn write(path) { write_text(path, "x"); 1 }
fn variable(name) { env(name) }
fn reader() { |path| read_text(path) }
fn kept() { #{ read: |path| read_text(path) } }
fn hand(f, x) { f.call(x) }
fn each(f, items) { items.map(|x| f.call(x)) }
fn mapped(paths) { paths.map(|p| read_text(p)) }
fn evaluated(path) { eval("read_text(path)") }
fn pointing(path) { eval("Fn(\"read_text\")").call(path) }
fn records(dataset) { let n = 0; for r in dataset { n += 1; } n }
fn sparkline(x) { read_text("data.txt") }
fn remember() { |x| read_text("data.txt") }
"#;

struct Place(Workplace);

impl Place {
    /// A project with that library; what the library asks for, and what the project grants, in their manifests.
    fn new(asked: &str, granted: &str) -> Self {
        let place = Workplace::new();
        place.library("probes", "0.1.0", "1", asked);
        place.write("probes/lib.rhai", PROBES);
        place.project("app", "probes");
        place.write("app/data.txt", "data");
        place.write("app/other.txt", "other");
        place.write("outside.txt", "outside");
        place.run("app", 0, &["add", "../probes"]);
        let manifest = place.read("app/saescript.toml");
        place.write("app/saescript.toml", &format!("{manifest}\n{granted}"));
        Place(place)
    }

    fn run(&self, code: i32, body: &str) -> Ran {
        self.0.write(
            "app/main.rhai",
            &format!("import \"probes\" as probes;\n{body}\n"),
        );
        self.0.run("app", code, &["run", "main.rhai"])
    }

    #[track_caller]
    fn prints(&self, body: &str, expected: &str) {
        assert_eq!(self.run(0, body).out.trim(), expected, "{body}");
    }

    #[track_caller]
    fn refuses(&self, body: &str, part: &str) {
        let said = self.run(2, body).err;
        assert!(said.contains(part), "{body}: {said}");
    }
}

#[test]
fn a_library_reaches_nothing_that_it_does_not_ask_for() {
    let place = Place::new("", "");
    let said = "the library `probes` may not read `data.txt`";
    for body in [
        "probes::read(\"data.txt\");",
        "probes::mapped([\"data.txt\"]);",
        "probes::evaluated(\"data.txt\");",
        // What it hands out acts as it does, whoever calls it.
        "let f = probes::reader(); f.call(\"data.txt\");",
        "let f = probes::reader(); [\"data.txt\"].map(f);",
        "probes::kept().read.call(\"data.txt\");",
        "let f = probes::reader(); datasets::from_list([#{ text: \"data.txt\" }]).map(|r| #{ t: f.call(r.text) });",
        "let f = probes::reader(); datasets::from_list([#{ text: \"a\" }]).filter(probes::remember());",
        // A function of it under the name of another does not get in between.
        "probes::hand(|x| sparkline([1]), 1);",
        "let f = probes::reader(); probes::hand(|x| f.call(x), \"data.txt\");",
    ] {
        place.refuses(body, said);
    }
    place.refuses(
        "probes::read(\"data.txt\");",
        "the saescript.toml of `probes` needs, under `[permissions]`, read = [",
    );
    place.refuses("probes::write(\"new\");", "the library `probes` may not write");
    place.refuses(
        "probes::variable(\"RANK\");",
        "the library `probes` may not read the environment variable",
    );
    place.refuses(
        "probes::pointing(\"data.txt\");",
        "cannot make pointers to functions",
    );
    place.prints("print(read_text(\"data.txt\"));", "data");
}

#[test]
fn a_standard_module_acts_for_the_library_that_imports_it() {
    let place = Place::new("", "");
    for before in [
        "",
        "import \"std/sweeps\" as sweeps; import \"std/plots\" as plots;\n",
    ] {
        place.refuses(
            &format!("{before}probes::sweep_of(\"data.txt\");"),
            "the library `probes` may not read `data.txt`",
        );
        place.refuses(
            &format!("{before}probes::chart_to(\"new.svg\");"),
            "the library `probes` may not write",
        );
    }
    place.refuses(
        "probes::chart().save(\"new.svg\");",
        "the library `probes` may not write",
    );
    let own = "import \"std/plots\" as plots; plots::line([1], #{}).save(\"new.svg\"); print(is_file(\"new.svg\"));";
    place.prints(own, "true");
}

#[test]
fn what_a_library_is_handed_does_what_its_maker_may() {
    let place = Place::new("", "");
    for body in [
        "print(probes::hand(|p| read_text(p), \"data.txt\"));",
        "print(probes::each(|p| read_text(p), [\"data.txt\"])[0]);",
        "let base = \"data\"; print(probes::hand(|ending| read_text(base + ending), \".txt\"));",
        "fn own(p) { read_text(p) } print(probes::hand(|p| own(p), \"data.txt\"));",
    ] {
        place.prints(body, "data");
    }
    place.prints(
        "print(probes::records(datasets::load_dataset(\"data.txt\")));",
        "1",
    );
    place.refuses(
        "probes::hand(|p| read_text(p), \"../outside.txt\");",
        "the script may not read",
    );
}

#[test]
fn a_library_gets_what_it_asks_for_and_is_granted() {
    let asked = "[permissions]\nread = [\"data.txt\", \"../outside.txt\"]\nenv = true\n";
    let place = Place::new(asked, "");
    place.refuses(
        "probes::read(\"data.txt\");",
        "put under `[permissions.libraries.probes]` of the project's saescript.toml",
    );
    let granted = "[permissions.libraries.probes]\nread = true\nenv = [\"RANK\"]\n";
    let place = Place::new(asked, granted);
    place.prints("print(probes::read(\"data.txt\"));", "data");
    place.prints("print(probes::reader().call(\"data.txt\"));", "data");
    place.prints("print(type_of(probes::variable(\"RANK\")));", "()");
    place.refuses(
        "probes::read(\"other.txt\");",
        "the library `probes` may not read `other.txt`",
    );
    place.refuses(
        "probes::variable(\"HOME\");",
        "may not read the environment variable",
    );
    // The scripts themselves may not.
    place.refuses("probes::read(\"../outside.txt\");", "the script may not read");
}

#[test]
fn pointers_to_functions_are_no_way_around() {
    let place = Place::new("", "");
    place
        .0
        .write("probes/lib.rhai", "fn reader() { Fn(\"read_text\") }\n");
    place.0.run("app", 0, &["update", "probes"]);
    place.refuses(
        "print(1);",
        "a library cannot make pointers to functions by their names",
    );
}

#[test]
fn a_library_acts_for_those_who_use_it_as_its_own_rights_say() {
    let place = Place::new("", "[permissions.libraries.files]\nread = true\n");
    let asked = "[permissions]\nread = [\"data.txt\"]\n";
    place.0.library("files", "0.1.0", "1", asked);
    place.0.write("files/lib.rhai", "fn read(p) { read_text(p) }\n");
    place.0.write(
        "probes/saescript.toml",
        "[package]\nname = \"probes\"\nversion = \"0.1.1\"\n[dependencies]\nfiles = { path = \"../files\" }\n",
    );
    place.0.write(
        "probes/lib.rhai",
        "import \"files\" as files;\nfn through(p) { files::read(p) }\nfn around(p) { [p].map(|p| files::read(p))[0] }\n",
    );
    place.0.run("app", 0, &["update", "probes"]);
    place.prints(
        "print(probes::through(\"data.txt\") + probes::around(\"data.txt\"));",
        "datadata",
    );
    place.refuses(
        "probes::through(\"other.txt\");",
        "the library `files` may not read",
    );
}
