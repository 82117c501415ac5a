//! The library in a program other than its own.

#[path = "../../examples/embed.rs"]
mod embed;

#[test]
fn the_example_of_a_host_in_another_program_runs() {
    let (summary, notes) = embed::run().expect("the script runs");
    assert_eq!((summary.d_model, summary.k), (16, 4));
    let densities: Vec<f64> = notes.into_values().collect();
    assert_eq!(densities, [4.0 / 64.0, 4.0 / 64.0]);
    embed::main().expect("it prints");
}
