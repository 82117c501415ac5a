//! Matrices and pictures: two pixels, one above the other, to a letter.

use super::{Plot, RESET, Size, range};

/// A picture, line by line.
#[derive(Clone, Debug)]
pub struct Pixels {
    /// Pixels in a line.
    pub width: usize,
    /// The numbers: one a pixel, or three of red, green and blue.
    pub numbers: Vec<f64>,
    /// Are there three numbers a pixel?
    pub is_rgb: bool,
}

/// From dark to light, where there are no colours.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
/// From low to high: violet over green to yellow, by eyes of any kind in order (viridis of matplotlib, at five places).
const RAMP: [[f64; 3]; 5] = [
    [68.0, 1.0, 84.0],
    [59.0, 82.0, 139.0],
    [33.0, 145.0, 140.0],
    [94.0, 201.0, 98.0],
    [253.0, 231.0, 37.0],
];
/// Where there is no number.
const NOTHING: [f64; 3] = [128.0, 128.0, 128.0];

/// Returns the picture, made smaller until it fits; the lowest number is darkest. `None` where no number is finite.
pub fn image(pixels: &Pixels, most: Size) -> Option<Plot> {
    let (low, high) = range(pixels.numbers.iter().copied())?;
    let channels = if pixels.is_rgb { 3 } else { 1 };
    let height = pixels.numbers.len() / channels / pixels.width;
    let shrink = (pixels.width.div_ceil(most.width))
        .max(height.div_ceil(2 * most.height))
        .max(1);
    let (columns, rows) = (pixels.width.div_ceil(shrink), height.div_ceil(shrink));
    let span = if high > low { high - low } else { 1.0 };
    // The mean of the pixels that become one, from 0 to 1 in each channel.
    let shares = |row: usize, column: usize| -> Vec<f64> {
        let mean = |channel: usize| {
            let lines = row * shrink..((row + 1) * shrink).min(height);
            let all = lines.flat_map(|y| {
                let across = column * shrink..((column + 1) * shrink).min(pixels.width);
                across.map(move |x| pixels.numbers[(y * pixels.width + x) * channels + channel])
            });
            let (sum, count) = all.fold((0.0, 0.0), |(sum, count), number| (sum + number, count + 1.0));
            (sum / count - low) / span
        };
        (0..channels).map(mean).collect()
    };
    let (mut plain, mut coloured) = (Vec::new(), Vec::new());
    for row in (0..rows).step_by(2) {
        let (mut letters, mut painted) = (String::new(), String::new());
        for column in 0..columns {
            let upper = shares(row, column);
            let lower = (row + 1 < rows).then(|| shares(row + 1, column));
            letters.push(shade(&upper, lower.as_deref()));
            painted += &letter(&upper, lower.as_deref());
        }
        plain.push(letters.trim_end().to_string());
        coloured.push(painted + RESET);
    }
    Some(Plot {
        plain: plain.join("\n"),
        coloured: coloured.join("\n"),
    })
}

fn shade(upper: &[f64], lower: Option<&[f64]>) -> char {
    let all: Vec<f64> = upper.iter().chain(lower.unwrap_or_default()).copied().collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    if mean.is_finite() {
        SHADES[(mean * (SHADES.len() - 1) as f64).round() as usize]
    } else {
        '?'
    }
}

fn letter(upper: &[f64], lower: Option<&[f64]>) -> String {
    let [r, g, b] = colour(upper);
    let above = format!("\x1b[38;2;{r};{g};{b}m");
    match lower.map(colour) {
        Some([r, g, b]) => format!("{above}\x1b[48;2;{r};{g};{b}m▀"),
        None => format!("{RESET}{above}▀"),
    }
}

fn colour(shares: &[f64]) -> [u8; 3] {
    let colour = match shares {
        [red, green, blue] => [red, green, blue].map(|share| share * 255.0),
        [share, ..] if share.is_finite() => {
            let place = share * (RAMP.len() - 1) as f64;
            let below = (place as usize).min(RAMP.len() - 2);
            std::array::from_fn(|channel| {
                let (from, to) = (RAMP[below][channel], RAMP[below + 1][channel]);
                from + (to - from) * (place - below as f64)
            })
        }
        _ => NOTHING,
    };
    colour.map(|channel| {
        if channel.is_finite() {
            channel.round() as u8
        } else {
            NOTHING[0] as u8
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_made_smaller_and_shaded() {
        let pixels = Pixels {
            width: 4,
            numbers: (0..16).map(f64::from).collect(),
            is_rgb: false,
        };
        let plot = image(&pixels, Size { width: 8, height: 8 }).expect("there are numbers");
        let wanted = ["░░░░", "▓▓▓▓"].map(str::to_string);
        assert_eq!(plot.plain.lines().map(str::to_string).collect::<Vec<_>>(), wanted);
        let small = image(&pixels, Size { width: 2, height: 1 }).expect("there are numbers");
        assert_eq!(small.plain, "▒▒");
        assert!(small.coloured.contains("▀"), "{}", small.coloured);
    }

    #[test]
    fn pixels_without_a_number_are_grey_and_colours_stay_themselves() {
        assert_eq!(colour(&[f64::NAN]), [128, 128, 128]);
        assert_eq!(colour(&[0.0]), [68, 1, 84]);
        assert_eq!(colour(&[1.0]), [253, 231, 37]);
        assert_eq!(colour(&[1.0, 0.0, 0.5]), [255, 0, 128]);
    }
}
