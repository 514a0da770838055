//! The routing rules, named after the rules of `google.api.http` implementations that get them wrong.

mod choice;
mod many;
mod paths;

use super::{Miss, Options, Table, Template};

fn table(routes: &[&str]) -> Table<String> {
    table_with(Options::default(), routes)
}

fn table_with(options: Options, routes: &[&str]) -> Table<String> {
    let mut table = Table::with_options(options);
    for route in routes {
        let (method, template) = route.split_once(' ').unwrap();
        let template = Template::parse(template).unwrap();
        table.insert(method, template, format!("{route} in the test"), (*route).to_owned()).unwrap();
    }
    table
}

/// The answer as one line: the route and its captures, or the miss.
fn ask(table: &Table<String>, request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    match table.lookup(method, path) {
        Ok(found) => {
            let mut shown = found.value.clone();
            for capture in &found.captures {
                let name = found.template.variables()[capture.variable].field_path().join(".");
                shown.push_str(&format!(" {name}={:?}", capture.value));
            }
            shown
        }
        Err(Miss::NotFound) => "404".to_owned(),
        Err(Miss::MethodNotAllowed(allow)) => format!("405 {allow}"),
        Err(Miss::BadPath(_)) => "400".to_owned(),
        Err(Miss::Redirect(path)) => format!("308 {path}"),
    }
}

#[track_caller]
fn check(routes: &[&str], cases: &[(&str, &str)]) {
    check_with(Options::default(), routes, cases);
}

#[track_caller]
fn check_with(options: Options, routes: &[&str], cases: &[(&str, &str)]) {
    let table = table_with(options, routes);
    for (request, want) in cases {
        assert_eq!(ask(&table, request), *want, "{request} on {routes:?}");
    }
}
