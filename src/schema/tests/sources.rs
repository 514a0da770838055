//! Sets that are merged.

use super::{build, compile, faults, only, orders, rules};
use crate::schema::DescriptorSet;

#[test]
fn built_in_files_fill_in_what_a_set_leaves_out() {
    let bare = only(&orders(), &["shop/v1/orders.proto", "shop/v1/money.proto"]);
    let schema = build(std::slice::from_ref(&bare)).unwrap();
    assert_eq!(rules(&schema).len(), 5);
    for name in ["google.rpc.BadRequest", "google.rpc.Status", "google.api.HttpBody", "google.protobuf.Any"] {
        assert!(schema.pool().get_message_by_name(name).is_some(), "{name}");
    }
    // What a schema gives out is complete and builds again to the same.
    let again = build(&[DescriptorSet::new("again", schema.set().clone())]).unwrap();
    assert_eq!(again.digest(), schema.digest());
}

#[test]
fn a_vendored_copy_under_another_name_is_no_clash() {
    let vendored = [
        (
            "vendor/google/rpc/status.proto",
            "syntax = \"proto3\"; package google.rpc; message Status { int32 code = 1; }",
        ),
        (
            "a.proto",
            "syntax = \"proto3\"; import \"vendor/google/rpc/status.proto\"; message A { google.rpc.Status s = 1; }",
        ),
    ];
    let schema = build(&[compile("a", &vendored, true)]).unwrap();
    assert_eq!(schema.pool().get_message_by_name("google.rpc.Status").unwrap().fields().len(), 1);
    assert!(schema.pool().get_message_by_name("google.rpc.BadRequest").is_some());
}

#[test]
fn sets_are_merged_in_order_and_the_first_definition_wins() {
    let file = |field: &str| format!("syntax = \"proto3\"; message A {{ string {field} = 1; }}");
    let one = compile("one", &[("a.proto", &file("first"))], true);
    let two = compile(
        "two",
        &[("a.proto", &file("second")), ("b.proto", "syntax = \"proto3\"; message B {}")],
        true,
    );
    for (sets, want) in [([one.clone(), two.clone()], "first"), ([two, one], "second")] {
        let schema = build(&sets).unwrap();
        let message = schema.pool().get_message_by_name("A").unwrap();
        assert!(message.get_field_by_name(want).is_some(), "{want}");
        assert!(schema.pool().get_message_by_name("B").is_some());
    }
}

#[test]
fn files_may_come_in_any_order() {
    let set = orders();
    let mut files = crate::schema::set::files(&set.bytes).unwrap();
    files.reverse();
    let reversed = DescriptorSet::new("reversed", crate::schema::set::encode(&files));
    assert_ne!(reversed.bytes, set.bytes);
    assert_eq!(reversed.digest(), set.digest());
    assert_eq!(build(&[reversed]).unwrap().digest(), build(&[set]).unwrap().digest());
}

#[test]
fn digests_tell_sets_apart() {
    let digest = |text: &str| compile("a", &[("a.proto", text)], true).digest();
    let one = digest("syntax = \"proto3\"; message A {}");
    assert_eq!(one, digest("syntax = \"proto3\"; message A {}"));
    assert_ne!(one, digest("syntax = \"proto3\"; message B {}"));
    assert_eq!(one.to_string().len(), 16);
    assert_ne!(DescriptorSet::new("", "x").digest(), DescriptorSet::new("", "y").digest());
}

#[test]
fn a_missing_import_is_named_with_the_way_out() {
    let bare = only(&orders(), &["shop/v1/orders.proto"]);
    assert_eq!(
        faults(&[bare]),
        ["shop/v1/orders.proto imports shop/v1/money.proto, which is in none of the sources: compile with \
          --include_imports"]
    );
}
