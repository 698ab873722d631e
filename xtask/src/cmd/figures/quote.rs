//! Figures in text. A comment names those that the paragraph or the table after it quotes, in their order:
//!
//! ```text
//! <!-- figures: {m4,m55}.nearest_l2_10x64 m4.walk_digit:M -->
//! The nearest of ten centroids takes 810 instructions on an M4 and 780 on an M55, a digit 17.7 million.
//! ```
//!
//! A name ends with the unit that it is quoted in, if that is not one: `:M` and `:k` for millions and thousands, `:KiB`,
//! `:op` for one of the operations that the workload has in theory. A figure is quoted right where rounding to the
//! digits that the text has gives the text. `none` says that the paragraph's figures have another source.

use std::collections::BTreeMap;
use std::iter;
use std::ops::Range;

const OPENING: &str = "<!-- figures:";

type Measured = BTreeMap<String, u64>;

/// A comment and the paragraph that it speaks of, as places in the text.
struct Quotation<'a> {
    line: usize,
    names: Vec<String>,
    paragraph: Range<usize>,
    text: &'a str,
}

/// Lines and what is wrong there: a figure that the paragraph does not quote, a name that nothing was measured under,
/// instructions without a comment.
pub(super) fn complaints(text: &str, measured: &Measured) -> Vec<(usize, String)> {
    let mut complaints = Vec::new();
    let mut spoken_of = Vec::new();
    for quotation in quotations(text) {
        if quotation.names != ["none"] {
            for (name, place) in quotation.places(measured) {
                let complaint = match (value(&name, measured), place) {
                    (None, _) => format!("nothing was measured under the name `{name}`"),
                    (Some(value), None) => {
                        format!("`{name}` is {value}, and not quoted in its place")
                    }
                    (Some(_), Some(_)) => continue,
                };
                complaints.push((quotation.line, complaint));
            }
        }
        spoken_of.push(quotation.paragraph);
    }
    for paragraph in paragraphs(text) {
        let words = &text[paragraph.clone()];
        let counts = numbers(words).any(|number| counts_instructions(&words[number.end..]));
        let named = spoken_of
            .iter()
            .any(|range| range.start < paragraph.end && paragraph.start < range.end);
        if counts && !named {
            complaints.push((
                line_of(text, paragraph.start),
                "instructions are counted here without a comment `<!-- figures: … -->` that names them".to_owned(),
            ));
        }
    }
    complaints
}

/// The text with what was measured before replaced by what was measured now.
pub(super) fn renew(text: &str, before: &Measured, now: &Measured) -> String {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for quotation in quotations(text) {
        for (name, place) in quotation.places(before) {
            if let (Some(place), Some(value)) = (place, value(&name, now)) {
                let renewed = written_like(&text[place.clone()], value);
                edits.push((place, renewed));
            }
        }
    }
    let mut renewed = text.to_owned();
    for (place, number) in edits.into_iter().rev() {
        renewed.replace_range(place, &number);
    }
    renewed
}

impl Quotation<'_> {
    /// Every name with the place in the text where its figure stands, if it does.
    fn places(&self, measured: &Measured) -> Vec<(String, Option<Range<usize>>)> {
        let mut from = self.paragraph.start;
        let place = |name: &String| {
            let value = value(name, measured);
            let numbers = numbers(&self.text[from..self.paragraph.end]);
            let mut places = numbers.map(|place| place.start + from..place.end + from);
            let found =
                value.and_then(|value| places.find(|place| says(&self.text[place.clone()], value)));
            from = found.as_ref().map_or(from, |place| place.end);
            (name.clone(), found)
        };
        self.names.iter().map(place).collect()
    }
}

/// What a name stands for: a figure in a unit.
fn value(name: &str, measured: &Measured) -> Option<f64> {
    let (name, unit) = name.split_once(':').unwrap_or((name, ""));
    let figure = *measured.get(name)? as f64;
    let one = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "KiB" => 1024.0,
        "op" => *measured.get(&format!("{name}.operations"))? as f64,
        _ => return None,
    };
    Some(figure / one)
}

/// Whether a number of the text is this one, rounded. One digit alone says too little where there was rounding.
fn says(number: &str, value: f64) -> bool {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    (digits > 1 || value.fract() == 0.0) && plain(number) == format!("{value:.*}", decimals(number))
}

fn plain(number: &str) -> String {
    number.replace(',', "")
}

fn decimals(number: &str) -> usize {
    number
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len())
}

/// A value in the way a number of the text is written: as many decimals, thousands apart or not.
fn written_like(number: &str, value: f64) -> String {
    let text = format!("{value:.*}", decimals(number));
    let apart = number.contains(',')
        || plain(number)
            .split('.')
            .next()
            .is_some_and(|whole| whole.len() < 4);
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    if !apart {
        return text;
    }
    let digits = whole.len();
    let separated = whole.char_indices().flat_map(|(at, digit)| {
        let comma = (at > 0 && (digits - at) % 3 == 0).then_some(',');
        comma.into_iter().chain([digit])
    });
    separated.chain(rest.chars()).collect()
}

/// The comments of a text that name figures.
fn quotations(text: &str) -> impl Iterator<Item = Quotation<'_>> {
    let mut from = 0;
    iter::from_fn(move || {
        let start = from + text[from..].find(OPENING)?;
        let end = start + text[start..].find("-->")?;
        from = end;
        let names = text[start + OPENING.len()..end].split_whitespace();
        // The comment may go over lines of a documentation comment.
        let names = names
            .filter(|word| !matches!(*word, "///" | "//!"))
            .flat_map(alternatives);
        let after = end + text[end..].find('\n').map_or(text.len() - end, |at| at + 1);
        Some(Quotation {
            line: line_of(text, start),
            names: names.collect(),
            paragraph: paragraphs(text)
                .find(|paragraph| paragraph.end > after)
                .map_or(after..after, |found| after.max(found.start)..found.end),
            text,
        })
    })
}

