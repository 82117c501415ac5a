use super::{Numbers, Sum, assert_close, bits, on_any_threads, sets};
use crate::kernels::spread::spread_in;

#[test]
fn distances_from_the_mean_and_from_0() {
    for (rows, columns, part) in [
        (0, 4, 4),
        (1, 1, 1),
        (5, 3, 3),
        (9, 16, 16),
        (9, 60, 20),
        (64, 71, 71),
        (65, 130, 130),
        (65, 130, 13),
        (700, 64, 64),
        (2000, 33, 33),
    ] {
        let mut matrix = Numbers::new(4).numbers(rows * columns);
        // Far from 0 the distances from the mean are small.
        matrix
            .iter_mut()
            .step_by(columns)
            .for_each(|number| *number = 100.0 + *number * 0.1);
        let mean = |column: usize| {
            let numbers = matrix.iter().skip(column).step_by(columns);
            numbers.map(|&number| f64::from(number)).sum::<f64>() / rows as f64
        };
        let means: Vec<f64> = (0..columns).map(mean).collect();
        let count = rows * (columns / part);
        let (mut far, mut squares) = (vec![Sum::default(); count], vec![Sum::default(); count]);
        let parts = matrix.chunks(part).zip(far.iter_mut().zip(&mut squares));
        for (at, (numbers, (far, squares))) in parts.enumerate() {
            for (&number, mean) in numbers.iter().zip(&means[at * part % columns..]) {
                let number = f64::from(number);
                far.add((number - mean).powi(2));
                // What the rounding of numbers and mean changes.
                far.size += number.abs() * (number - mean).abs() + (number * 1e-6).powi(2);
                squares.add(number.powi(2));
            }
        }
        for isa in sets() {
            let found = on_any_threads(|| {
                let (mut found_far, mut found_squares) = (vec![9.0; count], vec![9.0; count]);
                spread_in(isa, &matrix, (columns, part), &mut found_far, &mut found_squares);
                assert_close(&found_far, &far);
                assert_close(&found_squares, &squares);
                bits(&found_far).chain(bits(&found_squares)).collect()
            });
            assert_eq!(found.len(), 2 * count);
        }
    }
}

#[test]
fn what_is_no_number_stays() {
    for isa in sets() {
        let mut matrix = vec![1.0; 5 * 20];
        matrix[3 * 20 + 7] = f32::NAN;
        let (mut apart, mut squares) = (vec![0.0; 5], vec![0.0; 5]);
        spread_in(isa, &matrix, (20, 20), &mut apart, &mut squares);
        assert!(apart.iter().all(|apart| apart.is_nan()), "one column has no mean");
        let expected = [false, false, false, true, false];
        assert!(
            squares.iter().map(|squares| squares.is_nan()).eq(expected),
            "{squares:?}"
        );
    }
}
