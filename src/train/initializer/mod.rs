//! The initialiser: weights with which training begins well.

mod config;
mod median;
mod search;

pub use config::{BiasInitMethod, InitializerConfig};
pub use median::geometric_median;

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::dataset_norm::{NORM_BATCHES, average_norms};
use super::idle;
use super::input::{Prepared, Room, counts_nothing};
use crate::activations::{Batch, BatchStream};
use crate::config::{Checked, IntoChecked};
use crate::dictionary::{Custom, CustomActivation, NormActivation, SAEConfig, SparseAutoEncoder};
use crate::error::{Error, Result, counted};
use crate::event::RunContext;
use crate::tensor::{Kind, Tensor, manual_seed, no_grad_guard};

/// Chooses the weights of fresh dictionaries.
#[derive(Clone, Debug)]
pub struct Initializer {
    /// How.
    pub cfg: Checked<InitializerConfig>,
    /// Is the grid search made that the settings ask for?
    searches: bool,
}

/// What a model's MLP gives for inputs `(n, d_model)` at their own scale.
pub type MlpFn<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;

/// What an initialisation may draw on besides its settings.
#[derive(Default)]
pub struct InitializerInputs<'a> {
    /// Activations. What is taken from here is not seen again by the training: 8 batches for the average norm, and one
    /// for everything that looks at activations; none where nothing needs them.
    pub stream: Option<&'a mut dyn BatchStream>,
    /// Average activation norms by hook point, where they are known already.
    pub activation_norm: Option<BTreeMap<String, f64>>,
    /// The MLP of `model_layer`, for `initialize_tc_with_mlp`.
    pub mlp: Option<MlpFn<'a>>,
    /// The activation function of a dictionary with `act_fn` "custom", for `grid_search_init_norm`.
    pub activation: Option<CustomActivation<'a>>,
    /// Where the grid search writes the norms that it tried, in order, each with its reconstruction loss.
    pub tried: Option<&'a RefCell<Vec<(f64, f64)>>>,
}

