//! `rest`, and `policies[].rest`.

use http::StatusCode;

use crate::config::document::{Content, Entry};
use crate::config::keys::{PRINT_OPTIONS, REST, STREAMING};
use crate::config::problems::Problems;
use crate::config::suggest::{closest, did_you_mean};
use crate::config::table::{Table, describe, list, read as read_value};
use crate::config::value::{Invalid, choice, number, optional_duration, quoted, switch};
use crate::config::{ErrorFormat, ParameterName, Rest, RestRule, StreamFormat, TrailingSlash, UrlUnescape};
use crate::grpc::{Code, code};

/// The block `rest` of the file.
pub(super) fn read(root: &Table<'_>, problems: &mut Problems) -> Rest {
    let mut rest = Rest::default();
    let Some(table) = root.table("rest", &REST, problems) else { return rest };
    table.set("auto_mapping", &mut rest.auto_mapping, problems, switch);
    table.set("url_unescape_spec", &mut rest.url_unescape_spec, problems, |text| {
        choice(
            text,
            &[
                ("all_characters_except_reserved", UrlUnescape::AllCharactersExceptReserved),
                ("all_characters_except_slash", UrlUnescape::AllCharactersExceptSlash),
                ("all_characters", UrlUnescape::AllCharacters),
            ],
        )
    });
    table.set("trailing_slash", &mut rest.trailing_slash, problems, |text| {
        choice(
            text,
            &[
                ("strict", TrailingSlash::Strict),
                ("ignore", TrailingSlash::Ignore),
                ("redirect", TrailingSlash::Redirect),
            ],
        )
    });
    table.set("merge_slashes", &mut rest.merge_slashes, problems, switch);
    table.set("reject_dot_segments", &mut rest.reject_dot_segments, problems, switch);
    rest.methods = rule(&table, problems);
    rest
}

/// The block `rest` of an entry of `policies`.
pub(super) fn of_methods(policy: &Table<'_>, problems: &mut Problems) -> RestRule {
    let Some(table) = policy.table("rest", &REST, problems) else { return RestRule::default() };
    for key in OF_THE_GATEWAY {
        if let Some(entry) = table.entry(key) {
            let message =
                format!("`{key}` holds for the whole gateway: a path is read before its method is known");
            problems.error(entry.span, message, Some(format!("set `{key}` in the block `rest`")));
        }
    }
    rule(&table, problems)
}

fn rule(table: &Table<'_>, problems: &mut Problems) -> RestRule {
    let mut rule = RestRule::default();
    {
        let mut set = |key, place: &mut Option<bool>| *place = table.read(key, problems, switch);
        set("ignore_unknown_query_parameters", &mut rule.ignore_unknown_query_parameters);
        set("query_param_unescape_plus", &mut rule.query_param_unescape_plus);
        set("reject_duplicate_query_parameters", &mut rule.reject_duplicate_query_parameters);
        set("reject_binding_collisions", &mut rule.reject_binding_collisions);
        set("reject_unexpected_body", &mut rule.reject_unexpected_body);
        set("require_content_type", &mut rule.require_content_type);
        set("fill_update_mask", &mut rule.fill_update_mask);
        set("bind_every_message", &mut rule.bind_every_message);
        set("reject_unknown_json_fields", &mut rule.reject_unknown_json_fields);
        set("reject_unknown_json_enums", &mut rule.reject_unknown_json_enums);
        set("reject_duplicate_json_keys", &mut rule.reject_duplicate_json_keys);
        set("case_insensitive_enum_parsing", &mut rule.case_insensitive_enum_parsing);
    }
    if let Some(entry) = table.entry("ignored_query_parameters") {
        let names = list(&entry.value, "ignored_query_parameters", problems).iter();
        let read =
            names.filter_map(|node| read_value(node, "ignored_query_parameters", problems, parameter_name));
        rule.ignored_query_parameters = Some(read.collect());
    }
    rule.max_json_depth = table.read("max_json_depth", problems, |text| number(text, 1..=100));
    rule.max_json_values = table.read("max_json_values", problems, |text| number(text, 1..=10_000_000));
    rule.error_format = table.read("error_format", problems, |text| {
        choice(
            text,
            &[
                ("status", ErrorFormat::Status),
                ("aip193", ErrorFormat::Aip193),
                ("problem_json", ErrorFormat::ProblemJson),
            ],
        )
    });
    print_options(table, &mut rule, problems);
    streaming(table, &mut rule, problems);
    rule.http_status = table.entry("http_status").map(|entry| http_status(entry, problems));
    rule
}

