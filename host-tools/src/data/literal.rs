//! The dictionary at the head of an NPY file, a Python literal such as
//! `{'descr': '<f4', 'fortran_order': False, 'shape': (24, 3), }`.
//!
//! Read without recursion, so that no nesting exhausts the stack; nothing is evaluated.

/// A word of Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// What stands between quotes.
    Text(String),
    /// A number, a name, or names with dots: whatever is written without quotes, brackets and spaces.
    Word(String),
    /// Any other character.
    Mark(char),
}

/// The entries of a dictionary whose keys are texts; `None` where it is none.
pub(super) fn entries(text: &str) -> Option<Vec<(String, Vec<Token>)>> {
    let tokens = tokens(text)?;
    let (Token::Mark('{'), rest) = tokens.split_first()? else {
        return None;
    };
    let (Token::Mark('}'), mut rest) = rest.split_last()? else {
        return None;
    };
    let mut entries = Vec::new();
    while let Some((key, value)) = rest.split_first() {
        let (Token::Text(key), (Token::Mark(':'), value)) = (key, value.split_first()?) else {
            return None;
        };
        let end = first_comma(value)?;
        entries.push((key.clone(), value[..end].to_vec()));
        rest = value.get(end + 1..).unwrap_or_default();
    }
    Some(entries)
}

/// The members of a tuple of whole numbers, each as it is written: `24`, `24L` (Python 2) and `np.int64(24)`
/// are 24. `None` for anything else; the member itself where it is no such number.
pub(super) fn whole_numbers(value: &[Token]) -> Option<Vec<Result<i128, String>>> {
    let [Token::Mark('('), members @ .., Token::Mark(')')] = value else {
        return None;
    };
    let mut numbers = Vec::new();
    let mut rest = members;
    while !rest.is_empty() {
        let end = first_comma(rest)?;
        numbers.push(whole_number(&rest[..end])?);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Some(numbers)
}

fn whole_number(member: &[Token]) -> Option<Result<i128, String>> {
    let (Token::Word(word), called) = (match member {
        [word] => (word, false),
        [Token::Word(_), Token::Mark('('), word, Token::Mark(')')] => (word, true),
        _ => return None,
    }) else {
        return None;
    };
    let digits = match word.strip_suffix('L') {
        Some(digits) if !called => digits,
        _ => word,
    };
    Some(digits.parse().map_err(|_| word.clone()))
}

/// The place of the first comma outside all brackets, or the end; `None` where brackets do not match.
fn first_comma(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth = depth.checked_sub(1)?,
            Token::Mark(',') if depth == 0 => return Some(at),
            _ => {}
        }
    }
    (depth == 0).then_some(tokens.len())
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let length = if matches!(first, '\'' | '"') {
            let inside = &rest[1..];
            let end = inside.find(first)?;
            // Prefixes of texts in Python 2 and of bytes.
            if matches!(tokens.last(), Some(Token::Word(prefix)) if matches!(prefix.as_str(), "u" | "b"))
            {
                tokens.pop();
            }
            tokens.push(Token::Text(inside[..end].to_owned()));
            end + 2
        } else if is_word(first) {
            let end = rest.find(|next| !is_word(next)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            end
        } else {
            tokens.push(Token::Mark(first));
            first.len_utf8()
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '.' | '-' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str) -> Option<Vec<Result<i128, String>>> {
        whole_numbers(&entries(text)?[0].1)
    }

    #[test]
    fn shapes_are_read_as_python_has_ever_written_them() {
        for (text, expected) in [
            ("{'shape': (24, 3)}", vec![24, 3]),
            ("{'shape': (24, 3), }", vec![24, 3]),
            ("{u'shape':(24L,),}", vec![24]),
            ("{\"shape\": ()}", vec![]),
            ("{'shape': (np.int64(24), numpy.uint8(3))}", vec![24, 3]),
            ("{'shape': (-4, 3)}", vec![-4, 3]),
        ] {
            let found: Result<Vec<i128>, String> = sizes(text).unwrap().into_iter().collect();
            assert_eq!(found.unwrap(), expected, "{text}");
        }
        let float = sizes("{'shape': (8.0, 3)}").unwrap();
        assert_eq!(float, [Err("8.0".to_owned()), Ok(3)]);
    }

    #[test]
    fn what_is_no_dictionary_is_none_at_any_depth() {
        for text in [
            "",
            "{",
            "}",
            "(1, 2)",
            "{1: 2}",
            "{'a' 1}",
            "{'a': (}",
            "{'a': )(}",
            "{'a': 'b}",
        ] {
            assert_eq!(entries(text), None, "{text}");
        }
        let deep = "(".repeat(500_000) + &")".repeat(500_000);
        let read = entries(&format!("{{'a': {deep}}}")).unwrap();
        assert_eq!(read[0].1.len(), 1_000_000);
        assert_eq!(whole_numbers(&read[0].1), None);
    }
}
