//! `plot::`: small plots for the terminal. A session shows them with their colours, `print` without.

use rhai::plugin::*;
use rhai::{Dynamic, Map, Module};

use super::tensor::{Options, from_dynamic, input_error};
use crate::error::{Error, Result};
use crate::report::plot::{self, Line, Pixels, Plot, Size};
use crate::report::visible;
use crate::script::failure::{Raise, RhaiResultOf, placed};
use crate::script::guard;
use crate::tensor::{Device, Kind, Tensor};

/// Where nothing else is asked for.
const SIZE: Size = Size {
    width: 70,
    height: 14,
};
/// As large as any terminal.
const MOST: usize = 1000;
const BINS: usize = 12;

/// Puts the object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<Plot>(
        "Plot",
        &["/// A plot in letters, as the functions of `plot::` make it. `print` writes it; a session shows it with colours."],
    );
    combine_with_exported_module!(module, "plots", methods);
    guard::protect(module, &methods::RHAI_MANIFEST);
}

/// Numbers as float64 on the CPU, in the shape that they are given in.
fn tensor_of(value: &Dynamic) -> Result<Tensor> {
    from_dynamic(value, &Options::new(Some(Kind::Double), Device::Cpu))
}

fn numbers(value: &Dynamic) -> Result<Vec<f64>> {
    let flat = tensor_of(value)?.f_flatten(0, -1).map_err(input_error)?;
    Vec::<f64>::try_from(flat).map_err(input_error)
}

/// What may be said of a plot.
struct Settings {
    size: Size,
    title: String,
    bins: usize,
    x: Option<Vec<f64>>,
}

impl Settings {
    fn of(given: &Map, known: &[&str]) -> Result<Self> {
        let mut settings = Settings {
            size: SIZE,
            title: String::new(),
            bins: BINS,
            x: None,
        };
        for (name, value) in given {
            if !known.contains(&name.as_str()) {
                return Err(Error::unknown_key("argument", name, known));
            }
            let whole = || {
                let number = value
                    .as_int()
                    .ok()
                    .and_then(|number| usize::try_from(number).ok());
                number
                    .filter(|number| (1..=MOST).contains(number))
                    .ok_or_else(|| {
                        Error::input(format!(
                            "expected a number from 1 to {MOST}, but was given {value}"
                        ))
                        .under(name.as_str())
                    })
            };
            match name.as_str() {
                "width" => settings.size.width = whole()?,
                "height" => settings.size.height = whole()?,
                "bins" => settings.bins = whole()?,
                "x" => settings.x = Some(numbers(value)?),
                _ => settings.title = visible(&value.to_string()).into_owned(),
            }
        }
        Ok(settings)
    }

    /// The heights as points, above the places that were given or above 0, 1, 2 …
    fn line(&self, name: &str, heights: Vec<f64>) -> Result<Line> {
        let places = match &self.x {
            Some(x) if x.len() != heights.len() => {
                let sentence = format!("`x` has {} numbers, and the line has {}", x.len(), heights.len());
                return Err(Error::input(sentence).hint("give one place for each number"));
            }
            Some(x) => x.clone(),
            None => (0..heights.len()).map(|index| index as f64).collect(),
        };
        Ok(Line {
            name: visible(name).into_owned(),
            points: places.into_iter().zip(heights).collect(),
            joined: true,
        })
    }

    /// A line of numbers, or one of its own places: `#{ x, y }`, `#{ x, y, joined: false }`.
    fn named_line(&self, name: &str, values: &Dynamic) -> Result<Line> {
        let Some(parts) = values.read_lock::<Map>() else {
            return self.line(name, numbers(values)?);
        };
        let known = ["x", "y", "joined"];
        if let Some(other) = parts.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(Error::unknown_key("argument", other, &known).under(name));
        }
        let part = |key: &str| {
            let missing = || {
                Error::input(format!("a line of its own places needs `{key}`"))
                    .hint("write `#{ x: […], y: […] }`")
            };
            numbers(parts.get(key).ok_or_else(missing)?)
        };
        let own = Settings {
            x: Some(part("x")?),
            title: String::new(),
            ..*self
        };
        let mut line = own.line(name, part("y")?)?;
        line.joined = parts
            .get("joined")
            .is_none_or(|joined| joined.as_bool() != Ok(false));
        Ok(line)
    }
}

fn nothing() -> Error {
    Error::input("there is nothing to draw: no number is finite")
}

fn lines_of(values: &Dynamic, options: &Map) -> Result<Plot> {
    let settings = Settings::of(options, &["title", "width", "height", "x"])?;
    let lines = match values.read_lock::<Map>() {
        Some(named) => {
            let each = named
                .iter()
                .map(|(name, values)| settings.named_line(name, values));
            each.collect::<Result<Vec<_>>>()?
        }
        None => vec![settings.line("", numbers(values)?)?],
    };
    plot::lines(&lines, &settings.title, settings.size).ok_or_else(nothing)
}

fn bars_of(values: &Dynamic, options: &Map) -> Result<Plot> {
    let settings = Settings::of(options, &["title", "width"])?;
    let named: Vec<(String, f64)> = match values.read_lock::<Map>() {
        Some(named) => {
            let one = |value: &Dynamic| {
                let all = numbers(value)?;
                all.first()
                    .copied()
                    .filter(|_| all.len() == 1)
                    .ok_or_else(|| Error::input("a bar is one number"))
            };
            let each = named
                .iter()
                .map(|(name, value)| Ok((visible(name).into_owned(), one(value)?)));
            each.collect::<Result<_>>()?
        }
        None => numbers(values)?
            .into_iter()
            .enumerate()
            .map(|(index, number)| (index.to_string(), number))
            .collect(),
    };
    Ok(titled(
        plot::bars(&named, settings.size.width.min(50)),
        &settings.title,
    ))
}

