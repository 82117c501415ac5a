//! What is refused before a training starts: values out of range, and combinations that make no sense.

use std::time::Duration;

use super::config::{DEFAULT_LR_WARM_UP, LrSchedulerName, TrainerConfig};
use super::idle;
use crate::config::{Checked, Config, Steps};
use crate::dictionary::{Custom, SAEConfig, SparseAutoEncoder};
use crate::error::{Error, Result, counted};
use crate::tensor::Kind;

impl Config for TrainerConfig {
    const NAME: &'static str = "TrainerConfig";

    fn validate(&self) -> Result<()> {
        self.validate_numbers()?;
        self.validate_counts()?;
        for beta in [self.betas.0, self.betas.1] {
            if !(0.0..1.0).contains(&beta) {
                return Err(out_of_range("betas", beta, "two numbers from 0 to below 1"));
            }
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(out_of_range(
                "momentum",
                self.momentum,
                "a number from 0 to below 1",
            ));
        }
        if self
            .lr_end_ratio
            .is_some_and(|ratio| !(0.0..=1.0).contains(&ratio))
        {
            let given = self.lr_end_ratio.unwrap_or_default();
            return Err(out_of_range("lr_end_ratio", given, "a number from 0 to 1"));
        }
        if self.lr_end_ratio == Some(0.0) && self.lr_scheduler_name == LrSchedulerName::ExponentialWarmup {
            return Err(Error::input("an exponential decay never reaches 0")
                .hint("give a small positive `lr_end_ratio`, e.g. 0.001")
                .under("lr_end_ratio"));
        }
        if self.initial_k.is_some_and(|k| !(k >= 1.0 && k.is_finite())) {
            let given = self.initial_k.unwrap_or_default();
            return Err(out_of_range(
                "initial_k",
                given,
                "a number of latents, at least 1",
            ));
        }
        if self.amp_dtype.is_some_and(|dtype| !dtype.is_floating_point()) {
            return Err(Error::input("mixed precision needs a floating-point dtype")
                .hint("\"bfloat16\", or \"float32\" for none")
                .under("amp_dtype"));
        }
        self.validate_penalty()
    }
}

