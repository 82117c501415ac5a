//! Settings that do nothing beside the others: they are said, so that nobody takes them for done.

use super::config::{LrSchedulerName, TrainerConfig};
use super::initializer::InitializerConfig;
use super::optim::Setting;
use crate::dictionary::{ActFn, BaseConfig, SAEConfig, SparsityLoss};

/// A setting that differs from its default, and why it does nothing.
pub(super) type Idle = (&'static str, &'static str);

/// Returns one line about `whose` settings that do nothing, if there are any.
pub(super) fn remark(whose: &str, idle: &[Idle]) -> Option<String> {
    let listed: Vec<String> = idle
        .iter()
        .map(|(setting, why)| format!("`{setting}` ({why})"))
        .collect();
    (!listed.is_empty()).then(|| format!("settings of {whose} that do nothing here: {}", listed.join(", ")))
}

/// Returns those rows whose setting was given and is not used.
fn unused<const N: usize>(rows: [(&'static str, bool, bool, &'static str); N]) -> Vec<Idle> {
    rows.into_iter()
        .filter(|(_, given, used, _)| *given && !used)
        .map(|(setting, _, _, why)| (setting, why))
        .collect()
}

/// Returns settings of a trainer that do nothing for a dictionary with `act_fn`; `penalised` says whether there is any
/// penalty.
pub(super) fn of_trainer(cfg: &TrainerConfig, act_fn: ActFn, penalised: bool) -> Vec<Idle> {
    let mut idle = of_penalty(cfg, penalised);
    idle.extend(of_optimizer(cfg));
    idle.extend(of_schedule_of_k(cfg));
    idle.extend(of_learning_rate(cfg));
    let plain = TrainerConfig::default();
    idle.extend(unused([
        (
            "jumprelu_lr_factor",
            cfg.jumprelu_lr_factor != plain.jumprelu_lr_factor,
            act_fn.has_thresholds(),
            "`act_fn` is not \"jumprelu\"",
        ),
        (
            "keep_best_checkpoints",
            cfg.keep_best_checkpoints.is_some(),
            cfg.keep_last_checkpoints.is_some(),
            "without `keep_last_checkpoints` all are kept",
        ),
    ]));
    idle
}

fn of_penalty(cfg: &TrainerConfig, penalised: bool) -> Vec<Idle> {
    let plain = TrainerConfig::default();
    let has = |part: fn(SparsityLoss) -> bool| cfg.sparsity_loss_type.is_some_and(part);
    let auxk = cfg.auxk_coefficient.is_some_and(|coefficient| coefficient > 0.0);
    let no_penalty = "there is no `sparsity_loss_type`";
    unused([
        (
            "l1_coefficient",
            cfg.l1_coefficient.is_some() && cfg.l1_coefficient != plain.l1_coefficient,
            penalised,
            no_penalty,
        ),
        (
            "l1_coefficient_warmup_steps",
            cfg.l1_coefficient_warmup_steps != plain.l1_coefficient_warmup_steps,
            penalised,
            no_penalty,
        ),
        (
            "p",
            cfg.p != plain.p,
            has(SparsityLoss::has_power),
            "`sparsity_loss_type` is not \"power\"",
        ),
        (
            "tanh_stretch_coefficient",
            cfg.tanh_stretch_coefficient != plain.tanh_stretch_coefficient,
            has(SparsityLoss::is_stretched),
            "`sparsity_loss_type` is neither \"tanh\" nor \"tanh-quad\"",
        ),
        (
            "frequency_scale",
            cfg.frequency_scale != plain.frequency_scale,
            has(SparsityLoss::is_scaled),
            "`sparsity_loss_type` is not \"tanh-quad\"",
        ),
        (
            "k_aux",
            cfg.k_aux != plain.k_aux,
            auxk,
            "there is no `auxk_coefficient`",
        ),
    ])
}

fn of_optimizer(cfg: &TrainerConfig) -> Vec<Idle> {
    let plain = TrainerConfig::default();
    let uses = |setting| cfg.optimizer_class.uses(setting);
    let other = "`optimizer_class` does not use it";
    unused([
        ("betas", cfg.betas != plain.betas, uses(Setting::Betas), other),
        (
            "weight_decay",
            cfg.weight_decay != plain.weight_decay,
            uses(Setting::WeightDecay),
            other,
        ),
        (
            "momentum",
            cfg.momentum != plain.momentum,
            uses(Setting::Momentum),
            other,
        ),
    ])
}

