//! Cells of text: words for missing values, numbers as people write them, units, yes and no, times.

use std::collections::HashSet;

use super::reading::{Decimal, ReadOptions};

/// Words that stand for a missing value, in letters of either case. An empty cell is missing too.
pub const MISSING_WORDS: [&str; 27] = [
    "?", "-", "--", "---", ".", "na", "n/a", "nan", "-nan", "null", "none", "nil", "<na>", "#n/a",
    "#na", "#n/a n/a", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!", "1.#ind",
    "-1.#ind", "1.#qnan", "-1.#qnan", "nat",
];

/// Which cells are missing values.
#[derive(Clone, Debug)]
pub(super) struct Words {
    words: HashSet<String>,
    /// Missing values that are numbers, however they are written.
    numbers: Vec<f64>,
}

impl Words {
    pub(super) fn of(options: &ReadOptions) -> Self {
        let mut words: HashSet<String> = MISSING_WORDS.map(str::to_owned).into();
        words.extend(options.missing.iter().map(|word| word.to_lowercase()));
        for word in &options.present {
            words.remove(&word.to_lowercase());
        }
        let numbers = options.missing.iter();
        Self {
            words,
            numbers: numbers
                .filter_map(|word| number(word, Decimal::Point))
                .collect(),
        }
    }

    /// Whether the cell is empty or one of the words.
    pub(super) fn are_missing(&self, cell: &str) -> bool {
        cell.is_empty() || self.words.contains(&cell.to_lowercase())
    }

    /// Whether the number stands for a missing value.
    pub(super) fn are_number(&self, value: f64) -> bool {
        self.numbers.contains(&value)
    }
}

/// What separates thousands in numbers of either decimal character.
const GROUPS: [char; 6] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}'];

/// Signs that mean less than zero: hyphen, minus, dash.
const MINUS: [char; 3] = ['-', '\u{2212}', '\u{2013}'];

/// The finite number that a cell is, if it is one: with sign, fraction, exponent (behind `D` as well, as Fortran
/// writes it) and thousands in groups of three, or in hexadecimal digits behind `0x`; between apostrophes, as some
/// exports write it, or between parentheses, as accountants write less than zero.
pub(super) fn number(cell: &str, decimal: Decimal) -> Option<f64> {
    if decimal == Decimal::Point
        && let Ok(value) = cell.parse::<f64>()
    {
        return Some(value).filter(|value| value.is_finite());
    }
    if let Some(cell) = cell.strip_prefix('\'') {
        return plain_number(cell.strip_suffix('\'').unwrap_or(cell), decimal);
    }
    match in_parentheses(cell) {
        Some(cell) => unsigned(cell, decimal)
            .map(|value| -value)
            .filter(|value| value.is_finite()),
        None => plain_number(cell, decimal),
    }
}

/// What stands between parentheses.
pub(super) fn in_parentheses(cell: &str) -> Option<&str> {
    cell.strip_prefix('(')?.strip_suffix(')')
}

fn plain_number(cell: &str, decimal: Decimal) -> Option<f64> {
    let (negative, body) = match cell.strip_prefix(MINUS) {
        Some(body) => (true, body),
        None => (false, cell.strip_prefix('+').unwrap_or(cell)),
    };
    let value = match body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()? as f64
        }
        _ => unsigned(body, decimal)?,
    };
    Some(if negative { -value } else { value }).filter(|value| value.is_finite())
}

fn unsigned(body: &str, decimal: Decimal) -> Option<f64> {
    // Most cells begin with what no number begins with.
    if !body.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == ',') {
        return None;
    }
    let (point, comma) = characters(decimal);
    // Without a fraction, digits around a `D` are rather a name.
    let fortran = || {
        body.find(['d', 'D'])
            .filter(|&at| body[..at].contains(point))
    };
    let (mantissa, exponent) = match body.find(['e', 'E']).or_else(fortran) {
        Some(at) => (&body[..at], body[at + 1..].parse::<i32>().ok()?),
        None => (body, 0),
    };
    let (whole, fraction) = mantissa.split_once(point).unwrap_or((mantissa, ""));
    let whole = without_groups(whole, comma)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(&whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    format!("{whole}.{fraction}e{exponent}").parse().ok()
}

/// The decimal character, and the one that separates thousands beside it.
const fn characters(decimal: Decimal) -> (char, char) {
    match decimal {
        Decimal::Point => ('.', ','),
        Decimal::Comma => (',', '.'),
    }
}

