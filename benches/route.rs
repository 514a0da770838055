//! What finding a route costs among 10 and among 10,000 of them: literals, captures, verbs, `**` with and without a
//! tail, and a miss. Each batch asks for routes all over the table.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use edgeway::route::{Table, Template};

/// Five routes for each index.
const SHAPES: [&str; 5] =
    ["/v1/r#/{id}", "/v1/r#/{id}:cancel", "/v1/{parent}/s#", "/t#/{name=**}", "/u/{name=**}/w#"];

/// A request for each of them, and one that has no route.
const PATHS: [&str; 6] =
    ["/v1/r#/order-7", "/v1/r#/order-7:cancel", "/v1/x/s#", "/t#/a/b/c", "/u/a/b/c/w#", "/v1/r#"];

fn table(routes: usize) -> Table<usize> {
    let mut table = Table::new();
    for index in 0..routes / SHAPES.len() {
        for shape in SHAPES {
            let template = Template::parse(&shape.replace('#', &index.to_string())).expect("a template");
            table.insert("GET", template, "the benchmark", index).expect("no conflict");
        }
    }
    table
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    for routes in [10, 10_000] {
        let table = table(routes);
        let indices = routes / SHAPES.len();
        // A step that shares no divisor with the table's size, so that a batch wanders over all of it.
        let paths: Vec<String> = (0..1_000)
            .flat_map(|at| PATHS.map(|path| path.replace('#', &(at * 7_919 % indices).to_string())))
            .collect();
        group.throughput(Throughput::Elements(u64::try_from(paths.len()).unwrap_or_default()));
        group.bench_function(format!("{routes}_routes"), |bencher| {
            bencher.iter(|| {
                for path in &paths {
                    let _ = black_box(table.lookup("GET", black_box(path)));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(lookups, benches);
criterion_main!(lookups);
