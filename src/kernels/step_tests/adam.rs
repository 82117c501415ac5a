use super::{Numbers, bits, on_any_threads, sets};
use crate::kernels::adam::{Moves, Moving, Rule, adam_in};
use crate::kernels::isa::Isa;

/// A parameter, its moments and its gradient, of which every third number is 0.
#[derive(Clone, Debug, PartialEq)]
struct Parameter {
    parameter: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
    gradient: Vec<f32>,
}

impl Parameter {
    fn new(count: usize) -> Self {
        let mut numbers = Numbers::new(count as u64);
        let mut gradient = numbers.numbers(count);
        gradient.iter_mut().step_by(3).for_each(|number| *number = 0.0);
        let square = numbers.numbers(count).iter().map(|number| number.abs()).collect();
        Parameter {
            parameter: numbers.numbers(count),
            mean: numbers.numbers(count),
            square,
            gradient,
        }
    }

    fn moving(&mut self) -> Moving<'_> {
        let Parameter {
            parameter,
            mean,
            square,
            gradient,
        } = self;
        Moving {
            parameter,
            mean,
            square,
            gradient,
        }
    }

    /// Moves a number at a time, each operation rounded as PyTorch does it.
    fn move_slowly(&mut self, rule: &Rule) {
        let correction1 = 1.0 - rule.beta1.powi(rule.step);
        let correction2 = 1.0 - rule.beta2.powi(rule.step);
        let (gain1, gain2) = ((1.0 - rule.beta1) as f32, (1.0 - rule.beta2) as f32);
        let epsilon = rule.epsilon as f32;
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, (mean, square)), gradient) in
            self.parameter.iter_mut().zip(moments).zip(&self.gradient)
        {
            let gradient = gradient * rule.gradient_scale;
            *square = *square * rule.beta2 as f32 + gradient * gradient * gain2;
            *parameter *= (1.0 - rule.lr * rule.weight_decay) as f32;
            if rule.moves == Moves::All {
                let way = gradient - *mean;
                let small = gain1.mul_add(way, *mean);
                *mean = if gain1 < 0.5 {
                    small
                } else {
                    (gain1 - 1.0).mul_add(way, gradient)
                };
                let scale = square.sqrt() / correction2.sqrt() as f32 + epsilon;
                *parameter -= *mean / scale * (rule.lr / correction1) as f32;
            } else {
                *mean = *mean * rule.beta1 as f32 + gradient * gain1;
                let way = *mean / (square.sqrt() + epsilon);
                let way = way * (rule.lr * correction2.sqrt() / correction1) as f32;
                *parameter -= way * f32::from(gradient != 0.0);
            }
        }
    }
}

/// Returns rules of all kinds.
fn rules() -> Vec<Rule> {
    let mut rules = vec![];
    for moves in [Moves::All, Moves::WhereGradient] {
        for (beta1, weight_decay, step, gradient_scale) in [(0.9, 0.0, 1, 1.0), (0.3, 0.1, 40, 0.37)] {
            let (lr, beta2, epsilon) = (1e-3, 0.999, 1e-8);
            rules.push(Rule {
                lr,
                beta1,
                beta2,
                epsilon,
                weight_decay,
                step,
                gradient_scale,
                moves,
            });
        }
    }
    rules
}

#[test]
fn moves_are_pytorchs() {
    for (rule, count) in rules()
        .iter()
        .flat_map(|rule| [0, 1, 15, 16, 4099, 20_000].map(|count| (rule, count)))
    {
        let mut expected = Parameter::new(count);
        expected.move_slowly(rule);
        for isa in sets() {
            let mut found = Parameter::new(count);
            adam_in(isa, found.moving(), rule);
            if isa == Isa::Plain {
                let pairs = found.parameter.iter().zip(&expected.parameter);
                assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
            } else {
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn denormal_numbers_become_zero_and_only_during_the_move() {
    for isa in sets().filter(|_| cfg!(target_arch = "x86_64")) {
        let mut found = Parameter::new(17);
        found.square.fill(1e-39);
        found.gradient.fill(0.0);
        adam_in(isa, found.moving(), &rules()[0]);
        assert_eq!(found.square, [0.0; 17]);
        let denormal = std::hint::black_box(1e-38_f32) * std::hint::black_box(0.1);
        assert!(denormal > 0.0, "the setting is put back");
    }
}

#[test]
fn what_is_not_finite_stays_so_and_stays_where_it_is() {
    for (isa, rule) in sets().flat_map(|isa| rules().into_iter().map(move |rule| (isa, rule))) {
        let mut found = Parameter::new(40);
        found.gradient[20] = f32::NAN;
        found.parameter[35] = f32::INFINITY;
        adam_in(isa, found.moving(), &rule);
        assert!(found.parameter[20].is_nan() && found.mean[20].is_nan() && found.square[20].is_nan());
        assert!(found.parameter[35].is_infinite());
        assert_eq!(
            found.parameter.iter().filter(|number| number.is_finite()).count(),
            38
        );
    }
}

#[test]
fn threads_make_no_difference() {
    for isa in sets() {
        on_any_threads(|| {
            let mut found = Parameter::new(50_000);
            adam_in(isa, found.moving(), &rules()[0]);
            adam_in(isa, found.moving(), &rules()[3]);
            let all = [&found.parameter, &found.mean, &found.square];
            all.into_iter().flat_map(|numbers| bits(numbers)).collect()
        });
    }
}
