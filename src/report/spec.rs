//! Python's format specifications: `.2f`, `,d`, `>8`, `+.1%`, `.3g`.

use crate::error::{Error, Result};

/// How a number or a text is written: `[[fill]align][sign][#][0][width][grouping][.precision][type]`, as in Python's
/// “Format Specification Mini-Language”.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FormatSpec {
    fill: Option<char>,
    align: Option<Align>,
    sign: Sign,
    alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Align {
    Left,
    Right,
    Centre,
    /// Padding between sign and digits.
    AfterSign,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Sign {
    #[default]
    Minus,
    Plus,
    Space,
}

/// More digits than any number has, and wider than any line.
const MOST: usize = 1000;

/// Decimal exponents below which, without a type, a number is written as `1e-05`.
const SMALLEST_PLAIN: i32 = -4;

impl FormatSpec {
    /// Reads a specification; the empty one changes nothing.
    ///
    /// # Errors
    /// It is no specification.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| {
            Error::input(format!("`{text}` is no format: {what}"))
                .hint("formats are written as in Python: `.2f`, `.3e`, `.4g`, `.1%`, `,d`, `>10`, `08.3f`")
        };
        let mut spec = FormatSpec::default();
        let mut rest: &[char] = &text.chars().collect::<Vec<_>>();
        if let [fill, align, ..] = rest
            && let Some(align) = alignment(*align)
        {
            (spec.fill, spec.align) = (Some(*fill), Some(align));
            rest = &rest[2..];
        } else if let Some(align) = rest.first().and_then(|first| alignment(*first)) {
            spec.align = Some(align);
            rest = &rest[1..];
        }
        spec.sign = match take(&mut rest, &['+', '-', ' ']) {
            Some('+') => Sign::Plus,
            Some(' ') => Sign::Space,
            _ => Sign::Minus,
        };
        spec.alternate = take(&mut rest, &['#']).is_some();
        if take(&mut rest, &['0']).is_some() {
            spec.fill = spec.fill.or(Some('0'));
            spec.align = spec.align.or(Some(Align::AfterSign));
        }
        spec.width = number(&mut rest).unwrap_or(0);
        spec.grouping = take(&mut rest, &[',', '_']);
        if take(&mut rest, &['.']).is_some() {
            let precision =
                number(&mut rest).ok_or_else(|| wrong("digits are missing after the point".into()))?;
            spec.precision = Some(precision);
        }
        if spec.width > MOST || spec.precision.is_some_and(|digits| digits > MOST) {
            return Err(wrong(format!("width and precision are at most {MOST}")));
        }
        spec.kind = rest.first().copied();
        if rest.len() > 1 {
            return Err(wrong(format!(
                "`{}` is too much",
                rest.iter().collect::<String>()
            )));
        }
        match spec.kind {
            Some(kind) if !"sdxXobfFeEgG%".contains(kind) => Err(wrong(format!("there is no type `{kind}`"))),
            _ => Ok(spec),
        }
    }

    /// Writes a float.
    ///
    /// # Errors
    /// The specification is one of whole numbers or of texts.
    pub fn float(&self, value: f64) -> Result<String> {
        let size = value.abs();
        let digits = match self.kind {
            _ if !value.is_finite() => if value.is_nan() { "nan" } else { "inf" }.to_string(),
            Some('f' | 'F') => format!("{size:.*}", self.precision.unwrap_or(6)),
            Some('e' | 'E') => scientific(size, self.precision.unwrap_or(6)),
            Some('g' | 'G') => self.general(size, self.precision.unwrap_or(6), false),
            Some('%') => format!("{:.*}", self.precision.unwrap_or(6), size * 100.0),
            None => match self.precision {
                Some(precision) => self.general(size, precision, true),
                None => shortest(size),
            },
            Some(kind) => return Err(unfit(kind, "a float", "f, e, g or %")),
        };
        let mut digits = if matches!(self.kind, Some('F' | 'E' | 'G')) {
            digits.to_uppercase()
        } else {
            digits
        };
        if self.kind == Some('%') {
            digits.push('%');
        }
        let negative = value.is_sign_negative() && !value.is_nan();
        Ok(self.number(negative, "", &digits))
    }

    /// Writes a whole number.
    ///
    /// # Errors
    /// The specification is one of texts, or gives a whole number a precision.
    pub fn integer(&self, value: i64) -> Result<String> {
        let size = value.unsigned_abs();
        let (prefix, digits) = match self.kind {
            Some('f' | 'F' | 'e' | 'E' | 'g' | 'G' | '%') => return self.float(value as f64),
            None | Some('d') => ("", size.to_string()),
            Some('x') => ("0x", format!("{size:x}")),
            Some('X') => ("0X", format!("{size:X}")),
            Some('o') => ("0o", format!("{size:o}")),
            Some('b') => ("0b", format!("{size:b}")),
            Some(kind) => return Err(unfit(kind, "a whole number", "d, x, o, b, f, e, g or %")),
        };
        if self.precision.is_some() {
            return Err(Error::input("a whole number has no digits after the point")
                .hint("write `.2f` for a whole number with two zeros after the point"));
        }
        let prefix = if self.alternate { prefix } else { "" };
        Ok(self.number(value < 0, prefix, &digits))
    }

    /// Writes a text, cut to the precision where there is one.
    ///
    /// # Errors
    /// The specification is one of numbers.
    pub fn text(&self, value: &str) -> Result<String> {
        let only_numbers =
            self.sign != Sign::Minus || self.grouping.is_some() || self.align == Some(Align::AfterSign);
        match self.kind {
            None | Some('s') if !only_numbers => {}
            kind => return Err(unfit(kind.unwrap_or('d'), "a text", "s")),
        }
        let shown: String = match self.precision {
            Some(most) => value.chars().take(most).collect(),
            None => value.to_string(),
        };
        Ok(self.padded("", &shown, Align::Left))
    }

    /// `%.{precision}g` of C: so many significant digits, without zeros at the end. With `point`, one digit after it
    /// stays, and numbers that need all their digits go over to exponents one digit earlier, as Python's `str` has it.
    fn general(&self, size: f64, precision: usize, point: bool) -> String {
        let precision = precision.max(1);
        let exponent: i32 = exponent_of(size, precision);
        let most = precision as i32 - i32::from(point);
        if exponent < SMALLEST_PLAIN || exponent >= most {
            let text = scientific(size, precision - 1);
            let (digits, power) = text.split_once('e').unwrap_or((&text, "+00"));
            return format!("{}e{power}", self.trimmed(digits));
        }
        let after = (precision as i32 - 1 - exponent).max(0) as usize;
        let text = self.trimmed(&format!("{size:.after$}"));
        if point && !text.contains('.') {
            text + ".0"
        } else {
            text
        }
    }

    /// Without zeros at the end, where no `#` asks for them.
    fn trimmed(&self, digits: &str) -> String {
        if self.alternate || !digits.contains('.') {
            return digits.to_string();
        }
        digits.trim_end_matches('0').trim_end_matches('.').to_string()
    }

    fn number(&self, negative: bool, prefix: &str, digits: &str) -> String {
        let sign = match self.sign {
            _ if negative => "-",
            Sign::Minus => "",
            Sign::Plus => "+",
            Sign::Space => " ",
        };
        let lead = format!("{sign}{prefix}");
        let zeros = self.fill == Some('0') && self.align == Some(Align::AfterSign);
        let least = if zeros {
            self.width.saturating_sub(lead.len())
        } else {
            0
        };
        self.padded(&lead, &self.grouped(digits, least), Align::Right)
    }

    /// The digits before the point in groups of three (four for other bases), filled with zeros to `least` characters.
    fn grouped(&self, digits: &str, least: usize) -> String {
        let Some(separator) = self.grouping else {
            return digits.to_string();
        };
        let group = if matches!(self.kind, Some('x' | 'X' | 'o' | 'b')) {
            4
        } else {
            3
        };
        let hexadecimal = matches!(self.kind, Some('x' | 'X'));
        let is_digit = |c: char| c.is_ascii_digit() || hexadecimal && c.is_ascii_hexdigit();
        let end = digits.find(|c| !is_digit(c)).unwrap_or(digits.len());
        let (mut whole, rest) = (digits[..end].to_string(), &digits[end..]);
        loop {
            let mut text = String::new();
            for (index, digit) in whole.chars().enumerate() {
                if index > 0 && (whole.len() - index).is_multiple_of(group) {
                    text.push(separator);
                }
                text.push(digit);
            }
            if whole.is_empty() || text.len() + rest.len() >= least {
                return text + rest;
            }
            whole.insert(0, '0');
        }
    }

    fn padded(&self, lead: &str, text: &str, usual: Align) -> String {
        let missing = self
            .width
            .saturating_sub(lead.chars().count() + text.chars().count());
        let fill = |count: usize| self.fill.unwrap_or(' ').to_string().repeat(count);
        match self.align.unwrap_or(usual) {
            Align::Left => format!("{lead}{text}{}", fill(missing)),
            Align::Right => format!("{}{lead}{text}", fill(missing)),
            Align::AfterSign => format!("{lead}{}{text}", fill(missing)),
            Align::Centre => format!("{}{lead}{text}{}", fill(missing / 2), fill(missing - missing / 2)),
        }
    }
}