impl Initializer {
    /// Returns an initialiser with these settings.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub fn new(cfg: impl IntoChecked<InitializerConfig>) -> Result<Self> {
        Ok(Self {
            cfg: cfg.into_checked()?,
            searches: true,
        })
    }

    /// Leaves out the grid search, which takes long and refuses nothing.
    pub fn without_search(mut self) -> Self {
        self.searches = false;
        self
    }

    /// Makes the dictionary of `sae_cfg` and chooses its weights. One that names trained weights keeps those and gets
    /// only what they lack, the average norms.
    ///
    /// # Errors
    /// Settings that do not fit the dictionary; a stream that is needed and missing, empty, or without the hook points;
    /// somebody asked to stop.
    pub fn initialize_sae_from_config(
        &self,
        sae_cfg: impl IntoChecked<SAEConfig>,
        mut inputs: InitializerInputs<'_>,
        context: &RunContext,
    ) -> Result<SparseAutoEncoder> {
        let sae_cfg = sae_cfg.into_checked()?;
        let trained = sae_cfg.sae_pretrained_name_or_path.is_some();
        if !trained {
            self.cfg.check_dictionary(&sae_cfg)?;
            if let Some(said) = idle::remark(
                "the initialiser",
                &idle::of_initializer(&self.cfg, sae_cfg.act_fn),
            ) {
                context.events.warn(said)?;
            }
            if let Some(said) = self.cfg.far_off(&sae_cfg) {
                context.events.warn(said)?;
            }
        }
        self.check_activation(&sae_cfg, &inputs)?;
        if let Some(seed) = self.cfg.seed {
            manual_seed(seed);
        }
        let mut sae = if trained {
            SparseAutoEncoder::from_config(sae_cfg, context)?
        } else {
            SparseAutoEncoder::zeros(sae_cfg)?
        };
        if !trained {
            sae.draw(
                self.cfg.encoder_uniform_bound,
                self.cfg.decoder_uniform_bound,
                self.cfg.init_log_jumprelu_threshold_value.unwrap_or(f64::NAN),
            )?;
            search::follow_decoder(&self.cfg, &mut sae, None)?;
        }
        let mut measured = 0;
        if sae.cfg.norm_activation == NormActivation::DatasetWise && !has_norms(&sae) {
            let norms = match inputs.activation_norm.take() {
                Some(norms) => norms,
                None => {
                    measured = NORM_BATCHES;
                    measure_norms(&sae, inputs.stream.as_deref_mut(), context)?
                }
            };
            sae.set_dataset_average_activation_norm(norms)?;
        }
        if !trained && self.needs_sample() {
            let batch = next_batch(inputs.stream.as_deref_mut(), measured)?;
            let sample = Prepared::new(&sae, &batch, None, &mut Room::default())?;
            self.fit_to_sample(&mut sae, &sample, &inputs, context)?;
        }
        Ok(sae)
    }

    /// Refuses a search for the decoder norm without the activation function that it needs, and a function that nothing
    /// has a place for.
    fn check_activation(&self, sae: &SAEConfig, inputs: &InitializerInputs<'_>) -> Result<()> {
        let searches = self.cfg.grid_search_init_norm && sae.sae_pretrained_name_or_path.is_none();
        if inputs.activation.is_none() && !searches {
            return Ok(());
        }
        sae.act_fn.require_custom(
            inputs.activation.is_some(),
            "the search for the decoder norm encodes activations: pass the closure as `activation` to \
             initialize_sae_from_config, or leave `grid_search_init_norm` out",
        )
    }

    fn needs_sample(&self) -> bool {
        self.cfg.grid_search_init_norm
            || self.cfg.initialize_w_d_with_active_subspace
            || self.cfg.init_encoder_bias_with_mean_hidden_pre
            || self.cfg.initialize_tc_with_mlp == Some(true)
            || self.cfg.bias_init_method == BiasInitMethod::GeometricMedian
    }

    fn fit_to_sample(
        &self,
        sae: &mut SparseAutoEncoder,
        sample: &Prepared,
        inputs: &InitializerInputs<'_>,
        context: &RunContext,
    ) -> Result<()> {
        let _no_grad = no_grad_guard();
        if self.cfg.initialize_tc_with_mlp == Some(true) {
            let mlp = inputs.mlp.ok_or_else(|| {
                Error::input("the transcoder shall begin with the model's MLP, but no model was given")
                    .hint("pass the model to initialize_sae_from_config")
            })?;
            set_decoder_to_mlp(sae, &sample.x, mlp)?;
            if self.cfg.init_encoder_with_decoder_transpose {
                context.events.warn(
                    "the encoder is set to the decoder's transpose after the MLP was read off its columns; set \
                     `init_encoder_with_decoder_transpose` to false to keep the encoder",
                )?;
            }
        }
        if let (true, Some(dimension)) = (
            self.cfg.initialize_w_d_with_active_subspace,
            self.cfg.d_active_subspace,
        ) {
            project_decoder(sae, &sample.label, dimension)?;
        }
        if self.cfg.bias_init_method == BiasInitMethod::GeometricMedian {
            let centre = centre_of_outputs(sae, &sample.label)?;
            sae.set_parameter("b_D", &centre)?;
        }
        if self.cfg.grid_search_init_norm && self.searches {
            let custom = Custom {
                activation: inputs.activation,
                ..Custom::default()
            };
            let (norm, tried) =
                search::search_decoder_norm(&self.cfg, sae, &sample.as_input(), custom, context)?;
            if let Some(kept) = inputs.tried {
                *kept.borrow_mut() = tried;
            }
            context
                .events
                .note(format!("the best initial decoder norm is {norm:.2}"))?;
            return Ok(());
        }
        search::follow_decoder(&self.cfg, sae, Some(&sample.x))
    }
}

/// Returns the geometric median of normalised `label (…, d_model)`, of each head by itself, in the shape of the
/// decoder's bias.
fn centre_of_outputs(sae: &SparseAutoEncoder, label: &Tensor) -> Result<Tensor> {
    let mut centres = Vec::new();
    for index in 0..sae.cfg.writes().len() {
        let rows = sae.part(label, index)?.f_reshape([-1, sae.cfg.d_model])?;
        centres.push(geometric_median(&rows)?);
    }
    sae.join(centres)
}

fn has_norms(sae: &SparseAutoEncoder) -> bool {
    sae.cfg
        .hook_points()
        .iter()
        .all(|hook| sae.dataset_norm(hook).is_some())
}

