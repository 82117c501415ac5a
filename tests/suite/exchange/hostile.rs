//! Values that files of other programs have trouble with.

use saescript::findings::{Latent, Logits, Near, Neighbour, Store, TokenLogit};

use super::lines;
use crate::program::run;
use crate::viewer::served::small;

/// Ends a line, a cell and a quotation, and is no ASCII.
const ODD: &str = "a \"b\", <script>\r\nline two\t'c'; \u{0}\u{202e}é\u{1f600}\\";

#[test]
fn odd_values_come_through_tables() {
    let (folder, path) = small();
    let store = Store::open(&path).expect("a store");
    let id = store.analysis(None).expect("one").id;
    let hostile = Latent {
        max: f64::INFINITY,
        mean: -1e308,
        density: 5e-324,
        ..store.latent(id, 5).expect("read").expect("there")
    };
    store.put_latent(id, &hostile).expect("put");
    let near = [f32::NAN, f32::MAX, f32::NEG_INFINITY].map(|value| Neighbour { latent: 1, value });
    store.put_neighbours(id, 5, Near::Decoder, &near).expect("put");
    store.set_label(5, ODD, "user").expect("labelled");
    for form in ["jsonl", "csv", "parquet"] {
        let out = folder.path().join(form).display().to_string();
        run(["export", &path.display().to_string(), "--to", form, "-o", &out]).ended_with(0);
    }
    let rows = lines(&folder.path().join("jsonl/latent.jsonl"));
    assert_eq!(rows[5]["max"], "Infinity");
    assert_eq!(
        (&rows[5]["mean"], &rows[5]["density"]),
        (&(-1e308).into(), &5e-324.into())
    );
    let rows = lines(&folder.path().join("jsonl/neighbour.jsonl"));
    let row = rows
        .iter()
        .find(|row| row["latent"] == 5 && row["kind"] == "decoder")
        .expect("a row");
    assert_eq!(row["values"][0], "NaN");
    assert_eq!(
        row["values"][1].as_f64().map(|value| value as f32),
        Some(f32::MAX)
    );
    assert_eq!(row["values"][2], "-Infinity");
    let rows = lines(&folder.path().join("jsonl/explanation.jsonl"));
    assert!(rows.iter().any(|row| row["text"] == ODD));
    let mut csv = csv::Reader::from_path(folder.path().join("csv/explanation.csv")).expect("CSV");
    assert!(
        csv.records()
            .any(|record| record.is_ok_and(|record| &record[2] == ODD))
    );
}

#[test]
fn dashboards_refuse_what_they_have_no_number_for_and_leave_nothing_behind() {
    let (folder, path) = small();
    let store = Store::open(&path).expect("a store");
    let logits = Logits {
        top: vec![TokenLogit {
            token: 3,
            logit: f32::NAN,
        }],
        ..Logits::default()
    };
    store.put_logits(300, &logits).expect("put");
    let out = folder.path().join("boards");
    let (path, out_text) = (path.display().to_string(), out.display().to_string());
    for form in ["dashboard", "neuronpedia"] {
        let arguments = [
            "export", &path, "--to", form, "-o", &out_text, "--layer", "3", "--set", "res",
        ];
        let refused = run(arguments).ended_with(2);
        assert!(
            refused.err.contains("a logit of latent 300 is NaN"),
            "{}",
            refused.err
        );
        let left = walk(&out);
        assert!(left.is_empty(), "{left:?}");
    }
}

/// All files below `folder`.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[test]
fn a_damaged_store_is_refused() {
    let (folder, path) = small();
    let out = folder.path().join("x.jsonl").display().to_string();
    std::fs::write(&path, vec![7; 20_000]).expect("written");
    let refused = run([
        "export",
        &path.display().to_string(),
        "--to",
        "reference",
        "-o",
        &out,
    ])
    .ended_with(2);
    assert!(refused.err.contains("no store of an analysis"), "{}", refused.err);
    assert!(!std::path::Path::new(&out).exists());
}
