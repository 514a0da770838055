//! Which services of a schema the gateway offers.

/// Patterns over full service names: `*` stands for any text, dots included.
///
/// Without patterns every service is exposed but those of gRPC itself (`grpc.*`: reflection, health,
/// channelz), which speak about one backend and mean nothing behind a balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expose {
    patterns: Vec<String>,
}

/// A text that is no pattern over service names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a service name or a pattern such as `shop.v1.*`, found `{0}`")]
pub struct ExposeError(pub String);

impl Expose {
    /// Exposes what matches one of `patterns`; no pattern stands for the default.
    ///
    /// # Errors
    /// An [`ExposeError`] with the first text that could match no service name.
    pub fn new<S: Into<String>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, ExposeError> {
        let patterns: Vec<String> = patterns.into_iter().map(Into::into).collect();
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '*');
        let wrong = |text: &&String| text.is_empty() || !text.chars().all(named);
        match patterns.iter().find(wrong) {
            Some(text) => Err(ExposeError(text.clone())),
            None => Ok(Self { patterns }),
        }
    }

    /// Whether the service of that full name is exposed.
    pub fn matches(&self, service: &str) -> bool {
        if self.patterns.is_empty() {
            return !service.starts_with("grpc.");
        }
        self.patterns.iter().any(|pattern| matches(pattern, service))
    }

    /// The patterns that match none of `services`: most likely a slip of the pen.
    pub(super) fn unmatched<'e>(&'e self, services: &[&str]) -> impl Iterator<Item = &'e str> {
        let lone = |pattern: &&String| !services.iter().any(|service| matches(pattern, service));
        self.patterns.iter().filter(lone).map(String::as_str).collect::<Vec<_>>().into_iter()
    }
}

/// Whether `text` is `pattern` with each `*` replaced by some text. Greedy from the left is enough: the
/// pieces between stars may each take their first place, the last one its last.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) = text.split_once(piece) else { return false };
        text = after;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::Expose;

    #[test]
    fn patterns_match_whole_names() {
        let cases: [(&[&str], &str, bool); 12] = [
            (&[], "shop.v1.Orders", true),
            (&[], "grpc.health.v1.Health", false),
            (&["*"], "grpc.health.v1.Health", true),
            (&["shop.v1.*"], "shop.v1.Orders", true),
            (&["shop.v1.*"], "shop.v1.sub.Orders", true),
            (&["shop.v1.*"], "shop.v2.Orders", false),
            (&["shop.*.Orders"], "shop.v2.Orders", true),
            (&["shop.*.Orders"], "shop.v2.OrdersX", false),
            (&["shop.v1.Orders"], "shop.v1.OrdersX", false),
            (&["a*b*b"], "a.b", false),
            (&["a*b*b"], "a.b.b", true),
            (&["nope", "shop.*"], "shop.v1.Orders", true),
        ];
        for (patterns, service, want) in cases {
            let expose = Expose::new(patterns.iter().copied()).unwrap();
            assert_eq!(expose.matches(service), want, "{patterns:?} {service}");
        }
    }

    #[test]
    fn what_matches_no_name_is_refused() {
        for text in ["", "shop.v1.Orders/Get", "shop v1"] {
            let error = Expose::new([text]).unwrap_err().to_string();
            assert!(error.ends_with(&format!("found `{text}`")), "{error}");
        }
    }
}
