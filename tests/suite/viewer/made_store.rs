//! Stores made up for tests and measurements of the viewer: any number of latents, each of one theme, with texts in which
//! the words of the theme are marked. The same numbers always make the same store.

use std::collections::BTreeMap;
use std::path::Path;

use saescript::Result;
use saescript::findings::{
    Context, Estimates, Flag, Flags, Histogram, Latent, LatentText, Logits, Near, Neighbour, Place, Sample,
    Samples, State, Store, Subsample, SubsampleKind, TokenFiring, TokenLogit, Vocabulary,
};

pub use super::made_texts::Size;
use super::made_texts::{Draws, Texts};
use super::themes::THEMES;

/// Latents of which nothing is known but that they never fire.
pub const DEAD_EVERY: u32 = 37;

/// Makes a store at `path`; returns its texts.
///
/// # Errors
/// It cannot be written.
pub fn make(path: &Path, size: Size) -> Result<Texts> {
    let texts = Texts::new(size);
    let meta = [
        ("dictionary.name", "tiny-pythia · blocks.3.hook_resid_post"),
        ("dictionary.sae_type", "sae"),
        ("dictionary.act_fn", "topk"),
        ("model.name", "tiny-pythia"),
    ];
    let meta: BTreeMap<String, String> = meta
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let store = Store::create(path, &meta)?;
    let id = store.begin_analysis(
        "default",
        "{\"analyzer\": {\"total_analyzing_tokens\": 1000000}}",
        size.latents,
        false,
    )?;
    let rules = rules();
    store.transaction(|| {
        store.put_subsamples(id, &rules)?;
        store.put_vocabulary(&Vocabulary::new(texts.words.clone()))?;
        let contexts: Vec<Context> = texts
            .contexts
            .iter()
            .enumerate()
            .map(|(number, tokens)| context(number, tokens))
            .collect();
        store.put_contexts(id, &contexts)
    })?;
    let all: Vec<u32> = (0..size.latents).collect();
    for together in all.chunks(4096) {
        store.transaction(|| {
            together
                .iter()
                .try_for_each(|latent| Made::new(*latent, size, &texts).put(&store, id, &rules))
        })?;
    }
    for latent in (0..size.latents.min(4_000)).filter(|latent| latent % 7 == 3 && latent % DEAD_EVERY != 0) {
        store.set_label(latent, &label(latent), "user")?;
    }
    let counted = u64::from(size.contexts) * size.tokens as u64;
    store.set_extent(id, counted, counted, u64::from(size.contexts))?;
    store.finish_analysis(id, State::Complete, Estimates::default())?;
    Ok(texts)
}

/// What a labelled latent is called.
pub fn label(latent: u32) -> String {
    THEMES[latent as usize % THEMES.len()].0.to_string()
}

fn context(number: usize, tokens: &[u32]) -> Context {
    Context {
        id: number as u32,
        ordinal: number as u64,
        place: Place {
            dataset: Some("made-up".into()),
            shard: None,
            record: Some(number as u64),
            start: Some(0),
        },
        tokens: tokens.to_vec(),
    }
}

fn rules() -> Vec<Subsample> {
    let rule = |id: u32, name: &str, kind, low: f64, high: f64, n_samples| Subsample {
        id,
        name: name.into(),
        kind,
        min_proportion: low,
        proportion: high,
        n_samples,
        hard: false,
    };
    let mut rules = vec![rule(0, "top_activations", SubsampleKind::Top, 0.0, 1.0, 10)];
    for fifth in (0..5).rev() {
        let (low, high) = (0.2 * f64::from(fifth), 0.2 * f64::from(fifth + 1));
        let name = format!("quantile_{}", fifth + 1);
        rules.push(rule(
            5 - fifth as u32,
            &name,
            SubsampleKind::Uniform,
            low,
            high,
            5,
        ));
    }
    rules.push(rule(6, "silent", SubsampleKind::Silent, 0.0, 0.0, 5));
    rules
}

/// One latent, made up.
struct Made<'a> {
    latent: u32,
    size: Size,
    texts: &'a Texts,
    theme: usize,
    max: f64,
    dead: bool,
    draws: Draws,
}

impl<'a> Made<'a> {
    fn new(latent: u32, size: Size, texts: &'a Texts) -> Self {
        let mut draws = Draws::new(1000 + u64::from(latent));
        Made {
            latent,
            size,
            texts,
            theme: latent as usize % THEMES.len(),
            max: 0.5 + 12.0 * draws.part().powi(2),
            dead: latent.is_multiple_of(DEAD_EVERY),
            draws,
        }
    }

    fn put(mut self, store: &Store, id: i64, rules: &[Subsample]) -> Result<()> {
        let figures = self.figures();
        store.put_latent(id, &figures)?;
        store.put_histogram(id, self.latent, &self.histogram(figures.act_times))?;
        let top = self.theme_tokens();
        if !self.dead {
            for rule in rules {
                store.put_samples(id, self.latent, &self.samples(rule), false)?;
            }
            for (rank, token) in top.iter().enumerate() {
                let firing = TokenFiring {
                    token: *token,
                    latent: self.latent,
                    count: figures.act_times / (rank as u64 + 2),
                    mean: self.max * 0.6,
                };
                store.put_token(id, &firing)?;
            }
            let (name, words) = THEMES[self.theme];
            let text = LatentText {
                tokens: words.join(" "),
                texts: format!("texts about {name}: {}", words.join(", ")),
            };
            store.put_text(id, self.latent, &text)?;
        }
        for near in Near::ALL {
            store.put_neighbours(id, self.latent, near, &self.neighbours())?;
        }
        store.put_logits(self.latent, &self.logits(&top))
    }

