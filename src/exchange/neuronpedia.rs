//! The layout of Neuronpedia's bulk import: `MODEL/LAYER-SET[__SUFFIX]/` with a line about release, model, set and source
//! each, and compressed lines of latents, contexts and labels.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::dashboard::batches;
use super::described::{Activation, Described, Feature};
use super::files::{self, Existing, failed};
use super::identity::SourceIdentity;
use crate::error::{Error, Result};
use crate::event::StopFlag;

/// Who made an export, as Neuronpedia names people and releases.
#[derive(Clone, Debug)]
pub struct Maker {
    /// The release.
    pub release: String,
    /// A line about it.
    pub description: String,
    /// The name of who made it.
    pub creator: String,
    /// When, UTC.
    pub created: String,
}

/// The identity under which Neuronpedia files what comes by bulk import.
const CREATOR_ID: &str = "clkht01d40000jv08hvalcvly";

/// What a part of the layout is called, and its rows.
type Part = (&'static str, Vec<Value>);

/// Writes the layout below the folder `out`. Returns the folder of the source, and its files.
///
/// # Errors
/// As [`export_dashboards`](super::export_dashboards).
pub fn export_neuronpedia(
    described: &Described<'_>,
    identity: &SourceIdentity,
    maker: &Maker,
    out: &Path,
    (existing, stop): (Existing, &StopFlag),
) -> Result<(PathBuf, Vec<PathBuf>)> {
    let folder = out.join(&identity.model).join(identity.source());
    let batches = batches(described.latents());
    let of = |part: &str, number: usize| folder.join(part).join(format!("batch-{number}.jsonl.gz"));
    let about = about(described, identity, maker);
    let mut paths: Vec<PathBuf> = about.iter().map(|(name, _)| folder.join(name)).collect();
    for part in PARTS {
        paths.extend((0..batches.len()).map(|number| of(part, number)));
    }
    existing.admit(&paths)?;
    for part in PARTS {
        files::refuse_leftovers(&folder.join(part), ".jsonl.gz", &paths)?;
    }
    files::all_or_none(&paths, existing, || {
        for (name, row) in &about {
            let path = folder.join(name);
            files::write(&path, |file| writeln!(file, "{row}").map_err(failed(&path)))?;
        }
        for (number, range) in batches.into_iter().enumerate() {
            if stop.is_set() {
                return Err(Error::interrupted("the export was stopped"));
            }
            for (part, rows) in rows(described, identity, maker, range)? {
                write_packed(&of(part, number), &rows)?;
            }
        }
        Ok(())
    })?;
    Ok((folder, paths))
}

/// The folders of lines.
const PARTS: [&str; 3] = ["features", "activations", "explanations"];

fn write_packed(path: &Path, rows: &[Value]) -> Result<()> {
    files::write(path, |file| {
        let mut packed = GzEncoder::new(file, Compression::default());
        rows.iter()
            .try_for_each(|row| writeln!(packed, "{row}"))
            .and_then(|()| packed.finish().map(drop))
            .map_err(failed(path))
    })
}

/// Returns the files about the whole, with their one line.
fn about(described: &Described<'_>, identity: &SourceIdentity, maker: &Maker) -> [(&'static str, Value); 4] {
    let (contexts, tokens) = described.extent();
    [
        (
            "release.jsonl",
            json!({
                "name": maker.release, "description": maker.description, "descriptionShort": maker.description,
                "creatorName": maker.creator, "creatorNameShort": maker.creator, "creatorId": CREATOR_ID,
                "visibility": "PUBLIC", "isNewUi": false, "featured": false, "urls": [], "creatorEmail": null,
                "defaultSourceSetName": null, "defaultSourceId": null, "defaultUmapSourceIds": [],
                "createdAt": maker.created,
            }),
        ),
        (
            "model.jsonl",
            json!({
                "id": identity.model, "displayName": identity.model, "displayNameShort": identity.model,
                "instruct": identity.model.ends_with("-it"), "creatorId": CREATOR_ID, "tlensId": null,
                "dimension": null, "visibility": "PUBLIC", "defaultSourceSetName": null, "defaultSourceId": null,
                "inferenceEnabled": false, "layers": 0, "neuronsPerLayer": 0, "owner": "", "website": null,
                "createdAt": maker.created, "updatedAt": maker.created,
            }),
        ),
        (
            "sourceset.jsonl",
            json!({
                "modelId": identity.model, "name": identity.set, "creatorId": CREATOR_ID, "hasDashboards": true,
                "visibility": "PUBLIC", "description": maker.description, "type": "", "creatorName": maker.creator,
                "urls": [], "creatorEmail": null, "releaseName": maker.release, "defaultOfModelId": null,
                "defaultRange": 1, "defaultShowBreaks": true, "showDfa": false, "showCorrelated": false,
                "showHeadAttribution": false, "showUmap": false, "createdAt": maker.created,
            }),
        ),
        (
            "source.jsonl",
            json!({
                "id": identity.source(), "modelId": identity.model, "setName": identity.set,
                "creatorId": CREATOR_ID, "hasDashboards": true, "inferenceEnabled": false, "inferenceHosts": [],
                "saelensConfig": null, "saelensRelease": null, "saelensSaeId": null, "hfRepoId": null,
                "hfFolderId": null, "visibility": "PUBLIC", "defaultOfModelId": null, "hasUmap": false,
                "hasUmapLogSparsity": false, "hasUmapClusters": false, "num_prompts": contexts,
                "num_tokens_in_prompt": tokens, "dataset": described.datasets(), "notes": null,
                "createdAt": maker.created,
            }),
        ),
    ]
}

