use super::*;

/// What Python's `format` gives.
const FLOATS: &[(f64, &str, &str)] = &[
    (8.24156, ".2f", "8.24"),
    (8.24156, "", "8.24156"),
    (0.30000000000000004, "", "0.30000000000000004"),
    (1e+16, "", "1e+16"),
    (1000000000000000.0, "", "1000000000000000.0"),
    (123456789.0, "", "123456789.0"),
    (1e-05, "", "1e-05"),
    (0.0001, "", "0.0001"),
    (2.5, ".0f", "2"),
    (0.125, ".2f", "0.12"),
    (1234567.891, ",.2f", "1,234,567.89"),
    (-1234567.891, "_.1f", "-1_234_567.9"),
    (0.8589, ".1%", "85.9%"),
    (0.8589, "%", "85.890000%"),
    (1e-07, ".3e", "1.000e-07"),
    (1e-07, "e", "1.000000e-07"),
    (123456.0, ".3g", "1.23e+05"),
    (1.234e-05, "g", "1.234e-05"),
    (100000.0, "g", "100000"),
    (1000000.0, "g", "1e+06"),
    (0.0, "g", "0"),
    (1.0, ".3g", "1"),
    (1.0, "#.3g", "1.00"),
    (8.24156, "10.3f", "     8.242"),
    (8.24156, "<10.3f", "8.242     "),
    (8.24156, "^10.3f", "  8.242   "),
    (8.24156, "*^11.3f", "***8.242***"),
    (-8.24156, "=10.3f", "-    8.242"),
    (-8.24156, "010.3f", "-00008.242"),
    (8.24156, "+.1f", "+8.2"),
    (8.24156, " .1f", " 8.2"),
    (1234.5, "012,.1f", "00,001,234.5"),
    (1234.5, ".3", "1.23e+03"),
    (1234.5, ".10", "1234.5"),
    (12345678.0, ".3", "1.23e+07"),
    (100.0, ".3", "1e+02"),
    (100.0, ".4", "100.0"),
    (1.5, ".1", "2e+00"),
    (f64::INFINITY, ".2f", "inf"),
    (f64::NEG_INFINITY, "8", "    -inf"),
    (f64::NAN, ".1f", "nan"),
    (-0.0, ".1f", "-0.0"),
    (1e+22, "", "1e+22"),
    (1.7976931348623157e+308, "", "1.7976931348623157e+308"),
    (5e-324, "", "5e-324"),
    (0.5, ".0%", "50%"),
    (10000000000.0, ",.0f", "10,000,000,000"),
    (2e-10, ".2G", "2E-10"),
    (255.0, "E", "2.550000E+02"),
    (999.9996, ".3f", "1000.000"),
    (999999.5, "g", "1e+06"),
    (0.99999995, "g", "1"),
];

const INTEGERS: &[(i64, &str, &str)] = &[
    (42, "", "42"),
    (42, "d", "42"),
    (-42, "d", "-42"),
    (1234567, ",", "1,234,567"),
    (1234567, "_d", "1_234_567"),
    (255, "x", "ff"),
    (255, "#X", "0XFF"),
    (255, "#b", "0b11111111"),
    (8, "o", "10"),
    (65535, "_x", "ffff"),
    (42, "6d", "    42"),
    (42, "<6", "42    "),
    (42, "^6", "  42  "),
    (42, "06d", "000042"),
    (-42, "06d", "-00042"),
    (1234, "010,", "00,001,234"),
    (42, "+d", "+42"),
    (3, ".2f", "3.00"),
    (3, ".1%", "300.0%"),
    (12345, "e", "1.234500e+04"),
    (i64::MIN, ",", "-9,223,372,036,854,775,808"),
    (7, "x>4d", "xxx7"),
];

const TEXTS: &[(&str, &str, &str)] = &[
    ("abc", "", "abc"),
    ("abc", "6", "abc   "),
    ("abc", ">6", "   abc"),
    ("abc", "^7", "  abc  "),
    ("abc", "*<6s", "abc***"),
    ("abcdef", ".3", "abc"),
    ("äöü", ".2", "äö"),
    ("äöü", "5", "äöü  "),
];

fn spec(text: &str) -> FormatSpec {
    FormatSpec::parse(text).expect("a format")
}

#[test]
fn floats_are_written_as_python_writes_them() {
    for (value, format, expected) in FLOATS {
        assert_eq!(
            spec(format).float(*value).expect("fits"),
            *expected,
            "{value:?} as `{format}`"
        );
    }
}

#[test]
fn whole_numbers_and_texts_are_written_as_python_writes_them() {
    for (value, format, expected) in INTEGERS {
        assert_eq!(
            spec(format).integer(*value).expect("fits"),
            *expected,
            "{value} as `{format}`"
        );
    }
    for (value, format, expected) in TEXTS {
        assert_eq!(
            spec(format).text(value).expect("fits"),
            *expected,
            "{value} as `{format}`"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for format in [".", ".2q", "2f2", "5001f", ".2ff"] {
        FormatSpec::parse(format).expect_err(format);
    }
    spec("d").float(1.5).expect_err("a float as d");
    spec(".2d")
        .integer(1)
        .expect_err("a whole number with a precision");
    spec("s").integer(1).expect_err("a number as text");
    spec("+").text("x").expect_err("a text with a sign");
    spec(".2f").text("x").expect_err("a text as f");
}
