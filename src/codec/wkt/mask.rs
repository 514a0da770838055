//! FieldMask as text (`google/protobuf/field_mask.proto`, section "JSON Encoding of Field Masks").

/// Which spellings of a path are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// lowerCamelCase only, as ProtoJSON has it.
    Json,
    /// `snake_case` as well: what people type into a query string.
    Either,
}

/// Paths in `snake_case` from comma separated text.
///
/// # Errors
/// What was expected of the text.
pub(crate) fn paths_from_text(text: &str, spelling: Spelling) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.bytes().filter(|byte| *byte == b',').count() >= MAX_PATHS {
        return Err(format!("at most {MAX_PATHS} field paths"));
    }
    text.split(',').map(|path| to_snake(path, spelling)).collect()
}

/// Comma separated text in lowerCamelCase.
///
/// # Errors
/// The first path that would not come back as it was: `foo__bar`, `foo_3`, `fooBar`.
pub(crate) fn paths_to_text<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<String, &'a str> {
    let mut text = String::new();
    for (index, path) in paths.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let camel = to_camel(path);
        if to_snake(&camel, Spelling::Json).as_deref() != Ok(path) {
            return Err(path);
        }
        text.push_str(&camel);
    }
    Ok(text)
}

fn to_snake(path: &str, spelling: Spelling) -> Result<String, String> {
    let mut snake = String::with_capacity(path.len() + 4);
    for name in path.split('.') {
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err("field paths in lowerCamelCase separated by commas".to_owned());
        }
        if !snake.is_empty() {
            snake.push('.');
        }
        for letter in name.chars() {
            match letter {
                'A'..='Z' => snake.extend(['_', letter.to_ascii_lowercase()]),
                'a'..='z' | '0'..='9' => snake.push(letter),
                '_' if spelling == Spelling::Either => snake.push('_'),
                _ => return Err("field paths in lowerCamelCase separated by commas".to_owned()),
            }
        }
    }
    Ok(snake)
}

fn to_camel(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut raise = false;
    for letter in path.chars() {
        match letter {
            '_' if !raise => raise = true,
            _ if raise => {
                camel.push(letter.to_ascii_uppercase());
                raise = false;
            }
            _ => camel.push(letter),
        }
    }
    if raise {
        camel.push('_');
    }
    camel
}

/// Paths of one mask: far more than a message has fields worth naming, far fewer than a body holds.
pub(crate) const MAX_PATHS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_change_case_both_ways() {
        for (text, paths) in [
            ("", &[][..]),
            ("foo", &["foo"]),
            ("fooBar,baz.quxQuux", &["foo_bar", "baz.qux_quux"]),
            ("a1,b2C", &["a1", "b2_c"]),
        ] {
            let read = paths_from_text(text, Spelling::Json).expect(text);
            assert_eq!(read, paths);
            assert_eq!(paths_to_text(paths.iter().copied()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["foo_bar", "a..b", ".a", "a.", ",", "a,", " a", "a b", "a-b", "1a", "a.\u{e9}"] {
            assert!(paths_from_text(text, Spelling::Json).is_err(), "{text}");
        }
        assert!(paths_from_text(&"a,".repeat(MAX_PATHS), Spelling::Json).is_err());
        assert_eq!(
            paths_from_text(&vec!["a"; MAX_PATHS].join(","), Spelling::Json).map(|p| p.len()),
            Ok(MAX_PATHS)
        );
    }

    #[test]
    fn a_query_may_use_either_case() {
        assert_eq!(
            paths_from_text("foo_bar,fooBar", Spelling::Either),
            Ok(vec!["foo_bar".into(), "foo_bar".into()])
        );
    }

    #[test]
    fn paths_that_would_change_are_not_printed() {
        for path in ["foo__bar", "foo_3_bar", "fooBar", "foo_", "_foo", "", "a.", "a*"] {
            assert_eq!(paths_to_text([path]), Err(path));
        }
    }
}
