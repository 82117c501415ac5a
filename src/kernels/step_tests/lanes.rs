use super::sets;
use crate::kernels::lanes::{GROUP, Kernel, Lanes, SUMS, run};

/// Does everything with groups of numbers that are whole, so that all sums are exact.
struct Everything;

impl Kernel for Everything {
    type Output = Vec<f32>;

    fn run<L: Lanes>(self, lanes: L) -> Vec<f32> {
        let numbers: [f32; GROUP] = std::array::from_fn(|k| (k * k % 7) as f32);
        let (a, b) = (lanes.load(&numbers), lanes.splat(3.0));
        let quotient = lanes.div(lanes.sqrt(lanes.mul(a, a)), lanes.splat(2.0));
        let results = [
            lanes.add(a, b),
            lanes.sub(a, b),
            lanes.fma(a, b, a),
            quotient,
            lanes.max(a, b),
            lanes.min(a, b),
            lanes.where_over(a, b, quotient),
            lanes.indicator(a),
        ];
        let mut written = vec![];
        for result in results {
            let mut part = [0.0; 13];
            lanes.store_part(result, &mut part);
            written.extend(part);
            written.push(lanes.sum(lanes.keep(result, 5)));
            written.push(lanes.sum(lanes.load_part(&part[..7])));
            written.push(lanes.nonzeros(result) as f32);
        }
        let mut sums: [f32; SUMS] = std::array::from_fn(|k| k as f32);
        let groups = std::array::from_fn(|k| lanes.mul(a, lanes.load(&[k as f32; GROUP])));
        lanes.add_sums(groups, &mut sums);
        written.extend(sums);
        written
    }
}

#[test]
fn operations_are_the_same_in_all_sets() {
    let plain = run(crate::kernels::isa::Isa::Plain, Everything);
    let sum: f32 = (0..GROUP).map(|k| (k * k % 7) as f32).sum();
    let sums: Vec<f32> = (0..SUMS).map(|k| k as f32 * (1.0 + sum)).collect();
    assert_eq!(plain[plain.len() - SUMS..], sums);
    assert_eq!(plain[..4], [3.0, 4.0, 7.0, 5.0]);
    for isa in sets() {
        assert_eq!(run(isa, Everything), plain, "{}", isa.name());
    }
}

#[test]
fn numbers_that_are_not_numbers_are_not_zero() {
    struct Count;
    impl Kernel for Count {
        type Output = (u32, f32);

        fn run<L: Lanes>(self, lanes: L) -> (u32, f32) {
            let group = lanes.load_part(&[0.0, -0.0, f32::NAN, f32::INFINITY, 1e-40, -1.0]);
            (lanes.nonzeros(group), lanes.sum(lanes.indicator(group)))
        }
    }
    for isa in sets() {
        assert_eq!(run(isa, Count), (4, 4.0), "{}", isa.name());
    }
}

#[test]
fn the_second_is_returned_where_either_is_not_a_number() {
    struct Largest;
    impl Kernel for Largest {
        type Output = [f32; 4];

        fn run<L: Lanes>(self, lanes: L) -> [f32; 4] {
            let nan = lanes.load_part(&[f32::NAN, 1.0, f32::NAN]);
            let other = lanes.load_part(&[2.0, f32::NAN, f32::NAN]);
            let mut written = [0.0; GROUP];
            lanes.store(lanes.max(nan, other), &mut written);
            let [a, b, ..] = written;
            lanes.store(lanes.min(nan, other), &mut written);
            let c = written[0];
            lanes.store(lanes.where_over(nan, other, lanes.splat(1.0)), &mut written);
            [a, f32::from(b.is_nan()), c, written.iter().sum()]
        }
    }
    for isa in sets() {
        assert_eq!(run(isa, Largest), [2.0, 1.0, 2.0, 0.0], "{}", isa.name());
    }
}
