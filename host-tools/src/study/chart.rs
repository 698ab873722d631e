//! One series with its scores, the threshold and the labelled windows, as a PNG.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use autodidact::anomaly::Score;

use super::anomaly::{Series, Trace};
use crate::artifact;

const WIDTH: usize = 1200;
/// Height of one of the two panels.
const PANEL: usize = 240;
const MARGIN: usize = 16;
const HEIGHT: usize = 2 * PANEL + 3 * MARGIN;

/// Colours by index.
const PALETTE: [[u8; 3]; 6] = [
    [255, 255, 255],
    [224, 226, 230],
    [255, 214, 165],
    [28, 44, 84],
    [200, 30, 30],
    [120, 124, 132],
];
const WHITE: u8 = 0;
const LEARNED: u8 = 1;
const WINDOW: u8 = 2;
const LINE: u8 = 3;
const THRESHOLD: u8 = 4;
const FRAME: u8 = 5;

struct Canvas(Vec<u8>);

impl Canvas {
    fn fill(&mut self, columns: Range<usize>, rows: Range<usize>, colour: u8) {
        for row in rows {
            let line = &mut self.0[row * WIDTH..(row + 1) * WIDTH];
            line[columns.clone()].fill(colour);
        }
    }
}

/// The area between the margins, `points` wide.
struct Panel {
    top: usize,
    points: usize,
    low: f64,
    high: f64,
}

impl Panel {
    fn column(&self, point: usize) -> usize {
        MARGIN + point * (WIDTH - 2 * MARGIN - 1) / self.points
    }

    fn row(&self, value: f64) -> usize {
        let height = (value - self.low) / (self.high - self.low);
        self.top + ((1.0 - height.clamp(0.0, 1.0)) * (PANEL - 1) as f64).round() as usize
    }

    fn shade(&self, canvas: &mut Canvas, points: &Range<usize>, colour: u8) {
        let columns = self.column(points.start)..self.column(points.end) + 1;
        canvas.fill(columns, self.top..self.top + PANEL, colour);
    }

    /// Every value as a dot, joined to the one before by a vertical stroke; two pixels thick.
    fn draw(
        &self,
        canvas: &mut Canvas,
        from: usize,
        values: impl Iterator<Item = f64>,
        colour: u8,
    ) {
        let mut before = None;
        for (point, value) in (from..).zip(values) {
            let (column, row) = (self.column(point), self.row(value));
            let start = before.unwrap_or(row);
            let rows = start.min(row)..(start.max(row) + 2).min(self.top + PANEL);
            canvas.fill(column..column + 1, rows, colour);
            before = Some(row);
        }
    }

    fn frame(&self, canvas: &mut Canvas) {
        let (left, right) = (MARGIN - 1, WIDTH - MARGIN);
        let (top, bottom) = (self.top - 1, self.top + PANEL);
        canvas.fill(left..right + 1, top..top + 1, FRAME);
        canvas.fill(left..right + 1, bottom..bottom + 1, FRAME);
        canvas.fill(left..left + 1, top..bottom, FRAME);
        canvas.fill(right..right + 1, top..bottom, FRAME);
    }
}

fn range(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high.max(low + 1e-9))
}

/// Writes the picture: the series above, its scores on a logarithmic scale and the threshold below;
/// what was learned is grey, labelled windows are orange.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(path: &Path, series: &Series, trace: &Trace) -> Result<()> {
    let points = series.counts.len();
    let values: Vec<f64> = series.counts.iter().map(|&count| count.into()).collect();
    let all = trace.learned.iter().copied();
    let scores: Vec<Score> = all.chain(trace.judged.iter().map(|p| p.score)).collect();
    let least = scores.iter().min().copied().unwrap_or_default().to_u64();
    // From the smallest score on, in decades above a thousandth of the threshold's height.
    let highest = trace.judged.last().map_or(Score::MAX, |p| p.threshold);
    let unit = (highest.to_u64().saturating_sub(least) as f64 / 100.0).max(1.0);
    let decades = |score: Score| {
        let above = score.to_u64().saturating_sub(least) as f64;
        (above / unit + 1.0).log10()
    };
    let scores: Vec<f64> = scores.into_iter().map(decades).collect();
    let panel = |index: usize, (low, high): (f64, f64)| Panel {
        top: MARGIN + index * (PANEL + MARGIN),
        points,
        low,
        high,
    };
    let (above, below) = (panel(0, range(&values)), panel(1, range(&scores)));

    let mut canvas = Canvas(vec![WHITE; WIDTH * HEIGHT]);
    for panel in [&above, &below] {
        panel.shade(&mut canvas, &(0..series.mark()), LEARNED);
        for window in &series.windows {
            panel.shade(&mut canvas, window, WINDOW);
        }
        panel.frame(&mut canvas);
    }
    above.draw(&mut canvas, 0, values.into_iter(), LINE);
    let first = points - scores.len();
    below.draw(&mut canvas, first, scores.into_iter(), LINE);
    let thresholds = trace.judged.iter().map(|p| decades(p.threshold));
    below.draw(&mut canvas, series.mark(), thresholds, THRESHOLD);

    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(PALETTE.as_flattened());
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().context("no picture")?;
    writer.write_image_data(&canvas.0).context("no picture")?;
    writer.finish().context("no picture")?;
    artifact::write(path, &bytes)
}
