//! The seeds of the fuzz target `query`, replayed without a fuzzer: what was found once is never lost again.

#[path = "../fuzz/src/query.rs"]
mod query;
#[path = "support/seeds.rs"]
mod seeds;

#[test]
fn query() {
    seeds::replay("query", 5, query::holds);
}
