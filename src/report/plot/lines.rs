//! Curves on a raster of dots: two columns and four rows of them to a letter (Braille patterns of Unicode).

use super::{COLOURS, Plot, RESET, Size, range};
use crate::report::format::metric;

/// One curve. Points with a number that is not finite are left out.
#[derive(Clone, Debug)]
pub struct Line {
    /// What the legend calls it; the legend is left out where a single line has no name.
    pub name: String,
    /// Where each point is, and how high.
    pub points: Vec<(f64, f64)>,
    /// Is each point joined with the one before?
    pub joined: bool,
}

/// The bits of the dots in a letter, by row and column.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// What marks the lines where they cannot have colours and are several.
const MARKS: [char; 6] = ['●', '×', '+', '○', '▲', '◆'];

/// Returns the lines in one frame, with the ends of both axes written beside it; `None` where no point is finite.
pub fn lines(lines: &[Line], title: &str, size: Size) -> Option<Plot> {
    let points = || {
        lines
            .iter()
            .flat_map(|line| &line.points)
            .filter(|(x, y)| x.is_finite() && y.is_finite())
    };
    let xs = widened(range(points().map(|(x, _)| *x))?);
    let ys = widened(range(points().map(|(_, y)| *y))?);
    let mut raster = Raster::new(size);
    for (index, line) in lines.iter().enumerate() {
        let mut before = None;
        for (x, y) in &line.points {
            let here = (x.is_finite() && y.is_finite()).then(|| raster.dot(share(*x, xs), share(*y, ys)));
            if let Some(to) = here {
                raster.draw(before.unwrap_or(to), to, index);
            }
            before = here.filter(|_| line.joined);
        }
    }
    let frame = Frame { xs, ys, title };
    Some(Plot {
        plain: frame.around(&raster, lines, false),
        coloured: frame.around(&raster, lines, true),
    })
}

/// A range with some extent.
fn widened((low, high): (f64, f64)) -> (f64, f64) {
    if high > low {
        (low, high)
    } else {
        (low - 0.5, high + 0.5)
    }
}

fn share(number: f64, (low, high): (f64, f64)) -> f64 {
    (number - low) / (high - low)
}

struct Raster {
    size: Size,
    /// Dots of each letter, line by line, and the line that was drawn there last.
    cells: Vec<(u8, usize)>,
}

impl Raster {
    fn new(size: Size) -> Self {
        Raster {
            size,
            cells: vec![(0, 0); size.width * size.height],
        }
    }

    /// The dot at these shares of the width and, from below, of the height.
    fn dot(&self, x: f64, y: f64) -> (i64, i64) {
        let place = |share: f64, dots: usize| (share.clamp(0.0, 1.0) * (dots - 1) as f64).round() as i64;
        (
            place(x, 2 * self.size.width),
            place(1.0 - y, 4 * self.size.height),
        )
    }

    /// A straight line of dots.
    fn draw(&mut self, from: (i64, i64), to: (i64, i64), line: usize) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).max(1);
        for step in 0..=steps {
            let at = |a: i64, b: i64| a + ((b - a) as f64 * step as f64 / steps as f64).round() as i64;
            let (x, y) = (at(from.0, to.0) as usize, at(from.1, to.1) as usize);
            let cell = &mut self.cells[(y / 4) * self.size.width + x / 2];
            *cell = (cell.0 | DOTS[y % 4][x % 2], line);
        }
    }

    /// The letters of a line of the raster.
    fn row(&self, row: usize, coloured: bool, marked: bool) -> String {
        let cells = &self.cells[row * self.size.width..(row + 1) * self.size.width];
        let mut text = String::new();
        for (dots, line) in cells {
            let letter = char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' ');
            match (*dots, coloured) {
                (0, _) => text.push(' '),
                (_, true) => text += &format!("{}{letter}{RESET}", COLOURS[line % COLOURS.len()]),
                (_, false) if marked => text.push(MARKS[line % MARKS.len()]),
                (_, false) => text.push(letter),
            }
        }
        text
    }
}