/// `{a,b}.c` is `a.c b.c`.
fn alternatives(name: &str) -> Vec<String> {
    let parts = name.split_once('{').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once('}')?;
        Some((before, inside, after))
    });
    let Some((before, inside, after)) = parts else {
        return vec![name.to_owned()];
    };
    inside
        .split(',')
        .flat_map(|one| alternatives(&format!("{before}{one}{after}")))
        .collect()
}

/// Runs of lines with words, fenced blocks and code left out.
fn paragraphs(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut paragraphs = Vec::new();
    let (mut begin, mut at, mut fenced) = (None, 0, false);
    let rust = text.starts_with("//!");
    for line in text.split_inclusive('\n') {
        let words = line.trim_start();
        let comment = words
            .strip_prefix("///")
            .or_else(|| words.strip_prefix("//!"));
        let words = if rust {
            comment.unwrap_or_default()
        } else {
            line
        }
        .trim();
        let fence = words.starts_with("```");
        fenced ^= fence;
        if words.is_empty() || fence || fenced {
            paragraphs.extend(begin.take().map(|begin| begin..at));
        } else {
            begin.get_or_insert(at);
        }
        at += line.len();
    }
    paragraphs.extend(begin.map(|begin| begin..at));
    paragraphs.into_iter()
}

/// Places of numbers such as `810`, `1,815` and `17.7`, those within words left out.
fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let digit = move |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    iter::from_fn(move || {
        loop {
            while at < bytes.len() && !digit(at) {
                at += 1;
            }
            if at >= bytes.len() {
                return None;
            }
            let start = at;
            while digit(at) || (matches!(bytes.get(at), Some(b',' | b'.')) && digit(at + 1)) {
                at += 1;
            }
            let part_of_a_word = |byte: Option<&u8>| {
                byte.is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            };
            if !part_of_a_word(start.checked_sub(1).and_then(|before| bytes.get(before)))
                && !part_of_a_word(bytes.get(at))
            {
                return Some(start..at);
            }
        }
    })
}

/// Whether what comes after a number makes it one of instructions.
fn counts_instructions(after: &str) -> bool {
    let comments = |word: &&str| !matches!(*word, "///" | "//!");
    let mut words = after.split_whitespace().filter(comments).take(2);
    match words.next() {
        Some("million") => words
            .next()
            .is_some_and(|word| word.starts_with("instructions")),
        word => word.is_some_and(|word| word.starts_with("instructions")),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "First.\n\n<!-- figures: {m4,m55}.nearest m4.walk:M m4.walk:op -->\nTen centroids take 810 \
                        instructions and 1,780,\na digit 17.7 million (1.33 each).\n\nLast.\n";

    fn measured(nearest: u64) -> Measured {
        let figures = [
            ("m4.nearest", nearest),
            ("m55.nearest", 1780),
            ("m4.walk", 17_659_000),
            ("m4.walk.operations", 13_271_040),
        ];
        figures.map(|(name, value)| (name.to_owned(), value)).into()
    }

    #[test]
    fn what_is_quoted_right_is_not_complained_of() {
        assert_eq!(complaints(PAGE, &measured(810)), []);
    }

    #[test]
    fn a_stale_figure_is_complained_of_and_renewed() {
        let [(3, complaint)] = &complaints(PAGE, &measured(1234))[..] else {
            panic!("one complaint, of the comment's line");
        };
        assert!(
            complaint.contains("m4.nearest") && complaint.contains("1234"),
            "{complaint}"
        );
        let renewed = renew(PAGE, &measured(810), &measured(1234));
        assert_eq!(renewed, PAGE.replace("810", "1,234"));
        assert_eq!(complaints(&renewed, &measured(1234)), []);
    }

    #[test]
    fn a_name_without_a_figure_is_complained_of() {
        let complaints = complaints(&PAGE.replace("m55", "m7"), &measured(810));
        assert!(complaints[0].1.contains("m7.nearest"), "{complaints:?}");
    }

    #[test]
    fn instructions_have_to_be_named() {
        let page = "A step takes 31.4 million\ninstructions.\n";
        assert_eq!(complaints(page, &measured(0)).len(), 1);
        let excused = format!("<!-- figures: none -->\n{page}");
        assert_eq!(complaints(&excused, &measured(0)), []);
        assert_eq!(
            complaints("```text\n810 instructions\n```\n", &measured(0)),
            []
        );
    }

    #[test]
    fn documentation_comments_are_pages_too() {
        let source = "//! # Cost\n//!\n//! <!-- figures: m4.nearest -->\n//! It takes 810 instructions.\n//!\n\nfn f() {}\n";
        assert_eq!(complaints(source, &measured(810)), []);
        assert_eq!(complaints(source, &measured(811)).len(), 1);
    }

    #[test]
    fn numbers_are_written_as_those_before() {
        for (number, value, written) in [
            ("810", 1234.0, "1,234"),
            ("1416", 1500.0, "1500"),
            ("1.33", 1.349, "1.35"),
            ("17,650", 999.6, "1,000"),
        ] {
            assert_eq!(written_like(number, value), written);
        }
    }
}
