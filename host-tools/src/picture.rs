//! Small grey images: on the terminal and as PNG.

mod scatter;

use std::path::Path;

use anyhow::{Context, Result};

pub use scatter::write_scatter;

use crate::artifact;

/// A grey image, shades 0..=1, row by row.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Pixels a row.
    pub width: usize,
    /// Shades.
    pub shades: Vec<f64>,
}

impl Picture {
    fn height(&self) -> usize {
        self.shades.len() / self.width
    }

    fn shade(&self, x: usize, y: usize) -> f64 {
        self.shades[y * self.width + x].clamp(0.0, 1.0)
    }
}

/// Pictures of one size side by side as lines of text, two characters a pixel.
#[must_use]
pub fn side_by_side(pictures: &[Picture]) -> Vec<String> {
    const SHADES: [&str; 5] = ["  ", "░░", "▒▒", "▓▓", "██"];
    let height = pictures.iter().map(Picture::height).max().unwrap_or(0);
    (0..height)
        .map(|y| {
            let lines = pictures.iter().map(|picture| {
                let pixels = (0..picture.width)
                    .map(|x| SHADES[((picture.shade(x, y) * 4.0).round()) as usize]);
                pixels.collect::<String>()
            });
            lines.collect::<Vec<_>>().join("  ")
        })
        .collect()
}

/// Writes rows of pictures as one PNG, each pixel `zoom` pixels wide.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_grid(path: &Path, rows: &[Vec<Picture>], zoom: usize) -> Result<()> {
    const GAP: usize = 8;
    let first = rows
        .iter()
        .flatten()
        .next()
        .context("there is nothing to draw")?;
    let (cell_w, cell_h) = (first.width * zoom + GAP, first.height() * zoom + GAP);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let (width, height) = (columns * cell_w + GAP, rows.len() * cell_h + GAP);
    let mut shades = vec![96u8; width * height];
    for (r, row) in rows.iter().enumerate() {
        for (c, picture) in row.iter().enumerate() {
            for y in 0..picture.height() * zoom {
                for x in 0..picture.width * zoom {
                    let at = (GAP + r * cell_h + y) * width + GAP + c * cell_w + x;
                    shades[at] = (picture.shade(x / zoom, y / zoom) * 255.0) as u8;
                }
            }
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().context("no picture")?;
    writer.write_image_data(&shades).context("no picture")?;
    writer.finish().context("no picture")?;
    artifact::write(path, &bytes)
}
