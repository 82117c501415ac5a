//! Moves that are none where there is no gradient, counted on the device, against the processor's.

use super::ORDERS;
use crate::kernels::adam as plain;
use crate::kernels::adam::{Moves, Rule};
use crate::kernels::cuda::adam::{Moving, adam, due};
use crate::kernels::step_tests::Numbers;
use crate::tensor::Tensor;

const COUNT: usize = 517;

#[test]
fn moves_without_a_gradient_are_none_and_the_others_have_the_processors_bits() {
    let mut draw = Numbers::new(9);
    let start = draw.numbers(COUNT);
    let mut sparse = draw.numbers(COUNT);
    sparse.iter_mut().step_by(2).for_each(|number| *number = 0.0);
    let mut last = vec![0.0; COUNT];
    last[COUNT - 1] = 0.5;
    let gradients = [sparse.clone(), vec![0.0; COUNT], last, vec![-0.0; COUNT], sparse];
    for (emulated, before) in ORDERS
        .iter()
        .flat_map(|emulated| [(emulated, 0), (emulated, 1000)])
    {
        let mut slices = [start.clone(), vec![0.0; COUNT], vec![0.0; COUNT]];
        let tensors: Vec<Tensor> = slices.iter().map(|numbers| Tensor::from_slice(numbers)).collect();
        let moves = Tensor::from_slice(&[before]);
        let mut rule = Rule {
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            step: before as i32,
            gradient_scale: 1.0,
            moves: Moves::WhereGradient,
        };
        for gradient in &gradients {
            let there = Tensor::from_slice(gradient);
            let due = due(emulated, &there, &moves, &rule).expect("counted");
            let moving = Moving {
                parameter: &tensors[0],
                mean: &tensors[1],
                square: &tensors[2],
                gradient: &there,
                scale: None,
                due: Some(&due),
            };
            adam(emulated, &moving, &rule).expect("moved");
            if gradient.iter().all(|number| *number == 0.0) {
                continue;
            }
            rule.step += 1;
            let [parameter, mean, square] = &mut slices;
            let moving = plain::Moving {
                parameter,
                mean,
                square,
                gradient,
            };
            plain::adam(moving, &rule);
        }
        assert_eq!(moves.int64_value(&[0]), before + 3);
        for (slice, tensor) in slices.iter().zip(&tensors) {
            let found = Vec::<f32>::try_from(tensor).expect("numbers");
            let same = slice.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "after {before} moves");
        }
    }
}
