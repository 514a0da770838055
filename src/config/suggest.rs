//! "Did you mean": the known word nearest to the one found.

/// The candidate within two edits of `found`, the nearest first; one edit for words of three letters
/// and fewer, where two would match nearly anything. A swap of neighbours is one edit.
pub(super) fn closest<'c>(found: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let letters = found.chars().take(LONGEST_WORD + 1).count();
    if letters > LONGEST_WORD {
        return None;
    }
    let found = found.to_lowercase();
    let limit = if letters <= 3 { 1 } else { 2 };
    candidates
        .iter()
        .map(|candidate| (strsim::osa_distance(&found, &candidate.to_lowercase()), *candidate))
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

/// No key is longer; longer words are not worth comparing.
const LONGEST_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        let known = ["connect_timeout", "target", "required"];
        for (found, expected) in [
            ("conect_timeout", Some("connect_timeout")),
            ("connectTimeout", Some("connect_timeout")),
            ("TARGET", Some("target")),
            ("requierd", Some("required")),
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
