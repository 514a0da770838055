//! `${VAR}` in the values of the file.
//!
//! ```text
//! ${NAME}            the variable; unset is an error
//! ${NAME:-default}   the default where it is unset or empty;  ${NAME-default} where it is unset
//! ${NAME:?message}   an error with that message where it is unset or empty;  ${NAME?message} where unset
//! $$                 a dollar
//! ```
//!
//! The forms of Compose files. They work in every value, quoted or not, in block and in flow style.
//!
//! Each expression is masked before the YAML is parsed and expanded in the parsed value after it. A
//! value can therefore never change the structure of the file, whatever stands in the variable, braces
//! and colons of an expression never meet the YAML grammar, and the mask, as wide as the expression,
//! keeps lines and columns true. What stands in a comment is never expanded.

use crate::config::value::{Invalid, quoted};

/// The text of a file with its expressions masked.
#[derive(Debug)]
pub(super) struct Masked {
    /// What the YAML parser reads.
    pub(super) text: String,
    /// What stands behind the masks, in order of appearance.
    expressions: Vec<String>,
}

/// Reads one variable.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Masked {
    /// Masks every expression of `source`.
    ///
    /// # Errors
    /// With the byte offset: where the source holds a mask character already, or too many expressions.
    pub(super) fn new(source: &str) -> Result<Self, (usize, Invalid)> {
        if let Some(at) = source.find(|c: char| (FIRST_MASK..=LAST_MASK).contains(&c)) {
            return Err((at, Invalid::new("expected text, found a private use character of plane 15")));
        }
        let mut text = String::with_capacity(source.len());
        let mut expressions = Vec::new();
        let mut rest = source;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            let Some((expression, after)) = split_expression(from) else {
                text.push('$');
                rest = from.get(1..).unwrap_or_default();
                continue;
            };
            let mask = u32::try_from(expressions.len()).ok().and_then(mask).ok_or_else(|| {
                let most = u32::from(LAST_MASK) - u32::from(FIRST_MASK) + 1;
                (
                    source.len() - from.len(),
                    Invalid::new(format!("expected at most {most} expressions in one file")),
                )
            })?;
            text.extend(expression.chars().map(|_| mask));
            expressions.push(expression.to_owned());
            rest = after;
        }
        text.push_str(rest);
        Ok(Self { text, expressions })
    }

    /// The text of a scalar with its expressions expanded; `None` where there are none.
    pub(super) fn expand(&self, scalar: &str, variables: Variables<'_>) -> Result<Option<String>, Invalid> {
        let restored = self.restore(scalar);
        let Some(restored) = restored else {
            return if scalar.contains("${") { Err(unclosed(scalar)) } else { Ok(None) };
        };
        expand(&restored, variables, 0).map(Some)
    }

    /// The text as it stands in the file; `None` where nothing is masked in it.
    pub(super) fn restore(&self, scalar: &str) -> Option<String> {
        let index =
            |c: char| u32::from(c).checked_sub(u32::from(FIRST_MASK)).and_then(|i| usize::try_from(i).ok());
        if !scalar.contains(|c: char| (FIRST_MASK..=LAST_MASK).contains(&c)) {
            return None;
        }
        let mut restored = String::new();
        let mut last = None;
        for c in scalar.chars() {
            match index(c).and_then(|index| self.expressions.get(index)) {
                Some(_) if last == Some(c) => {}
                Some(expression) => restored.push_str(expression),
                None => restored.push(c),
            }
            last = Some(c);
        }
        Some(restored)
    }
}

/// Expands the expressions of `text`; those in a default, too, down to a depth.
fn expand(text: &str, variables: Variables<'_>, depth: u8) -> Result<String, Invalid> {
    if depth > DEEPEST {
        return Err(Invalid::new(format!(
            "expected expressions at most {DEEPEST} deep, found {}",
            quoted(text)
        )));
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        expanded.push_str(before);
        let Some((expression, after)) = split_expression(from) else {
            if from.starts_with("${") {
                return Err(unclosed(from));
            }
            expanded.push('$');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        match expression.strip_prefix("${").and_then(|inner| inner.strip_suffix('}')) {
            Some(inner) => expanded.push_str(&value_of(inner, variables, depth)?),
            None => expanded.push('$'),
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// What `${inner}` stands for.
fn value_of(inner: &str, variables: Variables<'_>, depth: u8) -> Result<String, Invalid> {
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, operation) = inner.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Invalid::new(format!(
            "expected the name of a variable, found {}",
            quoted(&format!("${{{inner}}}"))
        ))
        .help("a literal dollar is written `$$`"));
    }
    let value = variables(name);
    let filled = value.clone().filter(|value| !value.is_empty());
    if operation.is_empty() {
        return value.ok_or_else(|| {
            Invalid::new(format!("variable `{name}` is not set"))
                .help(format!("set it, or write `${{{name}:-default}}`; a literal dollar is written `$$`"))
        });
    }
    if let Some(default) = operation.strip_prefix(":-") {
        return filled.map_or_else(|| expand(default, variables, depth + 1), Ok);
    }
    if let Some(default) = operation.strip_prefix('-') {
        return value.map_or_else(|| expand(default, variables, depth + 1), Ok);
    }
    let (value, message, state) = match (operation.strip_prefix(":?"), operation.strip_prefix('?')) {
        (Some(message), _) => (filled, message, "not set or empty"),
        (None, Some(message)) => (value, message, "not set"),
        (None, None) => {
            return Err(Invalid::new(format!("expected an operator, found {}", quoted(operation)))
                .help(format!("write `${{{name}}}`, `${{{name}:-default}}` or `${{{name}:?message}}`")));
        }
    };
    value.ok_or_else(|| {
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        Invalid::new(format!("variable `{name}` is {state}{message}"))
    })
}

/// Splits `$$` or `${...}` off the front, the latter up to its own brace on the same line, at most
/// [`LONGEST`] characters on: without that bound a line of openings alone costs its length squared.
fn split_expression(from: &str) -> Option<(&str, &str)> {
    if from.starts_with("$$") {
        return from.split_at_checked(2);
    }
    if !from.starts_with("${") {
        return None;
    }
    let mut depth = 0usize;
    let mut after_dollar = false;
    for (at, c) in from.char_indices().take(LONGEST) {
        match c {
            '\n' | '\r' => return None,
            '{' if after_dollar => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return from.split_at_checked(at + 1);
                }
            }
            _ => {}
        }
        after_dollar = c == '$';
    }
    None
}

