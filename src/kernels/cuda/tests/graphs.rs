//! Which calls of the driver start kernels: whatever is kept of them, what runs is what was asked for.

use super::played::{Call, alive, fail, gpu, ran_of, start, stream, taken};
use crate::error::Result;
use crate::kernels::cuda::driver::{Gpu, Start};
use crate::kernels::cuda::graphs::Graphs;
use crate::kernels::cuda::launcher::Grid;
use crate::kernels::step_tests::Numbers;

/// Starts kernels and returns the calls for it, once what ran was compared with what was asked for.
fn launched(graphs: &mut Graphs, gpu: &Gpu, starts: &[Start]) -> Vec<Call> {
    // SAFETY: this driver runs nothing.
    unsafe { graphs.launch(gpu, starts.to_vec(), stream()) }.expect("started");
    let (calls, ran) = taken();
    let asked: Vec<_> = starts.iter().map(ran_of).collect();
    assert_eq!(ran, asked);
    calls
}

fn three(first: &[u64], blocks: i64, last: &[u64]) -> [Start; 3] {
    [
        start(1, Grid::rows(4), first),
        start(2, Grid::shared(blocks, 3), &[5]),
        start(3, Grid::rows(1), last),
    ]
}

#[test]
fn a_sequence_gets_a_graph_when_it_comes_again_and_only_what_changed_is_told() {
    let (gpu, mut graphs) = (gpu(), Graphs::default());
    let starts = three(&[1, 2], 7, &[]);
    assert_eq!(launched(&mut graphs, &gpu, &starts), []);
    assert_eq!(
        launched(&mut graphs, &gpu, &starts),
        [Call::Instantiated(3), Call::Launched]
    );
    assert_eq!(launched(&mut graphs, &gpu, &starts), [Call::Launched]);
    let other = three(&[1, 9], 7, &[]);
    assert_eq!(
        launched(&mut graphs, &gpu, &other),
        [Call::Changed(0), Call::Launched]
    );
    assert_eq!(launched(&mut graphs, &gpu, &other), [Call::Launched]);
    let larger = three(&[1, 2], 8, &[]);
    assert_eq!(
        launched(&mut graphs, &gpu, &larger),
        [Call::Changed(0), Call::Changed(1), Call::Launched]
    );
    // Other functions, and the same in another order or number, are other sequences.
    assert_eq!(launched(&mut graphs, &gpu, &three(&[1, 2], 7, &[4])), []);
    let mut turned = starts.to_vec();
    turned.reverse();
    assert_eq!(launched(&mut graphs, &gpu, &turned), []);
    turned.extend(starts);
    assert_eq!(launched(&mut graphs, &gpu, &turned), []);
    assert_eq!(alive(), (1, 1));
    assert_eq!(graphs.remark(), None);
    graphs.clear(&gpu);
    assert_eq!(alive(), (0, 0));
}

#[test]
fn a_few_kernels_are_started_by_themselves() {
    let (gpu, mut graphs) = (gpu(), Graphs::default());
    let starts = three(&[1], 7, &[2]);
    for _ in 0..4 {
        assert_eq!(launched(&mut graphs, &gpu, &starts[..2]), []);
        assert_eq!(launched(&mut graphs, &gpu, &[]), []);
    }
    assert_eq!(alive(), (0, 0));
}

#[test]
fn what_the_driver_refuses_is_started_plainly_and_said_once() {
    for failing in [
        ("make_graph", 0),
        ("add_node", 0),
        ("add_node", 2),
        ("instantiate", 0),
        ("upload", 0),
        ("set_node", 0),
        ("set_node", 1),
    ] {
        let (gpu, mut graphs) = (gpu(), Graphs::default());
        fail(Some(failing));
        for round in 0..6 {
            launched(&mut graphs, &gpu, &three(&[round, 2], 7, &[round]));
            launched(&mut graphs, &gpu, &three(&[round], 7, &[]));
        }
        assert_eq!(alive(), (0, 0), "{failing:?}");
        let remark = graphs.remark().expect("a remark");
        assert!(remark.contains("OUT_OF_MEMORY"), "{remark}");
        assert_eq!(graphs.remark(), None);
        fail(None);
        assert_eq!(
            launched(&mut graphs, &gpu, &three(&[1, 2], 7, &[1])),
            [],
            "no more graphs"
        );
    }
}

#[test]
fn a_start_that_fails_is_told_and_nothing_is_started_twice() {
    let (gpu, mut graphs) = (gpu(), Graphs::default());
    let starts = three(&[1, 2], 7, &[]);
    let mut launch = || -> Result<()> {
        // SAFETY: this driver runs nothing.
        unsafe { graphs.launch(&gpu, starts.to_vec(), stream()) }
    };
    fail(Some(("launch", 1)));
    assert!(launch().is_err());
    assert_eq!(taken().1.len(), 1, "those behind it are not started");
    fail(Some(("launch_graph", 0)));
    assert!(launch().is_err());
    assert_eq!(taken().1, []);
    fail(None);
    launch().expect("started");
    assert_eq!(taken().1.len(), 3);
    graphs.clear(&gpu);
}

#[test]
fn however_many_sequences_come_few_graphs_are_kept_and_what_runs_is_what_was_asked_for() {
    let (gpu, mut graphs) = (gpu(), Graphs::default());
    let mut draw = Numbers::new(3);
    let mut below = |most: f32| (draw.numbers(1)[0].abs() * 1000.0 % most) as u64;
    for _ in 0..3000 {
        let kind = below(60.0) as usize;
        let starts: Vec<Start> = (0..1 + kind % 7)
            .map(|place| {
                let arguments: Vec<u64> = (0..place as u64 % 4).map(|_| below(3.0)).collect();
                let grid = Grid::shared(1 + below(2.0) as i64, 1 + below(2.0) as i64);
                start(kind + place * place, grid, &arguments)
            })
            .collect();
        launched(&mut graphs, &gpu, &starts);
        let (definitions, executables) = alive();
        assert!(definitions == executables && definitions <= 32);
    }
    assert!(alive().0 > 8, "{:?}", alive());
    graphs.clear(&gpu);
    assert_eq!(alive(), (0, 0));
}