    fn figures(&mut self) -> Latent {
        let counted = f64::from(self.size.contexts) * self.size.tokens as f64;
        let density = if self.dead {
            0.0
        } else {
            10f64.powf(-5.5 + 3.0 * self.draws.part() + 1.8 * self.draws.part().powi(4))
        };
        let cosine = 0.2 + 0.8 * self.draws.part().powi(3);
        let flags = Flags::default()
            .with(Flag::Dead, self.dead)
            .with(Flag::Rare, !self.dead && density < 1e-5)
            .with(Flag::Dense, density > 0.1)
            .with(Flag::Duplicate, cosine > 0.95)
            .with(Flag::Token, self.draws.part() < 0.1)
            .with(Flag::Output, self.draws.part() < 0.04);
        Latent {
            latent: self.latent,
            act_times: (density * counted).ceil() as u64,
            contexts: (density * counted * 0.7).ceil() as u64,
            max: if self.dead { 0.0 } else { self.max },
            mean: if self.dead { 0.0 } else { self.max * 0.3 },
            sum_squares: 1.0,
            density,
            first_share: self.draws.part().powi(6),
            top_token: (!self.dead).then(|| self.theme_tokens()[0]),
            top_token_share: self.draws.part().powi(2),
            encoder_norm: Some(0.5 + self.draws.part()),
            decoder_norm: Some(1.0),
            encoder_decoder: Some(0.3 + 0.6 * self.draws.part()),
            nearest: Some((self.latent + 1) % self.size.latents),
            nearest_cosine: Some(cosine),
            logit_skew: Some(2.0 * self.draws.part() - 0.5),
            logit_kurtosis: Some(3.0 + 20.0 * self.draws.part().powi(5)),
            flags,
        }
    }

    fn histogram(&mut self, act_times: u64) -> Histogram {
        let shape = |bin: usize| (-(bin as f64) / 14.0).exp();
        let whole: f64 = (0..64).map(shape).sum();
        let count = |bin: usize| (act_times as f64 * shape(bin) / whole).round() as u32;
        Histogram {
            linear: (0..64).map(count).collect(),
            exponent: -4,
            octaves: (0..8).map(|octave| act_times as u32 / (octave + 1)).collect(),
        }
    }

    fn theme_tokens(&self) -> Vec<u32> {
        let texts = self.texts;
        let mut tokens = Vec::new();
        for (context, place) in texts.places[self.theme].iter().take(200) {
            let token = texts.contexts[*context as usize][usize::from(*place)];
            if !tokens.contains(&token) && tokens.len() < 10 {
                tokens.push(token);
            }
        }
        tokens
    }

    fn samples(&mut self, rule: &Subsample) -> Samples {
        let places = &self.texts.places[self.theme];
        let mut samples = Vec::new();
        let start = self.draws.below(places.len());
        let mut at = start;
        while samples.len() < rule.n_samples as usize && at < start + places.len() {
            let (context, peak_position) = places[at % places.len()];
            at += 1 + self.draws.below(9);
            if samples.iter().any(|sample: &Sample| sample.context == context) {
                continue;
            }
            samples.push(match rule.kind {
                SubsampleKind::Silent => Sample {
                    context,
                    ..Sample::default()
                },
                _ => self.sample(rule, context, peak_position, samples.len()),
            });
        }
        Samples {
            subsample: rule.id,
            samples,
        }
    }

    fn sample(&mut self, rule: &Subsample, context: u32, peak_position: u16, rank: usize) -> Sample {
        let down = rank as f64 / f64::from(rule.n_samples);
        let peak = match rule.kind {
            SubsampleKind::Top => self.max * (1.0 - 0.25 * down),
            _ => self.max * (rule.proportion - (rule.proportion - rule.min_proportion) * 0.9 * down),
        };
        let places = self.texts.places[self.theme].iter();
        let own = places
            .filter(|(other, _)| *other == context)
            .map(|(_, place)| *place);
        let mut activations: Vec<(u16, f32)> = own
            .map(|place| {
                (
                    place,
                    if place == peak_position {
                        peak
                    } else {
                        peak * (0.1 + 0.8 * self.draws.part())
                    } as f32,
                )
            })
            .collect();
        // What is near a peak often fires a little too.
        let next = peak_position + 1;
        if usize::from(next) < self.size.tokens && activations.iter().all(|(place, _)| *place != next) {
            activations.push((next, (peak * 0.25) as f32));
        }
        activations.sort_by_key(|(place, _)| *place);
        activations.dedup_by_key(|(place, _)| *place);
        Sample {
            context,
            peak_position,
            peak: peak as f32,
            activations,
        }
    }

    fn neighbours(&mut self) -> Vec<Neighbour> {
        let step = THEMES.len() as u32;
        (1..=10)
            .map(|rank| Neighbour {
                latent: (self.latent + rank * step) % self.size.latents,
                value: 1.0 - 0.07 * rank as f32,
            })
            .collect()
    }

    fn logits(&mut self, top: &[u32]) -> Logits {
        let words = self.texts.words.len();
        let raised = top.iter().enumerate().map(|(rank, token)| TokenLogit {
            token: *token,
            logit: 2.0 - 0.15 * rank as f32,
        });
        let lowered = (0..10).map(|rank| TokenLogit {
            token: self.draws.below(words) as u32,
            logit: -1.2 + 0.08 * rank as f32,
        });
        Logits {
            top: raised.collect(),
            bottom: lowered.collect(),
            range: (-1.2, 2.0),
            histogram: (0..50)
                .map(|bin: i32| (900.0 * (-f64::from((bin - 19).pow(2)) / 40.0).exp()) as u32)
                .collect(),
        }
    }
}