/// Returns the average norms over the next batches of the stream, which are used up.
fn measure_norms(
    sae: &SparseAutoEncoder,
    stream: Option<&mut (dyn BatchStream + '_)>,
    context: &RunContext,
) -> Result<BTreeMap<String, f64>> {
    let stream = stream.ok_or_else(|| no_stream("to measure the average activation norm"))?;
    let mut batches = Vec::new();
    while batches.len() < NORM_BATCHES {
        context.check("measuring the average activation norm")?;
        match stream.next_batch()? {
            Some(batch) => batches.push(batch),
            None => break,
        }
    }
    if batches.is_empty() {
        return Err(empty_stream("to measure the average activation norm"));
    }
    if batches.len() < NORM_BATCHES {
        context.events.warn(format!(
            "the stream has only {}; the average activation norm is over these, and none are left to train on",
            counted(batches.len(), "batch")
        ))?;
    }
    average_norms(&batches, &sae.cfg.hook_points())
}

/// Returns the next batch of the stream in which anything counts, after up to `measured` batches that the norms were
/// taken from.
fn next_batch(stream: Option<&mut (dyn BatchStream + '_)>, measured: usize) -> Result<Batch> {
    let purpose = "to choose the initial weights";
    let stream = stream.ok_or_else(|| no_stream(purpose))?;
    while let Some(batch) = stream.next_batch()? {
        if !counts_nothing(&batch)? {
            return Ok(batch);
        }
    }
    if measured == 0 {
        return Err(empty_stream(purpose));
    }
    Err(Error::input(format!(
        "the activation stream ended after at most {}, which the average activation norm was measured on; one more is needed \
         {purpose}",
        counted(measured, "batch")
    ))
    .hint("give more data (`passes` of a source reads it again) or smaller batches; `norm_activation` other than \"dataset-wise\" measures nothing"))
}

fn no_stream(purpose: &str) -> Error {
    Error::input(format!("an activation stream is needed {purpose}"))
        .hint("pass `activation_stream` to initialize_sae_from_config")
}

fn empty_stream(purpose: &str) -> Error {
    Error::input(format!(
        "the activation stream is empty, but it is needed {purpose}"
    ))
    .hint("give more data or smaller batches")
}

/// Sets `W_D = W_D[:, :k] Uᵀ` with U the first `k` left singular vectors of the centred labels: decoder rows lie where
/// the labels vary most.
fn project_decoder(sae: &mut SparseAutoEncoder, label: &Tensor, dimension: i64) -> Result<()> {
    let rows = label
        .f_reshape([-1, sae.cfg.d_model])?
        .f_to_kind(wide(sae.kind()))?;
    if rows.size()[0] < dimension {
        return Err(Error::input(format!(
            "a subspace of {dimension} dimensions cannot be found in a batch of {} rows",
            rows.size()[0]
        ))
        .hint("use larger batches or a smaller `d_active_subspace`"));
    }
    let centred = rows.f_sub(&rows.f_mean_dim([0i64].as_slice(), true, None::<Kind>)?)?;
    let (directions, _, _) = centred.f_transpose(0, 1)?.f_svd(true, true)?;
    let basis = directions.f_narrow(1, 0, dimension)?;
    let decoder = sae.parameter("W_D")?.f_detach()?.f_to_kind(wide(sae.kind()))?;
    let projected = decoder
        .f_narrow(1, 0, dimension)?
        .f_matmul(&basis.f_transpose(0, 1)?)?;
    sae.set_parameter("W_D", &projected)
}

/// Scales encoder columns to unit norm, and sets each decoder row to the direction in which the MLP answers a typical
/// input moved along that column.
fn set_decoder_to_mlp(sae: &mut SparseAutoEncoder, x: &Tensor, mlp: MlpFn<'_>) -> Result<()> {
    let unscaled = x
        .f_div(&sae.norm_factor(x, sae.cfg.reads()[0])?)?
        .f_reshape([-1, sae.cfg.d_model])?;
    let centre = unscaled.f_mean_dim([0i64].as_slice(), true, None::<Kind>)?;
    let spread = unscaled
        .f_sub(&centre)?
        .f_norm_scalaropt_dim(2.0, [1i64].as_slice(), false)?
        .f_mean(None::<Kind>)?;
    sae.set_encoder_norm(1.0)?;
    let columns = sae.parameter("W_E")?.f_detach()?.f_transpose(0, 1)?;
    let outputs = mlp(&columns.f_mul(&spread)?.f_add(&centre)?)?.f_to_kind(sae.kind())?;
    if outputs.size() != [sae.cfg.d_sae(), sae.cfg.d_model] {
        return Err(Error::input(format!(
            "the MLP gave shape {:?} for {} inputs of width {}",
            outputs.size(),
            sae.cfg.d_sae(),
            sae.cfg.d_model
        )));
    }
    let centred = outputs.f_sub(&outputs.f_mean_dim([0i64].as_slice(), true, None::<Kind>)?)?;
    let lengths = centred
        .f_norm_scalaropt_dim(2.0, [1i64].as_slice(), true)?
        .f_clamp_min(1e-12)?;
    sae.set_parameter("W_D", &centred.f_div(&lengths)?)
}

/// Returns the format in which singular vectors are computed: they exist in single and double precision only.
fn wide(kind: Kind) -> Kind {
    match kind {
        Kind::Double => Kind::Double,
        _ => Kind::Float,
    }
}