fn unclosed(text: &str) -> Invalid {
    Invalid::new(format!("expected `}}` after `${{`, found {}", quoted(text)))
        .help("close it on the same line; a literal dollar is written `$$`")
}

fn mask(index: u32) -> Option<char> {
    char::from_u32(u32::from(FIRST_MASK).checked_add(index)?).filter(|mask| *mask <= LAST_MASK)
}

/// Supplementary Private Use Area-A: printable to YAML, of no meaning to it, and in no one's file.
const FIRST_MASK: char = '\u{F0000}';
const LAST_MASK: char = '\u{FFFFD}';

/// Characters of one expression.
const LONGEST: usize = 1024;

/// Deep enough for any default of a default; bounds the recursion.
const DEEPEST: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("orders".into()),
            "EMPTY" => Some(String::new()),
            "TRICKY" => Some("a: [b] # ${HOST} $$".into()),
            _ => None,
        }
    }

    #[test]
    fn expansions() {
        for (text, expected) in [
            ("${HOST}", Ok("orders")),
            ("a${HOST}b${HOST}", Ok("aordersborders")),
            ("${HOST}${HOST}", Ok("ordersorders")),
            ("${EMPTY}", Ok("")),
            ("${NOPE:-x}", Ok("x")),
            ("${EMPTY:-x}", Ok("x")),
            ("${EMPTY-x}", Ok("")),
            ("${NOPE-x}", Ok("x")),
            ("${NOPE:-}", Ok("")),
            ("${NOPE:-0.0.0.0:8080}", Ok("0.0.0.0:8080")),
            ("${NOPE:-${HOST}:1}", Ok("orders:1")),
            ("${NOPE:-${NADA:-deep}}", Ok("deep")),
            ("${HOST:?needed}", Ok("orders")),
            ("$$", Ok("$")),
            ("$${HOST}", Ok("${HOST}")),
            ("$$$$", Ok("$$")),
            ("${TRICKY}", Ok("a: [b] # ${HOST} $$")),
            ("${NOPE}", Err("variable `NOPE` is not set")),
            ("${NOPE:?give a host}", Err("variable `NOPE` is not set or empty: give a host")),
            ("${EMPTY:?}", Err("variable `EMPTY` is not set or empty")),
            ("${NOPE?gone}", Err("variable `NOPE` is not set: gone")),
            ("${}", Err("expected the name of a variable, found `${}`")),
            ("${1X}", Err("expected the name of a variable, found `${1X}`")),
            ("${HOST:+x}", Err("expected an operator, found `:+x`")),
            ("${NOPE:-${X}", Err("expected `}` after `${`, found `${NOPE:-${X}`")),
            ("${HOST", Err("expected `}` after `${`, found `${HOST`")),
        ] {
            let masked = Masked::new(text).expect(text);
            assert_eq!(masked.text.chars().count(), text.chars().count(), "{text}");
            let found = masked.expand(&masked.text, &variables).map_err(|error| error.message);
            assert_eq!(found, expected.map(|text| Some(text.to_owned())).map_err(str::to_owned), "{text}");
        }
        for plain in ["", "plain", "a$b", "$HOST", "100 $"] {
            let masked = Masked::new(plain).expect(plain);
            assert_eq!(masked.expand(&masked.text, &variables), Ok(None), "{plain}");
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep = format!("{}x{}", "${N:-".repeat(20), "}".repeat(20));
        let masked = Masked::new(&deep).expect("one expression");
        assert!(masked.expand(&masked.text, &variables).is_err());
        let long = "${N:-".repeat(100_000);
        assert!(Masked::new(&long).is_ok());
        assert_eq!(Masked::new(&"$$".repeat(70_000)).map(|_| ()).map_err(|(at, _)| at), Err(2 * 65_534));
        assert_eq!(Masked::new("ab\u{F0001}").map(|_| ()).map_err(|(at, _)| at), Err(2));
    }
}
