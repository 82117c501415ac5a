//! Functions of different texts that have the same name.

use std::fs;

use crate::program::run_in;

#[test]
fn each_text_calls_its_own_functions() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a", "b"] {
        let text = format!(
            r#"fn one(x) {{ "{name}" }}
            fn two(x) {{ one(x) + one(x) }}
            fn apply(f) {{ one(1) + one(2) + f.call(1) + one(3) }}
            fn closure() {{ |x| one(x) + one(x) }}
            fn object() {{
                #{{ value: || {{
                    one(1)
                }} }}
            }}"#
        );
        fs::write(folder.path().join(format!("{name}.rhai")), text).expect("written");
    }
    let script = r#"
        import "a" as a;
        import "b" as b;
        fn one(x) { "s" }
        fn both(x) { one(x) + one(x) }
        let said = [];
        for round in 0..3 {
            said += [a::one(1), b::one(1), a::two(1), b::two(1), both(1)];
            said += [a::apply(|x| one(x)), b::apply(|x| one(x)), one(1), one(2)];
            said += [a::closure().call(1), b::closure().call(1)];
            let made = b::object();
            said += [made.value(), [1].map(|x| one(x))[0], [1].map(|x| b::two(x))[0]];
            print(said.reduce(|all, next| if all == () { next } else { all + " " + next }));
            said.clear();
        }
    "#;
    fs::write(folder.path().join("t.rhai"), script).expect("written");
    let ran = run_in(folder.path(), ["run", "t.rhai"]).ended_with(0);
    let line = "a b aa bb ss aasa bbsb s s aa bb b s bb\n";
    assert_eq!(ran.out, line.repeat(3));
}