impl TrainerConfig {
    fn validate_numbers(&self) -> Result<()> {
        let positive = [
            ("lr", self.lr),
            ("tanh_stretch_coefficient", self.tanh_stretch_coefficient),
            ("frequency_scale", self.frequency_scale),
            ("k_exponential_factor", self.k_exponential_factor),
            ("dead_threshold", self.dead_threshold),
        ];
        for (key, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(out_of_range(key, value, "a number above 0"));
            }
        }
        let not_negative = [
            ("jumprelu_lr_factor", Some(self.jumprelu_lr_factor)),
            ("clip_grad_norm", Some(self.clip_grad_norm)),
            ("weight_decay", Some(self.weight_decay)),
            ("l1_coefficient", self.l1_coefficient),
            ("lp_coefficient", self.lp_coefficient),
            ("auxk_coefficient", self.auxk_coefficient),
        ];
        for (key, value) in not_negative {
            if value.is_some_and(|value| !(value >= 0.0 && value.is_finite())) {
                return Err(out_of_range(
                    key,
                    value.unwrap_or_default(),
                    "0 or a number above it",
                ));
            }
        }
        Ok(())
    }

    fn validate_counts(&self) -> Result<()> {
        let counts = [
            ("p", self.p as f64),
            ("k_aux", self.k_aux as f64),
            (
                "gradient_accumulation_steps",
                self.gradient_accumulation_steps as f64,
            ),
            ("total_training_tokens", self.total_training_tokens as f64),
            ("log_frequency", self.log_frequency as f64),
            ("eval_frequency", self.eval_frequency as f64),
            ("feature_sampling_window", self.feature_sampling_window as f64),
            (
                "keep_last_checkpoints",
                self.keep_last_checkpoints.unwrap_or(1) as f64,
            ),
            ("resumable_checkpoints", self.resumable_checkpoints as f64),
        ];
        for (key, value) in counts {
            if value < 1.0 {
                return Err(out_of_range(key, value, "at least 1"));
            }
        }
        if self
            .checkpoint_every_minutes
            .is_some_and(|minutes| minutes <= 0.0 || Duration::try_from_secs_f64(minutes * 60.0).is_err())
        {
            let given = self.checkpoint_every_minutes.unwrap_or_default();
            return Err(out_of_range(
                "checkpoint_every_minutes",
                given,
                "a number of minutes above 0 that a clock can count",
            ));
        }
        if self.exp_result_path.trim().is_empty() {
            return Err(Error::input("a folder for the results is needed").under("exp_result_path"));
        }
        Ok(())
    }

    fn validate_penalty(&self) -> Result<()> {
        if self.sparsity_loss_type.is_some() && self.l1_coefficient.unwrap_or(0.0) == 0.0 {
            return Err(Error::input("a sparsity penalty was chosen, but it has no coefficient")
                .hint("give `l1_coefficient` a positive number (1.0 for an unscaled penalty), or leave `sparsity_loss_type` out")
                .under("l1_coefficient"));
        }
        Ok(())
    }

    /// Refuses pieces of the arithmetic that are missing, or that something else has the place of.
    pub fn check_custom(&self, sae: &SAEConfig, custom: &Custom<'_>) -> Result<()> {
        sae.act_fn.require_custom(
            custom.activation.is_some(),
            "a script gives it: `trainer.fit(#{ …, activation: |h| … })`",
        )?;
        if custom.penalty.is_none() {
            return Ok(());
        }
        if self.sparsity_loss_type.is_some() {
            return Err(
                Error::input("a penalty was given, and `sparsity_loss_type` chooses another")
                    .hint("leave `sparsity_loss_type` out")
                    .under("penalty"),
            );
        }
        if self.l1_coefficient.unwrap_or(0.0) == 0.0 {
            return Err(Error::input("a penalty was given, but it has no coefficient")
                .hint("give `l1_coefficient` a positive number (1.0 for an unscaled penalty)")
                .under("penalty"));
        }
        Ok(())
    }

    /// Returns a remark where no latent can be dead before the training ends, so that Aux-K costs nothing and does
    /// nothing.
    fn idle_auxk(&self) -> Option<String> {
        let wanted = self.auxk_coefficient.is_some_and(|coefficient| coefficient > 0.0);
        (wanted && self.dead_threshold > self.total_training_tokens as f64).then(|| {
            format!(
                "Aux-K never acts: a latent is dead after `dead_threshold` = {} tokens without firing, but the whole \
                 training has {}; set `dead_threshold`, e.g. {}",
                self.dead_threshold,
                self.total_training_tokens,
                (self.total_training_tokens / 10).max(1)
            )
        })
    }

    /// Refuses what does not fit the dictionary.
    ///
    /// # Errors
    /// A penalty or a schedule that its activation function does not have, or one out of its range.
    pub fn check_dictionary(&self, sae: &SAEConfig) -> Result<()> {
        let act_fn = sae.act_fn;
        if self.lp_coefficient.is_some_and(|lp| lp > 0.0) && !act_fn.has_thresholds() {
            return Err(Error::input(format!(
                "the threshold penalty needs thresholds, but `act_fn` is \"{}\"",
                act_fn.name()
            ))
            .hint("leave `lp_coefficient` out, or use act_fn = \"jumprelu\"")
            .under("lp_coefficient"));
        }
        if let Some(initial_k) = self.initial_k {
            if !act_fn.selects_k() {
                return Err(Error::input(format!(
                    "a schedule of k needs a top-k activation, but `act_fn` is \"{}\"",
                    act_fn.name()
                ))
                .hint("leave `initial_k` out, or use act_fn = \"topk\" or \"batchtopk\"")
                .under("initial_k"));
            }
            if initial_k < sae.top_k as f64 {
                return Err(Error::input(format!(
                    "k falls from `initial_k` to `top_k`, but {initial_k} is under top_k = {}",
                    sae.top_k
                ))
                .under("initial_k"));
            }
            if initial_k > sae.d_sae() as f64 {
                return Err(Error::input(format!(
                    "`initial_k` is {initial_k}, but the dictionary has {}",
                    counted(sae.d_sae(), "latent")
                ))
                .under("initial_k"));
            }
        }
        Ok(())
    }

    fn check_steps(&self, total: u64, sae: &SAEConfig, penalised: bool) -> Result<Vec<String>> {
        use LrSchedulerName as Name;
        let warms_up = !matches!(self.lr_scheduler_name, Name::Constant | Name::CosineAnnealing);
        let cools_down = self.lr_scheduler_name == Name::ConstantWithWarmup;
        let scheduled = self.initial_k.is_some() && sae.act_fn.selects_k();
        let spans = [
            ("lr_warm_up_steps", self.lr_warm_up_steps, warms_up),
            ("lr_cool_down_steps", self.lr_cool_down_steps, cools_down),
            ("k_warmup_steps", self.k_warmup_steps, scheduled),
            ("k_cold_booting_steps", self.k_cold_booting_steps, scheduled),
            (
                "l1_coefficient_warmup_steps",
                self.l1_coefficient_warmup_steps,
                penalised,
            ),
        ];
        let mut remarks = Vec::new();
        for (key, steps, used) in spans {
            let Steps::Count(count) = steps else { continue };
            if !used || count <= total {
                continue;
            }
            if key == "lr_warm_up_steps" && steps == DEFAULT_LR_WARM_UP {
                remarks.push(format!(
                    "the default warm-up of {count} steps is longer than the training ({}), so the learning \
                     rate never reaches `lr`; set `lr_warm_up_steps`, e.g. 0.1 for the first tenth",
                    counted(total, "step")
                ));
                continue;
            }
            return Err(Error::input(format!(
                "{count} steps are longer than the whole training of {}",
                counted(total, "step")
            ))
            .hint("give fewer steps, or a fraction such as 0.1; `total_training_tokens` over the rows of a batch is the number of steps")
            .under(key));
        }
        Ok(remarks)
    }
}

