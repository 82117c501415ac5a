//! The numbers of the reference, and of the rule by which samples are kept.

use saescript::findings::{Analysis, Sample, Store};
use saescript::tensor::safetensors::SafeFile;
use saescript::tensor::{Kind, Tensor};
use serde_json::{Value, json};

use super::{Contexts, analyse, config, dictionary, root_with};
use crate::fixtures::{json as read_json, tensor, tensors};

pub fn doubles(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).flatten(0, -1).contiguous()).expect("numbers")
}

pub fn rows(file: &SafeFile, name: &str) -> Vec<Vec<f64>> {
    let tensor = tensor(file, name);
    let width = tensor.size()[1] as usize;
    doubles(&tensor).chunks(width).map(<[f64]>::to_vec).collect()
}

pub fn close(ours: f64, theirs: f64, what: &str) {
    assert!(
        (ours - theirs).abs() <= 1e-5 * theirs.abs().max(1.0),
        "{what}: {ours}, not {theirs}"
    );
}

/// Compares an analysis with the case `name` of a fixture, and returns how many samples were compared.
pub fn compare(store: &Store, analysis: &Analysis, file: &SafeFile, about: &Value) -> usize {
    assert_eq!(
        analysis.counted,
        about["n_analyzed_tokens"].as_u64().expect("a count")
    );
    let scalars = store.scalars(analysis.id).expect("figures");
    let times = doubles(&tensor(file, "act_times"));
    let maxima = doubles(&tensor(file, "max_feature_acts"));
    let contexts = doubles(&tensor(file, "spec.contexts_fired"));
    let means = doubles(&tensor(file, "spec.mean_positive_act"));
    let histograms = rows(file, "spec.histogram");
    assert_eq!(scalars.len(), times.len());
    for (at, one) in scalars.iter().enumerate() {
        assert_eq!(one.act_times as f64, times[at], "latent {at}");
        assert_eq!(one.contexts as f64, contexts[at], "latent {at}");
        close(one.max, maxima[at], "the maximum");
        close(one.mean, means[at], "the mean");
        let Some(ours) = store.histogram(analysis.id, at as u32).expect("read") else {
            assert_eq!(one.act_times, 0);
            continue;
        };
        let moved: f64 = ours
            .linear
            .iter()
            .zip(&histograms[at])
            .map(|(a, b)| (f64::from(*a) - b).abs())
            .sum();
        assert!(moved <= 2.0, "latent {at}: {:?}", ours.linear);
        assert_eq!(u64::from(ours.linear.iter().sum::<u32>()), one.act_times);
        assert_eq!(u64::from(ours.octaves.iter().sum::<u32>()), one.act_times);
    }
    samples_compared(store, analysis, file)
}

/// Compares the samples that are firm, and returns how many were.
fn samples_compared(store: &Store, analysis: &Analysis, file: &SafeFile) -> usize {
    let rules = store.subsamples(analysis.id).expect("rules");
    let compared = rules.iter().map(|rule| {
        let field = |field: &str| rows(file, &format!("spec.{}.{field}", rule.name));
        let (peaks, places, positions, firm) = (
            field("peak"),
            field("context_idx"),
            field("position"),
            field("firm"),
        );
        let mut compared = 0;
        for latent in 0..analysis.latents as usize {
            let kept = samples(store, analysis.id, latent as u32, rule.id);
            for (rank, peaks) in peaks.iter().enumerate() {
                if firm[rank][latent] == 0.0 {
                    continue;
                }
                let what = format!("{}, latent {latent}, sample {rank}", rule.name);
                let Some((sample, record)) = kept.get(rank) else {
                    assert_eq!(places[rank][latent], -1.0, "{what} is missing");
                    continue;
                };
                close(f64::from(sample.peak), peaks[latent], &what);
                assert_eq!(*record as f64, places[rank][latent], "{what}");
                assert_eq!(f64::from(sample.peak_position), positions[rank][latent], "{what}");
                compared += 1;
            }
        }
        compared
    });
    compared.sum()
}