/// Returns the lines of the latents in `range`, by folder.
fn rows(
    described: &Described<'_>,
    identity: &SourceIdentity,
    maker: &Maker,
    range: std::ops::Range<u32>,
) -> Result<[Part; 3]> {
    let (mut features, mut activations, mut explanations) = (Vec::new(), Vec::new(), Vec::new());
    for latent in range {
        let mut feature = described.feature(latent)?;
        let contexts = std::mem::take(&mut feature.activations);
        let shown = contexts.iter().enumerate();
        activations.extend(shown.map(|(rank, one)| activation(one, (latent, rank), identity, maker)));
        features.push(neuron(described, feature, identity, maker)?);
        if let Some(label) = described.store().label(latent)? {
            let is_model = label.source == "model";
            explanations.push(json!({
                "id": id(latent, None), "modelId": identity.model, "layer": identity.source(),
                "index": latent.to_string(), "description": label.text, "authorId": CREATOR_ID,
                "triggeredByUserId": null, "notes": null, "scoreV1": null, "scoreV2": null,
                "typeName": if is_model { label.source.as_str() } else { "human" },
                "explanationModelName": label.model, "createdAt": maker.created, "updatedAt": maker.created,
            }));
        }
    }
    Ok([
        ("features", features),
        ("activations", activations),
        ("explanations", explanations),
    ])
}

/// Returns an identity of 25 characters that no other line of the source has.
fn id(latent: u32, rank: Option<usize>) -> String {
    match rank {
        Some(rank) => format!("ca{latent:011x}{rank:012x}"),
        None => format!("ce{latent:023x}"),
    }
}

/// Returns the row of the table `Neuron`: the names of its own, then those that dashboards have.
fn neuron(
    described: &Described<'_>,
    feature: Feature,
    identity: &SourceIdentity,
    maker: &Maker,
) -> Result<Value> {
    let latent = feature.feature_index;
    let (nearest, cosines) = described.nearest(latent)?;
    let figures = described.figures(latent)?;
    let mut row = json!({
        "modelId": identity.model, "layer": identity.source(), "index": latent.to_string(),
        "sourceSetName": identity.set, "creatorId": CREATOR_ID, "createdAt": maker.created,
        "maxActApprox": super::described::rounded(figures.max, latent, "the maximum")?,
        "hasVector": !feature.vector.is_empty(), "vectorLabel": null, "vectorDefaultSteerStrength": 10.0,
        "hookName": identity.hook, "topkCosSimIndices": nearest, "topkCosSimValues": cosines,
    });
    let told = |error: serde_json::Error| Error::run(format!("latent {latent} cannot be written: {error}"));
    let feature = serde_json::to_value(feature).map_err(told)?;
    // What rows of the source, or of activations, say already.
    const ELSEWHERE: [&str; 5] = [
        "feature_index",
        "n_prompts_total",
        "n_tokens_in_prompt",
        "dataset",
        "activations",
    ];
    if let (Value::Object(row), Value::Object(feature)) = (&mut row, feature) {
        row.extend(
            feature
                .into_iter()
                .filter(|(name, _)| !ELSEWHERE.contains(&name.as_str())),
        );
    }
    Ok(row)
}

/// Returns the row of the table `Activation`.
fn activation(
    one: &Activation,
    (latent, rank): (u32, usize),
    identity: &SourceIdentity,
    maker: &Maker,
) -> Value {
    let largest = one.values.iter().copied().fold(0.0, f64::max);
    let smallest = one.values.iter().copied().fold(f64::INFINITY, f64::min);
    json!({
        "id": id(latent, Some(rank)), "modelId": identity.model, "layer": identity.source(),
        "index": latent.to_string(), "tokens": one.tokens, "values": one.values, "maxValue": largest,
        "maxValueTokenIndex": one.qualifying_token_index, "minValue": if smallest.is_finite() { smallest } else { 0.0 },
        "binMin": one.bin_min, "binMax": one.bin_max, "binContains": one.bin_contains,
        "qualifyingTokenIndex": one.qualifying_token_index, "dataIndex": null, "dataSource": null,
        "dfaValues": [], "dfaTargetIndex": null, "dfaMaxValue": null, "lossValues": [],
        "logitContributions": null, "zQIndices": [], "zKIndices": [], "zValues": [], "creatorId": CREATOR_ID,
        "createdAt": maker.created,
    })
}