impl Checked<TrainerConfig> {
    /// Checks like [`check_plan`](Self::check_plan), but a dictionary with its weights, and refuses thresholds that
    /// nobody has set.
    pub(super) fn check_run(
        &self,
        sae: &SparseAutoEncoder,
        total: u64,
        own_penalty: bool,
    ) -> Result<Vec<String>> {
        let remarks = self.check_plan(&sae.cfg, total, own_penalty)?;
        sae.require_thresholds()?;
        Ok(remarks)
    }

    /// Refuses what does not fit the dictionary or a training of `total` steps. Returns remarks for things that are
    /// odd but can be done.
    pub(super) fn check_plan(
        &self,
        sae: &Checked<SAEConfig>,
        total: u64,
        own_penalty: bool,
    ) -> Result<Vec<String>> {
        check_dtype(sae).map_err(|error| error.under("sae"))?;
        self.check_dictionary(sae)?;
        let penalised = own_penalty || self.sparsity_loss_type.is_some();
        let mut remarks = self.check_steps(total, sae, penalised)?;
        remarks.extend(idle::remark(
            "the trainer",
            &idle::of_trainer(self, sae.act_fn, penalised),
        ));
        remarks.extend(idle::remark("the dictionary", &idle::of_dictionary(sae)));
        remarks.extend(self.idle_auxk());
        if sae.act_fn.needs_penalty() && !penalised {
            remarks.push(
                "relu without a sparsity penalty learns dense latents; set `sparsity_loss_type` and `l1_coefficient`"
                    .into(),
            );
        }
        if sae.dtype.kind() == Kind::BFloat16 {
            remarks.push(
                "weights of bfloat16 keep 8 bits, so steps below 1/256 of a weight are lost; dtype = \"float32\" with \
                 amp_dtype = \"bfloat16\" keeps them"
                    .into(),
            );
        }
        Ok(remarks)
    }
}

/// Refuses a dictionary whose number format cannot be trained.
///
/// # Errors
/// It is float16.
pub fn check_dtype(sae: &SAEConfig) -> Result<()> {
    if sae.dtype.kind() == Kind::Half {
        return Err(Error::input(
            "a dictionary of float16 cannot be trained: Adam's epsilon of 1e-8 is 0 there, and small steps are lost",
        )
        .hint("train with dtype = \"float32\"; amp_dtype = \"float16\" or \"bfloat16\" computes products in half precision")
        .under("dtype"));
    }
    Ok(())
}

fn out_of_range(key: &str, given: f64, allowed: &str) -> Error {
    Error::input(format!("expected {allowed}, but was given {given}")).under(key)
}