/// The samples of a latent with the record that each is of.
fn samples(store: &Store, analysis: i64, latent: u32, rule: u32) -> Vec<(Sample, u64)> {
    let all = store.samples(analysis, latent).expect("samples");
    let all = all.into_iter().find(|samples| samples.subsample == rule);
    let all = all.map_or(Vec::new(), |samples| samples.samples);
    let contexts = store
        .contexts(all.iter().map(|sample| sample.context))
        .expect("contexts");
    let record = |sample: &Sample| contexts[&sample.context].place.record.expect("a record");
    all.into_iter()
        .map(|sample| {
            let record = record(&sample);
            (sample, record)
        })
        .collect()
}

pub fn of_case(about: &Value) -> Value {
    json!({
        "total_analyzing_tokens": about["total_analyzing_tokens"],
        "subsamples": about["subsamples"],
        "ignore_token_ids": about["ignore_token_ids"],
    })
}

/// Runs one case of tiny/, and returns how many samples were compared; `None` if the case is not there.
fn case(name: &str, sae: &str) -> Option<usize> {
    let root = root_with(&format!("analysis/tiny/{name}.json"))?;
    let about = read_json(root.join(format!("analysis/tiny/{name}.json")));
    let file = tensors(root.join(format!("analysis/tiny/{name}.safetensors")));
    let mut contexts = Contexts::tiny(&root, about["batch_size"].as_i64().expect("a size"));
    if about["ignore_token_ids"].is_array() {
        contexts.mask = None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let sae = dictionary(&format!("sae_pretrained/{sae}"));
    let (store, analysis) = analyse(folder.path(), &sae, config(of_case(&about)), &contexts);
    let compared = compare(&store, &analysis, &file, &about);
    if file
        .names()
        .iter()
        .any(|name| name.starts_with("reference.top_activations.coo."))
    {
        activations(&store, &analysis, &file);
    }
    Some(compared)
}

/// Compares the activations of the first subsample with the records of the reference.
pub fn activations(store: &Store, analysis: &Analysis, file: &SafeFile) {
    let coo = |field: &str| doubles(&tensor(file, &format!("reference.top_activations.coo.{field}")));
    let (offsets, values) = (coo("offsets"), coo("value"));
    let firm = rows(file, "spec.top_activations.firm");
    for latent in 0..analysis.latents {
        // Where peaks are as good as equal, other contexts may be kept.
        if firm.iter().any(|row| row[latent as usize] == 0.0) {
            continue;
        }
        let kept = samples(store, analysis.id, latent, 0);
        let mut ours: Vec<f32> = kept
            .iter()
            .flat_map(|(sample, _)| sample.activations.iter().map(|(_, value)| *value))
            .collect();
        let range = offsets[latent as usize] as usize..offsets[latent as usize + 1] as usize;
        let mut theirs: Vec<f32> = values[range].iter().map(|value| *value as f32).collect();
        // Contexts whose peaks are equal may stand the other way round.
        ours.sort_by(f32::total_cmp);
        theirs.sort_by(f32::total_cmp);
        assert_eq!(ours.len(), theirs.len(), "latent {latent}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            close(f64::from(*ours), f64::from(*theirs), "an activation");
        }
    }
}

#[test]
fn topk_is_analysed_as_the_reference_does() {
    assert!(case("topk_default", "topk_folded").expect("it ships") > 900);
}

#[test]
fn the_other_cases_are_analysed_as_the_reference_does() {
    for (name, sae) in [
        ("jumprelu_bins", "jumprelu_folded"),
        ("relu_ignored_tokens", "relu_folded"),
        ("topk_stops_early", "topk_folded"),
    ] {
        match case(name, sae) {
            Some(compared) => assert!(compared > 100, "{name}: {compared}"),
            None => eprintln!("skipped: there is no analysis/tiny/{name}"),
        }
    }
}