/// Whole digits without what separates thousands; `None` if that is not in groups of three, or in the groups of
/// lakhs and crores, as in `1,20,100`.
fn without_groups(whole: &str, separator: char) -> Option<String> {
    let is_separator = |c: &char| *c == separator || GROUPS.contains(c);
    let Some(found) = whole.chars().find(is_separator) else {
        return Some(whole.to_owned());
    };
    let groups: Vec<&str> = whole.split(found).collect();
    let [first, others @ .., last] = groups.as_slice() else {
        return None;
    };
    let thousands = (1..=3).contains(&first.len()) && others.iter().all(|group| group.len() == 3);
    let lakhs = found == ','
        && separator == ','
        && (1..=2).contains(&first.len())
        && !others.is_empty()
        && others.iter().all(|group| group.len() == 2);
    let fits = !first.starts_with('0') && last.len() == 3 && (thousands || lakhs);
    fits.then(|| whole.replace(found, ""))
}

/// What a cell says about the decimal character of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// A number in either reading, and the same one.
    Neither,
    /// A number with a decimal point, or with commas between thousands.
    Point,
    /// A number with a decimal comma, or with points between thousands.
    Comma,
    /// One comma that may be either, as in `1,204`.
    Ambiguous,
    /// No number.
    Text,
}

/// What `cell`, without its unit, says about the decimal character.
pub(super) fn evidence(cell: &str) -> Evidence {
    let as_point = number(cell, Decimal::Point);
    let as_comma = number(cell, Decimal::Comma);
    match (as_point, as_comma) {
        (None, None) => Evidence::Text,
        (Some(_), Some(_)) if cell.contains(',') => Evidence::Ambiguous,
        // A number with three decimals is far more common than one with points between its thousands.
        (Some(_), Some(_)) => Evidence::Neither,
        (Some(_), None) => Evidence::Point,
        (None, Some(_)) => Evidence::Comma,
    }
}

/// A number and the unit beside it, as in `21.3 °C`, `38 %`, `5V` or `$1,204`.
pub(super) fn split_unit(cell: &str) -> Option<(&str, &str)> {
    const CURRENCIES: [char; 4] = ['$', '€', '£', '¥'];
    if let Some(rest) = cell.strip_prefix(CURRENCIES) {
        return Some((rest.trim_start(), &cell[..cell.len() - rest.len()]));
    }
    let is_number = |c: char| {
        c.is_ascii_digit()
            || matches!(c, '.' | ',' | '+')
            || MINUS.contains(&c)
            || GROUPS.contains(&c)
    };
    if !cell.starts_with(is_number) {
        return None;
    }
    let mut end = cell.find(|c: char| !is_number(c))?;
    // `1.5e3 V`
    if let Some(exponent) = cell[end..].strip_prefix(['e', 'E']) {
        let digits = exponent.trim_start_matches(['-', '+']);
        let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() < digits.len() {
            end = cell.len() - rest.len();
        }
    }
    let (number, unit) = (cell[..end].trim(), cell[end..].trim());
    is_unit(unit).then_some((number, unit))
}

/// Whether a text may be a unit: short, begun by a letter or a sign, digits at most as a power at the end.
fn is_unit(text: &str) -> bool {
    const LONGEST: usize = 12;
    let begins = |c: char| c.is_alphabetic() || CURRENCY_AND_SIGNS.contains(&c);
    let power = text.strip_suffix(|c: char| c.is_ascii_digit());
    text.starts_with(begins)
        && text.chars().count() <= LONGEST
        && !power
            .unwrap_or(text)
            .contains(|c: char| c.is_ascii_digit() || matches!(c, ';' | ',' | '|' | ':'))
}

const CURRENCY_AND_SIGNS: [char; 10] = ['%', '‰', '°', '$', '€', '£', '¥', '\'', '"', '″'];

/// Whether a cell is made of digits as a number is, but has a form that is not read, as `50.3±0.2` and `1/8` have.
/// Ranges such as `18-25` and versions such as `1.2.3` are names.
pub(super) fn resembles_number(cell: &str) -> bool {
    let sign = |c: char| "/±*^×<>~=".contains(c);
    let part = |c: char| c.is_ascii_digit() || ".,+-:() ".contains(c) || sign(c);
    let is_range = cell.get(1..).is_some_and(|rest| rest.contains('-'));
    let is_version = !cell.contains(sign) && !cell.contains(',') && cell.matches('.').count() > 1;
    cell.starts_with(|c: char| c.is_ascii_digit() || "<>~=±".contains(c))
        && cell.chars().all(part)
        && cell.contains(|c: char| c.is_ascii_digit())
        && !is_range
        && !is_version
        && number(cell, Decimal::Point).is_none()
        && number(cell, Decimal::Comma).is_none()
        && !is_time(cell)
}

