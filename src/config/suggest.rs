//! "Did you mean": the known word nearest to the one found.

/// The candidate within two edits of `found`, the nearest first; one edit for words of three letters
/// and fewer, where two would match nearly anything.
pub(super) fn closest<'c>(found: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let found: Vec<char> = found.to_lowercase().chars().take(LONGEST_WORD + 1).collect();
    if found.len() > LONGEST_WORD {
        return None;
    }
    let limit = if found.len() <= 3 { 1 } else { 2 };
    candidates
        .iter()
        .map(|candidate| {
            (distance(&found, &candidate.to_lowercase().chars().collect::<Vec<_>>()), *candidate)
        })
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The end of a message: `, did you mean `x`?`, or nothing.
pub(super) fn did_you_mean(candidate: Option<&str>) -> String {
    candidate.map(|candidate| format!(", did you mean `{candidate}`?")).unwrap_or_default()
}

/// The words as a choice: `` `a` ``, `` `a` or `b` ``, `` `a`, `b` or `c` ``.
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".into(),
        [only] => format!("`{only}`"),
        [head @ .., last] => {
            let head: Vec<String> = head.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", head.join(", "))
        }
    }
}

/// Damerau-Levenshtein distance in its optimal string alignment form: insert, delete, replace, and swap
/// of neighbours, each one edit.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut left_of = None;
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        let mut above_of = None;
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut edits =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if j > 0 && left_of == Some(y) && above_of == Some(x) {
                edits = edits.min(at(&before, j - 1) + 1);
            }
            row.push(edits);
            above_of = Some(y);
        }
        left_of = Some(x);
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

/// No key is longer; longer words are not worth comparing.
const LONGEST_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("conect", "connect", 1),
            ("tiemout", "timeout", 1),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
        ] {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&chars(a), &chars(b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn suggestions() {
        let known = ["connect_timeout", "target", "required"];
        for (found, expected) in [
            ("conect_timeout", Some("connect_timeout")),
            ("connectTimeout", Some("connect_timeout")),
            ("TARGET", Some("target")),
            ("tagret", Some("target")),
            ("address", None),
            ("tar", None),
            ("", None),
        ] {
            assert_eq!(closest(found, &known), expected, "{found}");
        }
        assert_eq!(closest(&"x".repeat(100_000), &known), None);
    }
}