fn print_options(table: &Table<'_>, rule: &mut RestRule, problems: &mut Problems) {
    let Some(table) = table.table("print_options", &PRINT_OPTIONS, problems) else { return };
    let mut set = |key, place: &mut Option<bool>| *place = table.read(key, problems, switch);
    set("always_print_primitive_fields", &mut rule.always_print_primitive_fields);
    set("always_print_enums_as_ints", &mut rule.always_print_enums_as_ints);
    set("preserve_proto_field_names", &mut rule.preserve_proto_field_names);
    set("add_whitespace", &mut rule.add_whitespace);
    set("print_int64_as_numbers", &mut rule.print_int64_as_numbers);
    set("strip_enum_prefixes", &mut rule.strip_enum_prefixes);
}

fn streaming(table: &Table<'_>, rule: &mut RestRule, problems: &mut Problems) {
    let Some(table) = table.table("streaming", &STREAMING, problems) else { return };
    rule.stream_format = table.read("default", problems, stream_format);
    rule.sse_keep_alive = table.read("sse_keep_alive", problems, optional_duration);
    rule.wrap_messages = table.read("wrap_messages", problems, switch);
    let Some(entry) = table.entry("offer") else { return };
    let elements = list(&entry.value, "offer", problems);
    if elements.is_empty() && matches!(entry.value.content, Content::List(_) | Content::Null) {
        let help = "leave the key out to offer all of them";
        problems.error(entry.span, "offer: expected at least one format, found none", Some(help.into()));
    }
    let formats = elements.iter().filter_map(|node| read_value(node, "offer", problems, stream_format));
    rule.offered_stream_formats = Some(formats.collect());
}

fn http_status(entry: &Entry, problems: &mut Problems) -> Vec<(Code, StatusCode)> {
    let mut statuses = Vec::new();
    let entries: &[Entry] = match &entry.value.content {
        Content::Table(entries) => entries,
        Content::Null | Content::Broken => &[],
        Content::Scalar(_) | Content::List(_) => {
            let message = format!("http_status: expected a table, found {}", describe(&entry.value));
            problems.error(
                entry.value.span,
                message,
                Some("write `FAILED_PRECONDITION: 412` below it".into()),
            );
            &[]
        }
    };
    for entry in entries {
        let named = code::by_name(&entry.key).filter(|code| *code != Code::Ok);
        let status = read_value(&entry.value, &entry.key, problems, |text| number::<u16>(text, 400..=599));
        let Some(code) = named else {
            let names: Vec<&str> = (1..=16).map(|code| code::name(Code::from_i32(code))).collect();
            let message = format!(
                "expected the name of an error code, found {}{}",
                quoted(&entry.key),
                did_you_mean(closest(&entry.key, &names))
            );
            problems.error(entry.span, message, Some("write it as `NOT_FOUND`".into()));
            continue;
        };
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        statuses.extend(status.map(|status| (code, status)));
    }
    statuses
}

fn stream_format(text: &str) -> Result<StreamFormat, Invalid> {
    choice(
        text,
        &[
            ("json_array", StreamFormat::JsonArray),
            ("ndjson", StreamFormat::Ndjson),
            ("sse", StreamFormat::Sse),
        ],
    )
}

fn parameter_name(text: &str) -> Result<ParameterName, Invalid> {
    let (name, prefix) = match text.strip_suffix('*') {
        Some(name) => (name, true),
        None => (text, false),
    };
    if text.is_empty() || name.contains('*') {
        let wrong = Invalid::new(format!("expected the name of a query parameter, found {}", quoted(text)));
        return Err(wrong.help("a star stands at the end, as in `utm_*`"));
    }
    Ok(if prefix { ParameterName::Prefix(name.to_owned()) } else { ParameterName::Exact(name.to_owned()) })
}

/// The keys that no method can have for itself.
const OF_THE_GATEWAY: [&str; 5] =
    ["auto_mapping", "url_unescape_spec", "trailing_slash", "merge_slashes", "reject_dot_segments"];
