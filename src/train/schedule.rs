//! What changes from step to step: learning rate, k, λ, and where the checkpoints lie.

use super::config::{CheckpointSaveMode, KScheduleType, LrSchedulerName, TrainerConfig};

/// The course of one training of a known number of steps. Steps are counted from 0.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All steps of the training.
    pub total_steps: u64,
    /// Learning rate.
    pub lr: LrSchedule,
    /// Active latents of the top-k family.
    pub k: KSchedule,
    /// Steps over which λ rises.
    pub l1_warm_up: u64,
    l1_coefficient: Option<f64>,
}

impl Plan {
    /// Returns the plan of `cfg` over `total_steps`, for a dictionary with `top_k`.
    pub fn new(cfg: &TrainerConfig, total_steps: u64, top_k: i64) -> Self {
        Self {
            total_steps,
            lr: LrSchedule {
                name: cfg.lr_scheduler_name,
                peak: cfg.lr,
                end_ratio: cfg.lr_end_ratio,
                warm_up: cfg.lr_warm_up_steps.resolve(total_steps),
                cool_down: cfg.lr_cool_down_steps.resolve(total_steps),
                total: total_steps,
            },
            k: KSchedule {
                initial: cfg.initial_k,
                target: top_k,
                cold_boot: cfg.k_cold_booting_steps.resolve(total_steps),
                warm_up: cfg.k_warmup_steps.resolve(total_steps),
                course: cfg.k_schedule_type,
                curvature: cfg.k_exponential_factor,
            },
            l1_warm_up: cfg.l1_coefficient_warmup_steps.resolve(total_steps),
            l1_coefficient: cfg.l1_coefficient,
        }
    }

    /// Returns λ at `step`: 0 at the first step of a warm-up; 1 without a coefficient.
    pub fn l1_coefficient(&self, step: u64) -> f64 {
        let Some(full) = self.l1_coefficient else {
            return 1.0;
        };
        match self.l1_warm_up {
            0 => full,
            warm_up => full * (step as f64 / warm_up as f64).min(1.0),
        }
    }
}

/// The learning rate over a training.
#[derive(Clone, Debug)]
pub struct LrSchedule {
    /// Its course.
    pub name: LrSchedulerName,
    /// The learning rate at its height.
    pub peak: f64,
    /// The rate at the end as a part of the peak; `None` for the course's own.
    pub end_ratio: Option<f64>,
    /// Steps of warm-up; 0 for none.
    pub warm_up: u64,
    /// Steps of cool-down; 0 for none.
    pub cool_down: u64,
    /// All steps.
    pub total: u64,
}

impl LrSchedule {
    /// Returns the learning rate at `step`.
    pub fn at(&self, step: u64) -> f64 {
        self.peak * self.multiplier(step)
    }

    /// Returns the part of the peak at `step`.
    pub fn multiplier(&self, step: u64) -> f64 {
        use LrSchedulerName as Name;
        let (s, total) = (step as f64, self.total as f64);
        let warm_up = self.warm_up as f64;
        let rising = (s + 1.0) / warm_up;
        // Progress from the end of the warm-up to the end of the training, in 0..1.
        let after = (s - warm_up) / (total - warm_up).max(1.0);
        let cosine = |progress: f64, end: f64| {
            end + 0.5 * (1.0 - end) * (1.0 + (std::f64::consts::PI * progress).cos())
        };
        match self.name {
            Name::Constant => 1.0,
            Name::ConstantWithWarmup => {
                let end = self.end_ratio.unwrap_or(1.0 / 32.0);
                let rising = if self.warm_up == 0 { 1.0 } else { rising };
                let falling = match self.cool_down {
                    0 => 1.0,
                    steps => end + (1.0 - end) / steps as f64 * (total - s).max(1.0),
                };
                rising.min(falling).min(1.0)
            }
            Name::CosineAnnealing => cosine(s / total.max(1.0), self.end_ratio.unwrap_or(0.0)),
            _ if step < self.warm_up => rising,
            Name::LinearWarmupDecay => {
                let end = self.end_ratio.unwrap_or(0.0);
                end + (1.0 - end) * (1.0 - after)
            }
            Name::CosineAnnealingWarmup => cosine(after, self.end_ratio.unwrap_or(0.0)),
            Name::ExponentialWarmup => self.end_ratio.unwrap_or(1.0 / 32.0).powf(after),
        }
    }
}

/// k of the top-k family over a training.
#[derive(Clone, Debug)]
pub struct KSchedule {
    /// k at the start; `None` keeps it at the target.
    pub initial: Option<f64>,
    /// k at the end.
    pub target: i64,
    /// Steps at the initial k.
    pub cold_boot: u64,
    /// Steps from the initial k to the target.
    pub warm_up: u64,
    /// The course in between.
    pub course: KScheduleType,
    /// Curvature of the exponential course.
    pub curvature: f64,
}

impl KSchedule {
    /// Returns k at `step`: rounded up, never under the target.
    pub fn at(&self, step: u64) -> i64 {
        let Some(initial) = self.initial else {
            return self.target;
        };
        if step < self.cold_boot {
            return initial as i64;
        }
        let progress = match self.warm_up {
            0 => 1.0,
            steps => ((step - self.cold_boot) as f64 / steps as f64).min(1.0),
        };
        let part = match self.course {
            KScheduleType::Linear => progress,
            KScheduleType::Exponential => {
                (1.0 - (-self.curvature * progress).exp()) / (1.0 - (-self.curvature).exp())
            }
        };
        let k = initial - (initial - self.target as f64) * part;
        (k.ceil() as i64).max(self.target)
    }
}

/// Returns the numbers of steps after which checkpoints are written, rising. By `log` the last one is at the end; by
/// `linear` they are `total / count` steps apart, rounded down, so the last one may come before the end.
pub fn checkpoint_steps(mode: CheckpointSaveMode, count: u64, total: u64) -> Vec<u64> {
    let at = |i: u64| match mode {
        CheckpointSaveMode::Log => (2f64.powf(i as f64 / count as f64 * (total as f64).log2())).ceil() as u64,
        CheckpointSaveMode::Linear => i * (total / count).max(1),
    };
    let mut steps: Vec<u64> = (1..=count.min(total))
        .map(at)
        .map(|step| step.min(total))
        .collect();
    steps.dedup();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_of_no_steps_is_none() {
        let mut schedule = LrSchedule {
            name: LrSchedulerName::ConstantWithWarmup,
            peak: 1.0,
            end_ratio: None,
            warm_up: 0,
            cool_down: 0,
            total: 10,
        };
        assert!((0..10).all(|step| schedule.multiplier(step) == 1.0));
        schedule.name = LrSchedulerName::CosineAnnealingWarmup;
        assert_eq!(schedule.multiplier(0), 1.0);
        schedule.end_ratio = Some(0.5);
        assert!((schedule.multiplier(10) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn checkpoints_lie_where_they_should() {
        let log = checkpoint_steps(CheckpointSaveMode::Log, 10, 100);
        assert_eq!(log, [2, 3, 4, 7, 10, 16, 26, 40, 64, 100]);
        assert_eq!(checkpoint_steps(CheckpointSaveMode::Linear, 3, 10), [3, 6, 9]);
        assert_eq!(checkpoint_steps(CheckpointSaveMode::Linear, 200, 3), [1, 2, 3]);
        assert!(checkpoint_steps(CheckpointSaveMode::Log, 0, 3).is_empty());
    }
}
