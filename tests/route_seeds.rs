//! What the fuzz targets of `route` begin with, and what they once found, under an ordinary compiler.

#[path = "../fuzz/src/route.rs"]
mod route;
#[path = "support/seeds.rs"]
mod seeds;

#[test]
fn template() {
    seeds::replay("template", 5, route::template);
}

#[test]
fn route() {
    seeds::replay("route", 5, route::route);
}
