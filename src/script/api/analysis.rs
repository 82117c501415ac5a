//! `Analysis`: what was found out about the latents of a dictionary.

use std::collections::BTreeMap;
use std::path::Path;

use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map, Module};

use super::analysis_handle::AnalysisHandle;
use super::callbacks::Callbacks;
use super::latent::LatentHandle;
use super::latent_set::LatentSet;
use crate::error::{Error, Result, a};
use crate::findings::Flag;
use crate::script::bridge;
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::guard;

/// Latents that `find` gives if nothing is said.
const FOUND: i64 = 20;

/// Returns the latents of these numbers.
fn set(analysis: &AnalysisHandle, latents: Vec<u32>) -> LatentSet {
    LatentSet::new(analysis.clone(), latents)
}

/// Puts the analysis object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<AnalysisHandle>(
        "Analysis",
        &[
            "/// What was found out about the latents of a dictionary: figures, samples, neighbours, labels. \
           `Analysis::open(path)` opens one, `analyze_sae(settings)` makes one.",
        ],
    );
    combine_with_exported_module!(module, "analysis", methods);
    guard::protect(module, &methods::RHAI_MANIFEST);
}

/// Returns the number that a closure gave for a latent; `None` for `()`.
fn measured(value: &Dynamic) -> Result<Option<f64>> {
    if value.is_unit() {
        return Ok(None);
    }
    let number = value
        .as_float()
        .ok()
        .or_else(|| value.as_int().ok().map(|number| number as f64));
    number.map(Some).ok_or_else(|| {
        Error::input(format!(
            "the closure of a metric returns a number, or () for none, but returned {}",
            a(&bridge::kind_of(value))
        ))
    })
}

#[export_module(manifest)]
pub mod statics {
    /// Opens the store of an analysis: a file, or a folder of results with an `analysis.sqlite` in it.
    #[rhai_fn(return_raw, volatile)]
    pub fn open(context: NativeCallContext, path: ImmutableString) -> RhaiResultOf<AnalysisHandle> {
        placed(&context, || {
            AnalysisHandle::open(Path::new(path.as_str()), None).raise()
        })
    }

    /// Opens the analysis of that name, where a store has several.
    #[rhai_fn(name = "open", return_raw, volatile)]
    pub fn open_named(
        context: NativeCallContext,
        path: ImmutableString,
        name: ImmutableString,
    ) -> RhaiResultOf<AnalysisHandle> {
        placed(&context, || {
            AnalysisHandle::open(Path::new(path.as_str()), Some(name.as_str())).raise()
        })
    }
}

#[export_module(manifest)]
mod methods {
    /// Returns the name of the analysis.
    #[rhai_fn(get = "name", pure)]
    pub fn name(analysis: &mut AnalysisHandle) -> String {
        analysis.analysis().name.clone()
    }

    /// Returns the number of latents of the dictionary.
    #[rhai_fn(get = "n_latents", pure)]
    pub fn n_latents(analysis: &mut AnalysisHandle) -> i64 {
        analysis.analysis().latents.into()
    }

    /// Returns how many tokens count: without BOS, padding and ignored ones.
    #[rhai_fn(get = "n_tokens", pure)]
    pub fn n_tokens(analysis: &mut AnalysisHandle) -> i64 {
        analysis.analysis().counted as i64
    }

    /// Returns what of it is not exact, in sentences; empty if all is.
    #[rhai_fn(get = "estimates", pure)]
    pub fn estimates(analysis: &mut AnalysisHandle) -> Array {
        let texts = analysis.analysis().estimates().into_iter();
        texts.map(|text| text.to_string().into()).collect()
    }

    /// Returns what the store says of dictionary, model and tokenizer, by name.
    #[rhai_fn(get = "about", return_raw, pure, volatile)]
    pub fn about(analysis: &mut AnalysisHandle) -> RhaiResultOf<Map> {
        let about = analysis.store().all_meta().raise()?.into_iter();
        Ok(about.map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// Returns the names of the subsamples, in their order.
    #[rhai_fn(get = "subsamples", return_raw, pure, volatile)]
    pub fn subsamples(analysis: &mut AnalysisHandle) -> RhaiResultOf<Array> {
        let all = analysis.store().subsamples(analysis.analysis().id).raise()?;
        Ok(all.into_iter().map(|one| one.name.into()).collect())
    }

    /// Returns a latent by its number.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn latent(analysis: &mut AnalysisHandle, latent: i64) -> RhaiResultOf<LatentHandle> {
        let number = analysis.number(latent).raise()?;
        LatentHandle::read(analysis, number).raise()
    }

    /// Returns all latents.
    #[rhai_fn(pure)]
    pub fn latents(analysis: &mut AnalysisHandle) -> LatentSet {
        set(analysis, (0..analysis.analysis().latents).collect())
    }

    /// Returns the latents for which a closure is true: `analysis.latents(|latent| latent.density > 0.01)`.
    #[rhai_fn(name = "latents", return_raw, pure, volatile)]
    pub fn latents_where(
        context: NativeCallContext,
        analysis: &mut AnalysisHandle,
        keep: FnPtr,
    ) -> RhaiResultOf<LatentSet> {
        latents(analysis).filtered(&context, &keep)
    }

    /// Returns the latents with these numbers, in this order.
    #[rhai_fn(name = "latents", return_raw, pure)]
    pub fn latents_listed(analysis: &mut AnalysisHandle, numbers: Array) -> RhaiResultOf<LatentSet> {
        let number = |value: &Dynamic| match value.as_int() {
            Ok(number) => analysis.number(number),
            Err(_) => Err(Error::input(format!(
                "latents are listed by their numbers, but there is {}",
                a(&bridge::kind_of(value))
            ))),
        };
        let numbers: Result<Vec<u32>> = numbers.iter().map(number).collect();
        numbers.map(|numbers| set(analysis, numbers)).raise()
    }

    /// Returns the latents about which something stands out: "dead", "rare", "dense", "duplicate", "token" or "output".
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn flagged(analysis: &mut AnalysisHandle, flag: &str) -> RhaiResultOf<LatentSet> {
        let names = Flag::ALL.map(Flag::name);
        let known = Flag::ALL.into_iter().find(|one| one.name() == flag);
        let known = known
            .ok_or_else(|| Error::unknown("flag", flag, &names))
            .raise()?;
        let scalars = analysis.store().scalars(analysis.analysis().id).raise()?;
        let found = scalars
            .into_iter()
            .filter(|one| one.flags.has(known))
            .map(|one| one.latent);
        Ok(set(analysis, found.collect()))
    }

    /// Returns the latents whose label, tokens or texts have these words, best first, at most 20 of them.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn find(analysis: &mut AnalysisHandle, words: &str) -> RhaiResultOf<LatentSet> {
        find_some(analysis, words, FOUND)
    }