fn histogram_of(values: &Dynamic, options: &Map) -> Result<Plot> {
    let settings = Settings::of(options, &["title", "width", "bins"])?;
    let found = plot::histogram(&numbers(values)?, settings.bins, settings.size.width.min(50));
    Ok(titled(found.ok_or_else(nothing)?, &settings.title))
}

fn image_of(values: &Dynamic, options: &Map) -> Result<Plot> {
    let mut settings = Settings::of(options, &["title", "width", "height"])?;
    if !options.contains_key("height") {
        settings.size.height = 24;
    }
    let tensor = tensor_of(values)?;
    let shape = tensor.size();
    let (tensor, width, is_rgb) = match shape[..] {
        [_, width] => (tensor, width, false),
        [3, _, width] => (tensor.f_permute([1, 2, 0]).map_err(input_error)?, width, true),
        [_, width, 3] => (tensor, width, true),
        _ => {
            let sentence = format!(
                "an image has two dimensions, or three with 3 colours first or last, but was given {shape:?}"
            );
            return Err(Error::input(sentence).hint("take one matrix: `x[0]`, or `x.mean(0)`"));
        }
    };
    let flat = tensor
        .f_contiguous()
        .and_then(|tensor| tensor.f_flatten(0, -1))
        .map_err(input_error)?;
    let pixels = Pixels {
        width: usize::try_from(width).unwrap_or(0).max(1),
        numbers: Vec::<f64>::try_from(flat).map_err(input_error)?,
        is_rgb,
    };
    let found = plot::image(&pixels, settings.size);
    Ok(titled(found.ok_or_else(nothing)?, &settings.title))
}

fn titled(plot: Plot, title: &str) -> Plot {
    if title.is_empty() {
        return plot;
    }
    Plot {
        plain: format!("{title}\n{}", plot.plain),
        coloured: format!("{title}\n{}", plot.coloured),
    }
}

/// Small plots in letters, for the terminal: lines, bars, histograms, images.
#[export_module(manifest)]
pub mod functions {
    /// Returns a line over the numbers of an array or a tensor; a map has a line for each key.
    #[rhai_fn(return_raw)]
    pub fn lines(context: NativeCallContext, values: Dynamic) -> RhaiResultOf<Plot> {
        placed(&context, || lines_of(&values, &Map::new()).raise())
    }

    /// Returns lines with options: `title`, `width` and `height` in letters, `x` (where the numbers are, instead of 0, 1,
    /// 2 …): `plot::lines(#{ train: a, eval: b }, #{ title: "loss" })`. A line with places of its own is a map of `x` and
    /// `y`, whose points stand alone with `joined: false`.
    #[rhai_fn(name = "lines", return_raw)]
    pub fn lines_with(context: NativeCallContext, values: Dynamic, options: Map) -> RhaiResultOf<Plot> {
        placed(&context, || lines_of(&values, &options).raise())
    }

    /// Returns a bar for each number of a map, an array or a tensor.
    #[rhai_fn(return_raw)]
    pub fn bars(context: NativeCallContext, values: Dynamic) -> RhaiResultOf<Plot> {
        placed(&context, || bars_of(&values, &Map::new()).raise())
    }

    /// Returns bars with options: `title`, `width` of the longest.
    #[rhai_fn(name = "bars", return_raw)]
    pub fn bars_with(context: NativeCallContext, values: Dynamic, options: Map) -> RhaiResultOf<Plot> {
        placed(&context, || bars_of(&values, &options).raise())
    }

    /// Returns how the numbers of an array or a tensor are distributed over equal ranges; what is not finite is left out.
    #[rhai_fn(return_raw)]
    pub fn histogram(context: NativeCallContext, values: Dynamic) -> RhaiResultOf<Plot> {
        placed(&context, || histogram_of(&values, &Map::new()).raise())
    }

    /// Returns a histogram with options: `bins`, `title`, `width` of the longest bar.
    #[rhai_fn(name = "histogram", return_raw)]
    pub fn histogram_with(context: NativeCallContext, values: Dynamic, options: Map) -> RhaiResultOf<Plot> {
        placed(&context, || histogram_of(&values, &options).raise())
    }

    /// Returns a matrix, e.g. an attention pattern, or a picture of three colours as an image, made smaller until it fits.
    #[rhai_fn(return_raw)]
    pub fn image(context: NativeCallContext, values: Dynamic) -> RhaiResultOf<Plot> {
        placed(&context, || image_of(&values, &Map::new()).raise())
    }

    /// Returns an image with options: `title`, `width` and `height` in letters, which it has at most.
    #[rhai_fn(name = "image", return_raw)]
    pub fn image_with(context: NativeCallContext, values: Dynamic, options: Map) -> RhaiResultOf<Plot> {
        placed(&context, || image_of(&values, &options).raise())
    }
}

#[export_module(manifest)]
mod methods {
    /// Returns the plot as text, without colours.
    #[rhai_fn(name = "to_string", name = "print", pure)]
    pub fn to_text(plot: &mut Plot) -> String {
        plot.plain.clone()
    }

    /// Returns how many lines the plot has, as it is shown among other values.
    #[rhai_fn(name = "to_debug", name = "debug", pure)]
    pub fn to_debug(plot: &mut Plot) -> String {
        format!("plot of {} lines", plot.plain.lines().count())
    }
}
