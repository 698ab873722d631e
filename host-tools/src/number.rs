//! Numbers as a person reads them: significant digits, whatever the unit.

/// `1 row`, `2 rows`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A figure: whole numbers as they are, otherwise at least four significant digits.
#[must_use]
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == value.trunc() && magnitude < 1e9 {
        format!("{value:.0}")
    } else if !value.is_finite() {
        format!("{value}")
    } else if !(1e-4..1e9).contains(&magnitude) {
        format!("{value:.3e}")
    } else if magnitude >= 100.0 {
        format!("{value:.2}")
    } else if magnitude >= 0.1 {
        format!("{value:.4}")
    } else {
        significant(value, 4)
    }
}

/// A value in the unit of the data: six significant digits, no zeros behind them, with an exponent where it is very
/// small or large.
#[must_use]
pub fn reading(value: f64) -> String {
    significant(value, 6)
}

/// A value in the unit of the data that moves in steps of `step`: as [`reading`], with as many more digits as tell one
/// step from the next.
#[must_use]
pub fn reading_in_steps(value: f64, step: f64) -> String {
    let needed = (value.abs() / step).log10().floor() + 1.0;
    // 17 digits tell every f64 from the next.
    let digits = if needed.is_finite() {
        needed.clamp(6.0, 17.0)
    } else {
        6.0
    };
    significant(value, digits as usize)
}

/// So many significant digits, as C's `%g` prints them.
fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        // Not -0.
        return format!("{}", value + 0.0);
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-5..digits as i32).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        trimmed(&format!("{value:.decimals$}"))
    } else {
        format!("{}e{exponent}", trimmed(mantissa))
    }
}

/// A round number within a deviation of `mean`.
#[must_use]
pub fn round_near(mean: f64, std: f64) -> f64 {
    let step = 10f64.powf(std.log10().floor());
    if step.is_normal() {
        // Divided by a whole number rather than multiplied by 0.1, so that it prints as it is meant.
        let inverse = (1.0 / step).round().max(1.0);
        if step < 1.0 {
            (mean * inverse).round() / inverse
        } else {
            (mean / step).round() * step
        }
    } else {
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_have_six_significant_digits_in_any_unit() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (3.0, "3"),
            (21.346_789, "21.3468"),
            (-0.25, "-0.25"),
            (123_456.7, "123457"),
            (1_234_567.0, "1.23457e6"),
            (3.3e-12, "3.3e-12"),
            (0.000_012_345_678, "0.0000123457"),
            (1e36, "1e36"),
            (999_999.9, "1e6"),
            (0.999_999_99, "1"),
        ] {
            assert_eq!(reading(value), text, "{value}");
        }
    }

    #[test]
    fn a_large_reading_has_the_digits_in_which_it_moves() {
        for (value, step, text) in [
            (1_700_003_585.25, 0.5, "1700003585"),
            (101_325.43, 0.01, "101325.43"),
            (21.346_789, 0.5, "21.3468"),
            (0.0, 0.01, "0"),
            (5.0, 0.0, "5"),
        ] {
            assert_eq!(reading_in_steps(value, step), text, "{value}");
        }
    }

    #[test]
    fn a_constant_to_subtract_is_round_and_near() {
        for (mean, std, near) in [
            (101_325.43, 0.35, 101_325.4),
            (1_700_003_585.0, 2_122.0, 1_700_004_000.0),
            (-12.3456, 0.002, -12.346),
            (5.0, 0.0, 5.0),
        ] {
            assert_eq!(round_near(mean, std), near);
        }
    }

    #[test]
    fn figures_never_round_to_nothing() {
        for (value, text) in [
            (0.0, "0"),
            (12.0, "12"),
            (1234.567, "1234.57"),
            (18.912_34, "18.9123"),
            (0.5, "0.5000"),
            (0.012_345, "0.01235"),
            (3.3e-12, "3.300e-12"),
            (4.2e12 + 0.5, "4.200e12"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
    }
}
