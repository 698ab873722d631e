//! How close one set of values comes to another.

/// `mean((a - b)^2)`, over as many values as both have.
#[must_use]
pub fn mean_squared_error(reference: &[f64], output: &[f64]) -> f64 {
    let count = reference.len().min(output.len());
    let sum: f64 = reference
        .iter()
        .zip(output)
        .map(|(a, b)| (a - b) * (a - b))
        .sum();
    sum / count as f64
}

/// Peak signal-to-noise ratio over all values at once: `10 log10(peak^2 / mean((a - b)^2))` in decibels.
///
/// `peak` is the span of the reference's range, 1 for images in [0, 1]; clip `output` to that range
/// before if the device does.
///
/// # Examples
///
/// ```
/// let psnr = autodidact_tools::oracle::psnr_db(&[0.0, 1.0], &[0.1, 0.9], 1.0);
/// assert!((psnr - 20.0).abs() < 1e-9);
/// ```
#[must_use]
pub fn psnr_db(reference: &[f64], output: &[f64], peak: f64) -> f64 {
    10.0 * (peak * peak / mean_squared_error(reference, output)).log10()
}