struct Frame<'a> {
    xs: (f64, f64),
    ys: (f64, f64),
    title: &'a str,
}

impl Frame<'_> {
    /// Half-way up; 0 where it is nothing beside the ends.
    fn middle(&self) -> f64 {
        let middle = (self.ys.0 + self.ys.1) / 2.0;
        if middle.abs() < 1e-3 * (self.ys.1 - self.ys.0) {
            0.0
        } else {
            middle
        }
    }

    fn around(&self, raster: &Raster, lines: &[Line], coloured: bool) -> String {
        let Size { width, height } = raster.size;
        let label = |row: usize| match row {
            0 => metric(self.ys.1),
            _ if row + 1 == height => metric(self.ys.0),
            _ if height > 6 && row == height / 2 => metric(self.middle()),
            _ => String::new(),
        };
        let margin = (0..height)
            .map(|row| label(row).chars().count())
            .max()
            .unwrap_or(0);
        let mut text = Vec::new();
        if !self.title.is_empty() {
            text.push(format!("{:margin$}  {}", "", self.title));
        }
        for row in 0..height {
            let dots = raster.row(row, coloured, lines.len() > 1);
            text.push(format!("{:>margin$} │{dots}", label(row)).trim_end().to_string());
        }
        text.push(format!("{:margin$} └{}", "", "─".repeat(width)));
        let (low, high) = (metric(self.xs.0), metric(self.xs.1));
        let gap = width.saturating_sub(low.chars().count() + high.chars().count());
        text.push(format!("{:margin$}  {low}{:gap$}{high}", "", ""));
        if lines.len() > 1 || lines.iter().any(|line| !line.name.is_empty()) {
            let names = lines.iter().enumerate().map(|(index, line)| match coloured {
                true => format!("{}━━{RESET} {}", COLOURS[index % COLOURS.len()], line.name),
                false if lines.len() > 1 => format!("{} {}", MARKS[index % MARKS.len()], line.name),
                false => line.name.clone(),
            });
            text.push(format!(
                "{:margin$}  {}",
                "",
                names.collect::<Vec<_>>().join("   ")
            ));
        }
        text.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 4, height: 2 };

    fn line(name: &str, ys: &[f64]) -> Line {
        let points = ys.iter().enumerate().map(|(x, y)| (x as f64, *y));
        Line {
            name: name.into(),
            points: points.collect(),
            joined: true,
        }
    }

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        let plot = lines(&[line("", &[0.0, 7.0])], "loss", SIZE).expect("there are points");
        let wanted = "        loss\n7.0000 │  ⡠⠊\n     0 │⡠⠊\n       └────\n        01.0000";
        assert_eq!(plot.plain, wanted);
        assert!(plot.coloured.contains("\x1b[36m"));
    }

    #[test]
    fn points_that_are_not_joined_stand_alone() {
        let mut points = line("", &[0.0, 7.0]);
        points.joined = false;
        let plot = lines(&[points], "", SIZE).expect("there are points");
        assert_eq!(plot.plain.lines().next(), Some("7.0000 │   ⠈"));
        assert_eq!(plot.plain.lines().nth(1), Some("     0 │⡀"));
    }

    #[test]
    fn gaps_stay_open_and_lines_are_told_apart() {
        let plot = lines(
            &[line("a", &[1.0, f64::NAN, 1.0]), line("b", &[0.0, 0.0, 0.0])],
            "",
            SIZE,
        );
        let plot = plot.expect("there are points").plain;
        assert!(
            plot.contains("│●  ●") && plot.contains("│××××") && plot.ends_with("● a   × b"),
            "{plot}"
        );
        assert!(lines(&[line("a", &[f64::NAN])], "", SIZE).is_none());
    }
}