fn alignment(sign: char) -> Option<Align> {
    Some(match sign {
        '<' => Align::Left,
        '>' => Align::Right,
        '^' => Align::Centre,
        '=' => Align::AfterSign,
        _ => return None,
    })
}

fn take(rest: &mut &[char], allowed: &[char]) -> Option<char> {
    let first = *rest.first().filter(|first| allowed.contains(first))?;
    *rest = &rest[1..];
    Some(first)
}

fn number(rest: &mut &[char]) -> Option<usize> {
    let length = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    let digits: String = rest[..length].iter().collect();
    *rest = &rest[length..];
    (length > 0).then(|| digits.parse().unwrap_or(usize::MAX))
}

/// `1.500000e-07`, with two digits of exponent at least.
fn scientific(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// The decimal exponent of `size` rounded to so many significant digits.
fn exponent_of(size: f64, precision: usize) -> i32 {
    let text = format!("{size:.*e}", precision - 1);
    text.split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0)
}

/// The fewest digits that are read back as the same number, as Python's `str` writes them.
fn shortest(size: f64) -> String {
    let text = format!("{size:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (SMALLEST_PLAIN..16).contains(&exponent) {
        let plain = format!("{size}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn unfit(kind: char, what: &str, fitting: &str) -> Error {
    Error::input(format!("the format `{kind}` does not fit {what}"))
        .hint(format!("types that fit: {fitting}"))
}

#[cfg(test)]
mod tests;