/// The name before a number in a cell such as `temp:21.5`.
pub(super) fn named_number(cell: &str) -> Option<(&str, &str)> {
    let (name, value) = cell.split_once([':', '='])?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    (is_name && evidence(value) != Evidence::Text).then_some((name, value))
}

/// Whether a unit is one by its looks: behind a blank, or with a sign such as `%` or `°`. A number with a letter
/// behind it, such as `12b`, may as well be a name.
pub(super) fn is_clear_unit(cell: &str) -> bool {
    split_unit(cell).is_some_and(|(number, unit)| {
        unit.starts_with(CURRENCY_AND_SIGNS) || cell[number.len()..].starts_with(GROUPS)
    })
}

/// `Some(1.0)` for what means yes, `Some(0.0)` for what means no.
pub(crate) fn truth(cell: &str) -> Option<f64> {
    let is = |word: &str| cell.eq_ignore_ascii_case(word);
    if is("true") || is("yes") {
        Some(1.0)
    } else if is("false") || is("no") {
        Some(0.0)
    } else {
        number(cell, Decimal::Point).filter(|value| *value == 0.0 || *value == 1.0)
    }
}

/// Whether a cell looks like a date or a time of day, as in `2023-11-14T22:00:00Z`, `14.11.2023` or `22:00`.
pub(super) fn is_time(cell: &str) -> bool {
    const LONGEST: usize = 40;
    if cell.len() > LONGEST || !cell.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let mut parts = cell
        .split_whitespace()
        .map(|part| part.trim_end_matches(','));
    let first = parts.next().unwrap_or_default();
    if let Some((date, clock)) = first.split_once('T') {
        return is_date(date) && is_clock(clock);
    }
    let mut rest = parts.peekable();
    let date = is_date(first);
    if date && rest.peek().is_some_and(|part| is_clock(part)) {
        rest.next();
    }
    // What may follow a time of day: half of the day, zone.
    let follows = |part: &str| {
        let zone = part.trim_start_matches(['+', '-']);
        !part.is_empty()
            && part.len() <= 6
            && (part.bytes().all(|byte| byte.is_ascii_alphabetic())
                || zone.len() < part.len() && zone.bytes().all(|b| b.is_ascii_digit() || b == b':'))
    };
    (date || is_clock(first)) && rest.all(follows)
}

/// `2023-11-14`, `14.11.2023`, `11/14/23`, `14-Nov-2023`: no number with points between thousands.
fn is_date(text: &str) -> bool {
    let is_part = |part: &str| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        let month = part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
        month || digits && matches!(part.len(), 1 | 2 | 4)
    };
    ['-', '/', '.'].into_iter().any(|mark| {
        let parts = || text.split(mark);
        parts().count() == 3 && parts().all(is_part)
    })
}