    /// Returns at most `limit` latents whose label, tokens or texts have these words.
    #[rhai_fn(name = "find", return_raw, pure, volatile)]
    pub fn find_some(analysis: &mut AnalysisHandle, words: &str, limit: i64) -> RhaiResultOf<LatentSet> {
        let limit = usize::try_from(limit).unwrap_or(0);
        let hits = analysis
            .store()
            .search(analysis.analysis().id, words, limit)
            .raise()?;
        Ok(set(analysis, hits.into_iter().map(|hit| hit.latent).collect()))
    }

    /// Gives a latent a label; an empty text takes it away. Earlier labels stay in the store.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn set_label(analysis: &mut AnalysisHandle, latent: i64, text: &str) -> RhaiResultOf<()> {
        let latent = analysis.number(latent).raise()?;
        analysis.store().set_label(latent, text, "user").raise()
    }

    /// Returns the latents that have a label.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn labelled(analysis: &mut AnalysisHandle) -> RhaiResultOf<LatentSet> {
        let labels = analysis.store().labels().raise()?;
        Ok(set(analysis, labels.into_keys().collect()))
    }

    /// Bookmarks a latent.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn bookmark(analysis: &mut AnalysisHandle, latent: i64) -> RhaiResultOf<()> {
        bookmark_with(analysis, latent, "", "")
    }

    /// Bookmarks a latent under a tag.
    #[rhai_fn(name = "bookmark", return_raw, pure, volatile)]
    pub fn bookmark_under(analysis: &mut AnalysisHandle, latent: i64, tag: &str) -> RhaiResultOf<()> {
        bookmark_with(analysis, latent, tag, "")
    }

    /// Bookmarks a latent under a tag, with a note.
    #[rhai_fn(name = "bookmark", return_raw, pure, volatile)]
    pub fn bookmark_with(
        analysis: &mut AnalysisHandle,
        latent: i64,
        tag: &str,
        note: &str,
    ) -> RhaiResultOf<()> {
        let latent = analysis.number(latent).raise()?;
        analysis.store().bookmark(latent, tag, note).raise()
    }

    /// Returns the latents that are bookmarked, under whatever tag.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn bookmarked(analysis: &mut AnalysisHandle) -> RhaiResultOf<LatentSet> {
        let marks = analysis.store().bookmarks().raise()?;
        Ok(set(analysis, marks.into_iter().map(|mark| mark.latent).collect()))
    }

    /// Returns the latents that are bookmarked under a tag.
    #[rhai_fn(name = "bookmarked", return_raw, pure, volatile)]
    pub fn bookmarked_under(analysis: &mut AnalysisHandle, tag: &str) -> RhaiResultOf<LatentSet> {
        let marks = analysis.store().bookmarks().raise()?.into_iter();
        Ok(set(
            analysis,
            marks
                .filter(|mark| mark.tag == tag)
                .map(|mark| mark.latent)
                .collect(),
        ))
    }

    /// Keeps a number of each latent under a name: `analysis.add_metric("peakiness", |latent| latent.max / latent.mean)`.
    /// Latents for which the closure returns `()` have none. Returns how many have one.
    #[rhai_fn(return_raw, pure, volatile)]
    pub fn add_metric(
        context: NativeCallContext,
        analysis: &mut AnalysisHandle,
        name: ImmutableString,
        measure: FnPtr,
    ) -> RhaiResultOf<i64> {
        let callbacks = Callbacks::new(&context);
        let measure = || -> Result<i64> {
            analysis.store().require_writable()?;
            let mut values = BTreeMap::new();
            for scalars in analysis.store().scalars(analysis.analysis().id)? {
                let number = scalars.latent;
                let latent = LatentHandle::new(analysis, scalars);
                let value = callbacks.call(&measure, (latent,))?;
                if let Some(value) = measured(&value)? {
                    values.insert(number, value);
                }
            }
            analysis.store().set_metric(&name, &values)?;
            Ok(values.len() as i64)
        };
        let done = measure();
        callbacks.finish(done)
    }

    /// Returns the names of the metrics that were added.
    #[rhai_fn(get = "metrics", return_raw, pure, volatile)]
    pub fn metrics(analysis: &mut AnalysisHandle) -> RhaiResultOf<Array> {
        let names = analysis.store().metric_names().raise()?;
        Ok(names.into_iter().map(Dynamic::from).collect())
    }

    /// Returns what it is, in words.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn to_text(analysis: &mut AnalysisHandle) -> String {
        let one = analysis.analysis();
        format!(
            "Analysis({:?}: {} latents on {} tokens, {})",
            one.name,
            one.latents,
            one.counted,
            one.state.name().replace('_', " ")
        )
    }
}
