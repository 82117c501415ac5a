//! Records of the reference system into a store, with the texts they are about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::analyzed::hold_store;
use crate::analysis::FlagThresholds;
use crate::config::{Checked, Config};
use crate::error::{Context, Error, Result, counted};
use crate::event::{Event, RunContext};
use crate::exchange::{Existing, Imported, Importing, Needed, RecordPlace, import_reference, needed};
use crate::findings::{Store, Vocabulary};
use crate::model::{Backend, LanguageModel, LanguageModelConfig};
use crate::text::{Content, Dataset, DatasetConfig, RecordKind, TOKEN_COLUMN};

/// Records of the reference system, and what their texts are read with: records name contexts by data set and number, so
/// that both have to be those of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportSettings {
    /// The model, of which the tokenizer is used.
    pub model: LanguageModelConfig,
    /// The data sets by the names that records have for them.
    pub datasets: BTreeMap<String, DatasetConfig>,
    /// Tokens of a context at most, BOS included; null: as many as the model takes.
    #[serde(default)]
    pub context_size: Option<usize>,
    /// Whether texts began with the BOS token.
    #[serde(default = "yes")]
    pub prepend_bos: bool,
}

fn yes() -> bool {
    true
}

impl Config for ImportSettings {
    const NAME: &'static str = "ImportSettings";

    fn validate(&self) -> Result<()> {
        Checked::new(self.model.clone()).under("model")?;
        if self.datasets.is_empty() {
            return Err(
                Error::input("the data sets of the analysis are needed: records hold no texts")
                    .under("datasets"),
            );
        }
        for (name, dataset) in &self.datasets {
            Checked::new(dataset.clone())
                .under(name.as_str())
                .under("datasets")?;
        }
        if self.context_size == Some(0) {
            return Err(Error::input("must be at least 1").under("context_size"));
        }
        Ok(())
    }
}

/// Makes a store at `out` of the records in `paths`. What is there is replaced at the end, or not at all.
///
/// # Errors
/// What is wrong with a record, with file and line; data sets or a tokenizer that do not fit; a store that is there
/// already; a stop was asked for.
pub fn import_records(
    paths: &[PathBuf],
    settings: &ImportSettings,
    out: &Path,
    existing: Existing,
    context: &RunContext,
) -> Result<Imported> {
    settings.validate()?;
    existing.admit([&out.to_path_buf()])?;
    let _lock = hold_store(out, context)?;
    let needed = needed(paths, &context.stop)?;
    let model = LanguageModelConfig {
        backend: Backend::TokenizerOnly,
        ..settings.model.clone()
    };
    let model = LanguageModel::load(model, context).under("model")?;
    let tokens = Texts::new(settings, &model, context)?.read(&needed, context)?;
    if !needed.dropped.is_empty() {
        let fields: Vec<&str> = needed.dropped.iter().map(String::as_str).collect();
        context.events.warn(format!(
            "a store has no place for these fields of subsamples, which are left out: {}",
            fields.join(", ")
        ))?;
    }
    let half = half_made(out);
    let made = fill(&half, paths, (&needed, &tokens, &model), context);
    let imported = made.inspect_err(|_| {
        let _ = std::fs::remove_file(&half);
    })?;
    std::fs::rename(&half, out).map_err(|error| Error::io("write", out, error))?;
    if imported.unknown_tokens > 0 {
        context.events.warn(format!(
            "{} of the logits could not be told from their texts and are left out: several tokens read alike, or the \
             tokenizer has none such",
            counted(imported.unknown_tokens, "token")
        ))?;
    }
    context.events.emit(Event::Saved {
        what: "store",
        path: out.to_path_buf(),
    })?;
    Ok(imported)
}

/// Returns the name under which a store is made.
fn half_made(out: &Path) -> PathBuf {
    let name = out.file_name().and_then(|name| name.to_str()).unwrap_or("store");
    out.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

fn fill(
    path: &Path,
    records: &[PathBuf],
    (needed, tokens, model): (&Needed, &BTreeMap<RecordPlace, Vec<u32>>, &LanguageModel),
    context: &RunContext,
) -> Result<Imported> {
    let mut about = BTreeMap::from([(
        "program".to_string(),
        format!("saescript {}", env!("CARGO_PKG_VERSION")),
    )]);
    let facts = [
        ("dictionary.name", &needed.sae_name),
        ("dictionary.series", &needed.sae_series),
        ("model.name", &needed.model_name),
    ];
    for (key, value) in facts {
        about.extend(value.clone().map(|value| (key.to_string(), value)));
    }
    let d_sae = needed.latents.to_string();
    about.insert("dictionary.d_sae".into(), d_sae);
    let store = Store::create(path, &about)?;
    let vocabulary = Vocabulary::new(model.tokenizer().token_bytes());
    store.transaction(|| store.put_vocabulary(&vocabulary))?;
    let thresholds = FlagThresholds::default();
    let importing = Importing {
        tokens,
        flags: &|latent, counted| thresholds.of(latent, counted, None),
    };
    import_reference(records, &store, needed, &importing, &context.stop)
}

/// Where texts come from.
struct Texts<'a> {
    datasets: BTreeMap<String, Dataset>,
    model: &'a LanguageModel,
    limit: usize,
    prepend_bos: bool,
}