/// `22:00`, `22:00:00.125Z`, `22:00+01:00`.
fn is_clock(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let text = text.split(['+', '-']).next().unwrap_or(text);
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let is_part = |part: &str| {
        (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    (2..=3).contains(&whole.split(':').count())
        && whole.split(':').all(is_part)
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

/// A cell or a name as a message shows it: on one line, not too long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let mut characters = text.chars();
    let mut cut: String = characters
        .by_ref()
        .take(MOST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if characters.next().is_some() {
        cut.push('…');
    }
    cut
}

/// `a, b, c and 61 more`.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 8;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(|name| shown(name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (cell, value) in [
            ("21.5", 21.5),
            ("+.5e1", 5.0),
            ("5.", 5.0),
            ("\u{2212}6.1", -6.1),
            ("1,204", 1204.0),
            ("-1,204,567.25", -1_204_567.25),
            ("1 204.5", 1204.5),
            ("1\u{a0}204", 1204.0),
            ("12'204'000", 12_204_000.0),
            ("0x42F0", 17136.0),
            ("1.9341D+01", 19.341),
            ("-2.5d2", -250.0),
            ("'19.34'", 19.34),
            ("'-1,204", -1204.0),
            ("(51.19)", -51.19),
            ("1,20,100", 120_100.0),
            ("1,23,45,678.5", 12_345_678.5),
        ] {
            assert_eq!(number(cell, Decimal::Point), Some(value), "{cell}");
        }
        for (cell, value) in [
            ("21,5", 21.5),
            (",5", 0.5),
            ("1,5e3", 1500.0),
            ("1.204", 1204.0),
            ("\u{2212}1.204.567,25", -1_204_567.25),
            ("1 204,5", 1204.5),
            ("7", 7.0),
        ] {
            assert_eq!(number(cell, Decimal::Comma), Some(value), "{cell}");
        }
        for cell in [
            "",
            "inf",
            "NaN",
            "1e999",
            "25,03",
            "1,20,4",
            "1,2345",
            "0x",
            "0xg",
            "--1",
            "1-2",
            ".",
            "1 20",
            "1.2.3",
            "e5",
            "1e",
            "1e5.5",
            "five",
            "1,204'000",
            "4D2",
            "(-5)",
            "1,20,10",
            "'",
        ] {
            assert_eq!(number(cell, Decimal::Point), None, "{cell}");
        }
        for cell in ["1.5", "1,5,3", "1.204,5.3", ","] {
            assert_eq!(number(cell, Decimal::Comma), None, "{cell}");
        }
    }

    #[test]
    fn a_cell_tells_its_decimal_character_only_if_it_must() {
        for (cell, expected) in [
            ("21,50", Evidence::Comma),
            ("0,204", Evidence::Comma),
            ("1.204,5", Evidence::Comma),
            ("1.204.567", Evidence::Comma),
            ("21.5", Evidence::Point),
            ("0.204", Evidence::Point),
            ("1,204.5", Evidence::Point),
            ("1,204,567", Evidence::Point),
            ("1,204", Evidence::Ambiguous),
            ("-1,204", Evidence::Ambiguous),
            ("1.204", Evidence::Neither),
            ("1204", Evidence::Neither),
            ("12 204", Evidence::Neither),
            ("21 C", Evidence::Text),
        ] {
            assert_eq!(evidence(cell), expected, "{cell}");
        }
    }

    #[test]
    fn units_are_told_from_names_and_dates() {
        for (cell, expected) in [
            ("21.3 °C", Some(("21.3", "°C"))),
            ("38 %", Some(("38", "%"))),
            ("5V", Some(("5", "V"))),
            ("9.81 m/s2", Some(("9.81", "m/s2"))),
            ("1.5e3 V", Some(("1.5e3", "V"))),
            ("$1,204", Some(("1,204", "$"))),
            ("-4 °C", Some(("-4", "°C"))),
            ("M-40013", None),
            ("0x42f0", None),
            ("2023-11-14T22:00:00Z", None),
            ("24;7", None),
            ("14 Nov 2023", None),
            ("idle", None),
        ] {
            assert_eq!(split_unit(cell), expected, "{cell}");
        }
        assert!(is_clear_unit("38 %") && is_clear_unit("38%") && is_clear_unit("3 mm"));
        assert!(!is_clear_unit("12b"));
    }

    #[test]
    fn words_for_missing_values_can_be_added_and_taken_off() {
        let options = ReadOptions {
            missing: vec!["n.v.".into(), "-999.9".into()],
            present: vec!["None".into()],
            ..ReadOptions::default()
        };
        let words = Words::of(&options);
        for cell in ["", "N/A", "#DIV/0!", "NaN", "N.V.", "---"] {
            assert!(words.are_missing(cell), "{cell}");
        }
        assert!(!words.are_missing("none") && !words.are_missing("0"));
        assert!(words.are_number(-999.9) && !words.are_number(0.0));
    }

    #[test]
    fn times_are_told_from_numbers_and_names() {
        for cell in [
            "2023-11-14T22:00:00Z",
            "14.11.2023",
            "22:00",
            "11/14/23 10:30 PM",
            "2023/11/14, 22:00:00.125",
            "14-Nov-2023",
            "22:00:00,125",
            "2023-11-14T22:00:00.123456+01:00",
            "2023-11-14 22:00:00 UTC",
        ] {
            assert!(is_time(cell), "{cell}");
        }
        for cell in [
            "21.5",
            "M-40013",
            "-5",
            "12b",
            "1,204.5",
            "idle",
            "1 20.07 51.50",
            "1.200.660",
            "12:00:00.123 -> 20.07",
            "2023-11-14 20.07 51.50",
        ] {
            assert!(!is_time(cell), "{cell}");
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(shown("two\nlines"), "two lines");
        assert_eq!(shown(&"x".repeat(1000)), format!("{}…", "x".repeat(40)));
        let names: Vec<String> = (0..10).map(|n| format!("c{n}")).collect();
        assert_eq!(listed(&names), "c0, c1, c2, c3, c4, c5, c6, c7 and 2 more");
    }
}
