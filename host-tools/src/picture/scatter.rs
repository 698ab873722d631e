//! Points of a plane, each drawn as the digit that it stands for, in that digit's colour.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::artifact;

/// Pixels of a panel's side, between panels, and of one dot of a glyph.
const SIDE: usize = 400;
const MARGIN: usize = 8;
const DOT: usize = 2;

/// Rows of three dots, the most significant bit on the left.
const GLYPHS: [[u8; 5]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// A colour a digit, then that of the panels and that around them.
const PALETTE: [[u8; 3]; 12] = [
    [31, 119, 180],
    [214, 39, 40],
    [44, 160, 44],
    [255, 127, 14],
    [148, 103, 189],
    [140, 86, 75],
    [227, 119, 194],
    [90, 90, 90],
    [160, 160, 20],
    [23, 170, 190],
    [255, 255, 255],
    [96, 96, 96],
];
const PANEL: u8 = 10;
const FRAME: u8 = 11;

/// Writes panels of points side by side, each scaled to its own range: `points` are pairs, `labels` digits.
///
/// # Errors
///
/// A label above 9; a panel of other points than labels; the file cannot be written.
pub fn write_scatter(path: &Path, panels: &[&[Vec<f64>]], labels: &[u8]) -> Result<()> {
    let width = panels.len() * (SIDE + MARGIN) + MARGIN;
    let height = SIDE + 2 * MARGIN;
    let mut pixels = vec![FRAME; width * height];
    for (at, points) in panels.iter().enumerate() {
        ensure!(
            points.len() == labels.len() && points.iter().all(|p| p.len() == 2),
            "a panel needs a pair of numbers for each of {} labels",
            labels.len()
        );
        let left = MARGIN + at * (SIDE + MARGIN);
        for row in pixels.chunks_exact_mut(width).skip(MARGIN).take(SIDE) {
            row[left..left + SIDE].fill(PANEL);
        }
        let [x, y] = [0, 1].map(|axis| Axis::of(points.iter().map(|point| point[axis])));
        for (point, &label) in points.iter().zip(labels) {
            let glyph = GLYPHS
                .get(usize::from(label))
                .with_context(|| format!("{label} is no digit"))?;
            let column = left + x.pixel(point[0], 3 * DOT);
            // Up is more.
            let top = MARGIN + (SIDE - 5 * DOT) - y.pixel(point[1], 5 * DOT);
            for (dy, dots) in glyph.iter().enumerate() {
                for dx in (0..3).filter(|dx| dots >> (2 - dx) & 1 == 1) {
                    for line in 0..DOT {
                        let start = (top + dy * DOT + line) * width + column + dx * DOT;
                        pixels[start..start + DOT].fill(label);
                    }
                }
            }
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(PALETTE.as_flattened());
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().context("no picture")?;
    writer.write_image_data(&pixels).context("no picture")?;
    writer.finish().context("no picture")?;
    artifact::write(path, &bytes)
}

/// From a range of numbers to the pixels of a panel.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// The range that leaves out a hundredth of the values at either end: those are drawn at the border.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let cut = values.len() / 100;
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        Self {
            low: at(cut),
            high: at(values.len().saturating_sub(1 + cut)),
        }
    }

    /// The first pixel of a glyph of `size` pixels.
    fn pixel(&self, value: f64, size: usize) -> usize {
        let place = (value - self.low) / (self.high - self.low).max(f64::MIN_POSITIVE);
        // Float casts saturate; a NaN becomes 0.
        (place.clamp(0.0, 1.0) * (SIDE - size) as f64).round() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_within_their_panel() {
        let axis = Axis::of([-1.0, 0.0, 3.0].into_iter());
        assert_eq!(axis.pixel(-1.0, 10), 0);
        assert_eq!(axis.pixel(3.0, 10), SIDE - 10);
        assert_eq!(axis.pixel(99.0, 10), SIDE - 10);
        assert_eq!(Axis::of([2.0].into_iter()).pixel(2.0, 10), 0);
    }

    #[test]
    fn a_picture_is_written_and_a_letter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes.png");
        let points = vec![vec![0.0, 1.0], vec![1.0, 0.0]];
        write_scatter(&path, &[&points, &points], &[3, 9]).unwrap();
        let mut reader =
            png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&path).unwrap()))
                .read_info()
                .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert!(pixels.contains(&3) && pixels.contains(&9) && !pixels.contains(&4));
        assert!(write_scatter(&path, &[&points], &[3, 65]).is_err());
        assert!(write_scatter(&path, &[&points], &[3]).is_err());
    }
}