impl<'a> Texts<'a> {
    fn new(settings: &ImportSettings, model: &'a LanguageModel, context: &RunContext) -> Result<Self> {
        let mut datasets = BTreeMap::new();
        for (name, config) in &settings.datasets {
            let dataset = Dataset::load(config, context)
                .under(name.as_str())
                .under("datasets")?;
            datasets.insert(name.clone(), dataset);
        }
        Ok(Texts {
            datasets,
            model,
            limit: settings.context_size.unwrap_or_else(|| model.max_length()),
            prepend_bos: settings.prepend_bos && model.config().prepend_bos,
        })
    }

    /// Returns the tokens of every record that is needed; each data set is read once.
    fn read(&self, needed: &Needed, context: &RunContext) -> Result<BTreeMap<RecordPlace, Vec<u32>>> {
        let mut wanted: BTreeMap<&str, BTreeMap<u64, Vec<&RecordPlace>>> = BTreeMap::new();
        for place in needed.records.keys() {
            let (name, dataset) = self.dataset(place)?;
            let first = first_of_shard(place, dataset)?;
            wanted
                .entry(name)
                .or_default()
                .entry(first + place.record)
                .or_default()
                .push(place);
        }
        let mut tokens = BTreeMap::new();
        for (name, records) in wanted {
            self.read_dataset(name, &records, &mut tokens, context)?;
        }
        for (place, least) in &needed.records {
            let length = tokens.get(place).map_or(0, Vec::len);
            if length < *least {
                return Err(Error::input(format!(
                    "a latent fires at token {} of record {} of the data set `{}`, but the text has {}",
                    least - 1,
                    place.record,
                    place.dataset.as_deref().unwrap_or("without a name"),
                    counted(length, "token")
                ))
                .hint("give the data set, the tokenizer, `context_size` and BOS that the analysis was made with"));
            }
        }
        Ok(tokens)
    }

    /// Returns the data set of a record with its name here: of records that name none, the only one.
    fn dataset(&self, place: &RecordPlace) -> Result<(&str, &Dataset)> {
        let found = match &place.dataset {
            Some(name) => self.datasets.get_key_value(name).or_else(|| self.unnamed()),
            None => self
                .datasets
                .first_key_value()
                .filter(|_| self.datasets.len() == 1),
        };
        let found = found.map(|(name, dataset)| (name.as_str(), dataset));
        found.ok_or_else(|| {
            let names: Vec<&str> = self.datasets.keys().map(String::as_str).collect();
            match &place.dataset {
                Some(name) => Error::unknown("data set", name, &names)
                    .hint("the records name it: say where it is, `--dataset NAME=PATH`"),
                None => {
                    Error::input("the records do not say of which data set they are, and several were given")
                        .hint("give one")
                }
            }
        })
    }

    /// Returns the data set that was given without a name, where there is no other: records of one data set may call it as
    /// they like.
    fn unnamed(&self) -> Option<(&String, &Dataset)> {
        let only = self.datasets.first_key_value()?;
        (self.datasets.len() == 1 && only.0.is_empty()).then_some(only)
    }

    fn read_dataset(
        &self,
        name: &str,
        records: &BTreeMap<u64, Vec<&RecordPlace>>,
        tokens: &mut BTreeMap<RecordPlace, Vec<u32>>,
        context: &RunContext,
    ) -> Result<()> {
        let dataset = &self.datasets[name];
        let is_tokens = dataset
            .columns()
            .iter()
            .any(|column| column == TOKEN_COLUMN || column == "input_ids");
        let kind = if is_tokens {
            RecordKind::Tokens
        } else {
            RecordKind::Text
        };
        let (Some(first), Some(last)) = (records.keys().next(), records.keys().next_back()) else {
            return Ok(());
        };
        for record in dataset.records(kind, *first)? {
            context.check("the import")?;
            let record = record?;
            let index = record.origin.index;
            if let Some(places) = records.get(&index) {
                let ids = self
                    .tokens(record.content)
                    .map_err(|error| error.context(format!("in record {index} of the data set `{name}`")))?;
                tokens.extend(places.iter().map(|place| ((*place).clone(), ids.clone())));
            }
            if index >= *last {
                return Ok(());
            }
        }
        Err(Error::input(format!(
            "the records name record {last} of the data set `{name}`, which ends before it"
        ))
        .hint("give the data set that was analysed"))
    }

    fn tokens(&self, content: Content) -> Result<Vec<u32>> {
        let ids = match content {
            Content::Text(text) => {
                self.model
                    .tokenizer()
                    .encode(&text, self.prepend_bos, Some(self.limit))?
            }
            Content::Tokens(mut ids) => {
                ids.truncate(self.limit);
                ids
            }
            Content::Bad(wrong) => return Err(Error::input(wrong)),
        };
        let ids = ids
            .into_iter()
            .map(|id| u32::try_from(id).map_err(|_| Error::input(format!("{id} is no number of a token"))));
        ids.collect()
    }
}

/// Returns the number of the first record of a part: parts are contiguous, and the first ones have one record more where
/// the records cannot be divided equally.
fn first_of_shard(place: &RecordPlace, dataset: &Dataset) -> Result<u64> {
    if place.shards == 1 {
        return Ok(0);
    }
    let (length, shards, shard) = (dataset.len()?, u64::from(place.shards), u64::from(place.shard));
    let (each, more) = (length / shards, length % shards);
    if place.record >= each + u64::from(shard < more) {
        return Err(Error::input(format!(
            "there is no record {} in part {shard} of {shards}: the data set has {}",
            place.record,
            counted(length, "record")
        ))
        .hint("give the data set that was analysed"));
    }
    Ok(each * shard + shard.min(more))
}
