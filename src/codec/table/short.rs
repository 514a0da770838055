//! Names of enum values without the name of their type.
//!
//! In protobuf the values of an enum stand beside it and not in it, so style guides have them begin with the
//! name of their type: `ORDER_STATUS_PAID` of `OrderStatus`. In JSON that says nothing. The prefix is the name
//! of the type in capitals, its underscores wherever they are: `HTTP2_MODE_` and `HTTP_2_MODE_` are both that
//! of `Http2Mode`, and no two tools agree on which.

use std::collections::HashMap;

use prost_reflect::EnumDescriptor;

/// The short name of each value in the order of the `.proto` file, `None` where the value keeps its whole
/// name: it has no such prefix, or what is left is not a name, or one that another value has in any case.
pub(super) fn short_names(desc: &EnumDescriptor) -> Vec<Option<&str>> {
    let values = &desc.enum_descriptor_proto().value;
    let shorts: Vec<Option<&str>> =
        values.iter().map(|value| without_prefix(value.name(), desc.name())).collect();
    let mut taken: HashMap<String, usize> = HashMap::new();
    for (value, short) in values.iter().zip(&shorts) {
        *taken.entry(value.name().to_ascii_lowercase()).or_default() += 1;
        if let Some(short) = short {
            *taken.entry(short.to_ascii_lowercase()).or_default() += 1;
        }
    }
    let unique = |name: &&str| taken.get(&name.to_ascii_lowercase()) == Some(&1);
    shorts.into_iter().map(|short| short.filter(unique)).collect()
}

/// What follows the name of the type and an underscore, if that can be taken for a name.
fn without_prefix<'v>(value: &'v str, of: &str) -> Option<&'v str> {
    let mut rest = value.trim_start_matches('_');
    for letter in of.chars().filter(|letter| *letter != '_') {
        rest = rest.trim_start_matches('_').strip_prefix(letter.to_ascii_uppercase())?;
    }
    let short = rest.strip_prefix('_')?.trim_start_matches('_');
    (!short.is_empty() && !short.starts_with(|first: char| first.is_ascii_digit())).then_some(short)
}

#[cfg(test)]
mod tests {
    use prost_reflect::{
        DescriptorPool,
        prost_types::{
            EnumDescriptorProto, EnumOptions, EnumValueDescriptorProto, FileDescriptorProto,
            FileDescriptorSet,
        },
    };

    use super::*;

    #[test]
    fn the_prefix_is_the_name_of_the_type_in_capitals() {
        for (of, value, short) in [
            ("Color", "COLOR_RED", Some("RED")),
            ("OrderStatus", "ORDER_STATUS_PAID_IN_FULL", Some("PAID_IN_FULL")),
            ("HTTPMethod", "HTTP_METHOD_GET", Some("GET")),
            ("Http2Mode", "HTTP2_MODE_ON", Some("ON")),
            ("Http2Mode", "HTTP_2_MODE_ON", Some("ON")),
            ("order_status", "ORDER_STATUS_PAID", Some("PAID")),
            ("Color", "COLOR__RED", Some("RED")),
            ("Color", "COLORED", None),
            ("Color", "COLOR_", None),
            ("Color", "COLOR", None),
            ("Color", "color_red", None),
            ("Color", "RED", None),
            ("Resolution", "RESOLUTION_4K", None),
        ] {
            assert_eq!(without_prefix(value, of), short, "{of} {value}");
        }
    }

    #[test]
    fn a_short_name_is_that_of_one_value() {
        let names =
            ["COLOR_RED", "RED", "COLOR_BLUE", "COLOR__BLUE", "COLOR_Green", "COLOR_GREEN", "COLOR_GREY"];
        let value = |(number, name): (i32, &str)| EnumValueDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            options: None,
        };
        let color = EnumDescriptorProto {
            name: Some("Color".to_owned()),
            value: (0..).zip(names).map(value).collect(),
            options: Some(EnumOptions::default()),
            ..EnumDescriptorProto::default()
        };
        let file = FileDescriptorProto {
            name: Some("color.proto".to_owned()),
            syntax: Some("proto3".to_owned()),
            enum_type: vec![color],
            ..FileDescriptorProto::default()
        };
        let pool = DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: vec![file] });
        let color = pool.expect("a pool").get_enum_by_name("Color").expect("an enum");
        assert_eq!(short_names(&color), [None, None, None, None, None, None, Some("GREY")]);
    }
}