fn of_schedule_of_k(cfg: &TrainerConfig) -> Vec<Idle> {
    let plain = TrainerConfig::default();
    let scheduled = cfg.initial_k.is_some();
    let exponential = scheduled && cfg.k_schedule_type != plain.k_schedule_type;
    let no_schedule = "there is no `initial_k`";
    unused([
        (
            "k_warmup_steps",
            cfg.k_warmup_steps != plain.k_warmup_steps,
            scheduled,
            no_schedule,
        ),
        (
            "k_cold_booting_steps",
            cfg.k_cold_booting_steps != plain.k_cold_booting_steps,
            scheduled,
            no_schedule,
        ),
        (
            "k_schedule_type",
            cfg.k_schedule_type != plain.k_schedule_type,
            scheduled,
            no_schedule,
        ),
        (
            "k_exponential_factor",
            cfg.k_exponential_factor != plain.k_exponential_factor,
            exponential,
            "k does not run exponentially",
        ),
    ])
}

fn of_learning_rate(cfg: &TrainerConfig) -> Vec<Idle> {
    use LrSchedulerName as Name;
    let plain = TrainerConfig::default();
    let warms_up = !matches!(cfg.lr_scheduler_name, Name::Constant | Name::CosineAnnealing);
    let ends = !matches!(cfg.lr_scheduler_name, Name::Constant | Name::LinearWarmupDecay);
    let cools = cfg.lr_scheduler_name == Name::ConstantWithWarmup;
    let other_schedule = "`lr_scheduler_name` is another one";
    unused([
        (
            "lr_warm_up_steps",
            cfg.lr_warm_up_steps != plain.lr_warm_up_steps,
            warms_up,
            other_schedule,
        ),
        (
            "lr_cool_down_steps",
            cfg.lr_cool_down_steps != plain.lr_cool_down_steps,
            cools,
            other_schedule,
        ),
        ("lr_end_ratio", cfg.lr_end_ratio.is_some(), ends, other_schedule),
    ])
}

/// Returns settings of a dictionary that do nothing with its activation function.
pub(super) fn of_dictionary(cfg: &SAEConfig) -> Vec<Idle> {
    let (top_k, window) = (BaseConfig::DEFAULT_TOP_K, BaseConfig::DEFAULT_WINDOW);
    unused([
        (
            "top_k",
            cfg.top_k != top_k,
            cfg.act_fn.selects_k(),
            "`act_fn` does not select k latents",
        ),
        (
            "jumprelu_threshold_window",
            cfg.jumprelu_threshold_window != window,
            cfg.act_fn.has_thresholds(),
            "`act_fn` is not \"jumprelu\"",
        ),
    ])
}

/// Returns settings of an initialisation that do nothing for a dictionary with `act_fn`.
pub(super) fn of_initializer(cfg: &InitializerConfig, act_fn: ActFn) -> Vec<Idle> {
    let plain = InitializerConfig::default();
    let transposed = cfg.init_encoder_with_decoder_transpose;
    unused([
        (
            "encoder_uniform_bound",
            cfg.encoder_uniform_bound != plain.encoder_uniform_bound,
            !transposed,
            "the encoder is the decoder's transpose",
        ),
        (
            "init_encoder_with_decoder_transpose_factor",
            cfg.init_encoder_with_decoder_transpose_factor
                != plain.init_encoder_with_decoder_transpose_factor,
            transposed,
            "the encoder is not the decoder's transpose",
        ),
        (
            "init_log_jumprelu_threshold_value",
            cfg.init_log_jumprelu_threshold_value.is_some(),
            act_fn.has_thresholds(),
            "`act_fn` is not \"jumprelu\"",
        ),
        (
            "d_active_subspace",
            cfg.d_active_subspace.is_some(),
            cfg.initialize_w_d_with_active_subspace,
            "`initialize_W_D_with_active_subspace` is false",
        ),
        (
            "model_layer",
            cfg.model_layer.is_some(),
            cfg.initialize_tc_with_mlp == Some(true),
            "`initialize_tc_with_mlp` is not true",
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_never_idle() {
        for act_fn in [ActFn::Relu, ActFn::JumpRelu, ActFn::TopK, ActFn::BatchTopK] {
            assert!(of_trainer(&TrainerConfig::default(), act_fn, false).is_empty());
            assert!(of_initializer(&InitializerConfig::default(), act_fn).is_empty());
        }
    }

    #[test]
    fn what_is_given_and_not_used_is_said_with_the_reason() {
        let cfg = TrainerConfig {
            k_aux: 7,
            jumprelu_lr_factor: 2.0,
            keep_best_checkpoints: Some(2),
            ..TrainerConfig::default()
        };
        let said = remark("the trainer", &of_trainer(&cfg, ActFn::TopK, false)).expect("three");
        assert_eq!(
            said,
            "settings of the trainer that do nothing here: `k_aux` (there is no `auxk_coefficient`), \
             `jumprelu_lr_factor` (`act_fn` is not \"jumprelu\"), `keep_best_checkpoints` (without \
             `keep_last_checkpoints` all are kept)"
        );
        let used = TrainerConfig {
            auxk_coefficient: Some(0.1),
            keep_last_checkpoints: Some(1),
            ..cfg
        };
        assert!(of_trainer(&used, ActFn::JumpRelu, true).is_empty());
    }
}
