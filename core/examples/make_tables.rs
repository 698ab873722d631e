//! Prints `core/src/num/tables.rs`: `cargo run -p autodidact --example make_tables`.

use std::fmt::Write as _;

/// Upper-tail quantile of the standard normal distribution: `x` with `P(Z > x) = p`, by bisection.
fn normal_upper_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-1.0f64, 10.0f64);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if 0.5 * libm::erfc(middle / std::f64::consts::SQRT_2) > p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

fn table(out: &mut String, doc: &str, name: &str, element: &str, values: &[u64]) {
    writeln!(out, "\n/// {doc}").unwrap();
    writeln!(out, "#[rustfmt::skip]").unwrap();
    writeln!(
        out,
        "pub(crate) static {name}: [{element}; {}] = [",
        values.len()
    )
    .unwrap();
    for row in values.chunks(12) {
        let row: Vec<String> = row.iter().map(u64::to_string).collect();
        writeln!(out, "    {},", row.join(", ")).unwrap();
    }
    writeln!(out, "];").unwrap();
}

fn main() {
    let mut out = String::from(
        "//! Lookup tables, printed by `cargo run -p autodidact --example make_tables`.\n",
    );
    let sigmoid: Vec<u64> = (0..=512)
        .map(|i| {
            (131_072.0 / (1.0 + (f64::from(i) / 32.0).exp()))
                .round()
                .min(65_535.0) as u64
        })
        .collect();
    table(
        &mut out,
        "`(1 - sigmoid(i / 32)) · 2^17`.",
        "SIGMOID_COMPLEMENT",
        "u16",
        &sigmoid,
    );
    let q24 = f64::from(1 << 24);
    let exp2: Vec<u64> = (0..=128)
        .map(|i| ((f64::from(i) / 128.0).exp2() * q24).round() as u64)
        .collect();
    table(
        &mut out,
        "`2^(i / 128) · 2^24`.",
        "EXP2_FRACTION",
        "u32",
        &exp2,
    );
    let log2: Vec<u64> = (0..=128)
        .map(|i| ((1.0 + f64::from(i) / 128.0).log2() * q24).round() as u64)
        .collect();
    table(
        &mut out,
        "`log2(1 + i / 128) · 2^24`.",
        "LOG2_MANTISSA",
        "u32",
        &log2,
    );
    let softplus: Vec<u64> = (0..=128)
        .map(|i| ((-f64::from(i) / 16.0).exp().ln_1p() * 65_536.0).round() as u64)
        .collect();
    table(
        &mut out,
        "`ln(1 + e^(-i / 16)) · 2^16`.",
        "SOFTPLUS_TAIL",
        "u16",
        &softplus,
    );
    let bytes: Vec<u64> = (-512..512)
        .map(|step| {
            // A 12th of a step is how far a multiplier rounded down can lead.
            let logit = ((f64::from(step) - 1.0 / 12.0) * 4096.0 / 96.0).round();
            u64::from(match step {
                -512 => 0,
                _ => autodidact::num::sigmoid(logit as i16) >> 8,
            })
        })
        .collect();
    table(
        &mut out,
        "The upper byte of the probability of logits from `(i - 512) / 96` on, a 12th of a step less.",
        "PROBABILITY_BYTES",
        "u8",
        &bytes,
    );
    let normal: Vec<u64> = (0..=31 * 16)
        .map(|j| {
            let (octave, step) = (j / 16, j % 16);
            let p = (2f64.powi(octave) * (1.0 + f64::from(step) / 16.0) + 0.5) / 2f64.powi(32);
            (normal_upper_quantile(p).max(0.0) * 8192.0).round() as u64
        })
        .collect();
    table(
        &mut out,
        "Upper quantile of the standard normal distribution in U3F13 at\n/// `p = (2^k (1 + s/16) + 1/2) / 2^32`, index `16 k + s`.",
        "NORMAL_QUANTILE",
        "u16",
        &normal,
    );
    print!("{out}");
}
