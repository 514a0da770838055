//! The pages for people, held to the tree and to the code: paths, links, rooms, tables and examples.

use std::fs;
use std::path::{Path, PathBuf};

use edgeway::config::{self, Flags};
use edgeway::grpc::{Code, code};

#[test]
fn paths_in_backticks_exist() {
    for page in PAGES {
        let text = read(page);
        let mut checked = 0;
        for Word { line, room, text } in words(&text) {
            let (path, test) = text.split_once("::").unwrap_or((text, ""));
            // Outside of a room's section a bare name is a pattern of names: `mod.rs`.
            if !is_path(path) || (room.is_none() && path.ends_with(".rs") && !path.contains('/')) {
                continue;
            }
            checked += 1;
            let in_room = room.map(|room| root().join("src").join(room).join(path));
            let found = in_room.into_iter().chain([root().join(path)]).find(|path| path.exists());
            let Some(found) = found else { panic!("{page}:{line}: there is no `{path}`") };
            if path.ends_with(".rs") && !test.is_empty() {
                let source = fs::read_to_string(&found).expect("a source file can be read");
                assert!(
                    source.contains(&format!("fn {test}(")),
                    "{page}:{line}: `{path}` has no function `{test}`"
                );
            }
        }
        assert!(checked >= 2, "{page}: found only {checked} paths, are they still in backticks?");
    }
}

#[test]
fn links_lead_somewhere() {
    for page in PAGES {
        for (number, line) in prose(&read(page)) {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let file = target.split('#').next().unwrap_or_default();
                let outside = target.contains("://");
                let folder = root().join(page).parent().map(Path::to_owned).unwrap_or_default();
                assert!(
                    outside || file.is_empty() || folder.join(file).exists(),
                    "{page}:{number}: the link to `{target}` leads nowhere"
                );
            }
        }
    }
}

#[test]
fn every_room_has_its_paragraph_in_order() {
    let lib = read("src/lib.rs");
    let rooms: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(rooms.len() > 10, "found only {rooms:?} in src/lib.rs");
    let page = read("ARCHITECTURE.md");
    let told: Vec<&str> = page.lines().filter_map(room_of_heading).collect();
    assert_eq!(told, rooms, "ARCHITECTURE.md tells of the rooms of src/lib.rs, in their order");
    for room in rooms {
        let (_, below) = page.split_once(&format!("### `{room}`\n")).expect("the heading was just found");
        let paragraph = below.trim_start().split("\n\n").next().unwrap_or_default();
        assert!(
            paragraph.len() > 60 && !paragraph.starts_with(['#', '*']),
            "ARCHITECTURE.md: `{room}` has no paragraph"
        );
    }
}

#[test]
fn configurations_load() {
    let flags = Flags { config: Some(root().join("deploy/edgeway/edgeway.yaml")), ..Flags::default() };
    let composed = config::load(&flags, &|_| None).expect("the configuration of docker-compose.yml");
    assert!(composed.warnings.is_empty(), "{:?}", composed.warnings);
    for page in ["README.md", "docs/routing.md"] {
        configurations_of(page);
    }
}

fn configurations_of(page: &str) {
    let text = read(page);
    let blocks = blocks(&text, "yaml");
    assert!(blocks.len() >= 2, "found only {} configurations in {page}", blocks.len());
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (line, yaml) in blocks {
        let file = folder.path().join(format!("line-{line}.yaml"));
        fs::write(&file, yaml).expect("the folder can be written to");
        let flags = Flags { config: Some(file), ..Flags::default() };
        match config::load(&flags, &|_| None) {
            Ok(loaded) => {
                assert!(loaded.warnings.is_empty(), "{page}:{line}: {:?}", loaded.warnings);
            }
            Err(report) => panic!("{page}:{line}: {report}"),
        }
    }
}

#[test]
fn the_table_of_codes_is_the_one_in_use() {
    let page = read("README.md");
    let mut told = [None; 17];
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        for pair in cells.windows(2) {
            let [name, http] = pair else { continue };
            let (Some((number, word)), Ok(http)) = (name.split_once(' '), http.parse::<u16>()) else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else { continue };
            let metric = code::label(Code::from(i32::try_from(number).expect("a small number")));
            let same = |text: &str| text.replace('_', "").to_lowercase();
            // Metrics spell CANCELLED as grpc-go does, with one L.
            assert!(same(word) == same(metric) || number == 1, "README.md: {number} is {metric}, not {word}");
            told[number] = Some(http);
        }
    }
    for (number, told) in (0..).zip(told) {
        let used = code::to_http(Code::from(number)).as_u16();
        assert_eq!(told, Some(used), "README.md: the HTTP status of code {number}");
    }
}

#[test]
fn every_rule_of_transcoding_names_its_tests() {
    let page = read("docs/rest-rules.md");
    let mut rules: Vec<(usize, usize)> = Vec::new();
    for line in page.lines() {
        let number = line.split_once(". ").and_then(|(number, _)| number.parse().ok());
        match (number, rules.last_mut()) {
            (Some(number), _) => rules.push((number, 0)),
            (None, Some((_, tests))) if line.starts_with("   - `") && line.contains("::") => *tests += 1,
            (None, _) => {}
        }
    }
    assert_eq!(rules.len(), 55, "docs/rest-rules.md");
    for (expected, (number, tests)) in (1..).zip(rules) {
        assert_eq!(number, expected, "docs/rest-rules.md: rules stand in their order");
        assert!(tests > 0, "docs/rest-rules.md: rule {number} names no test");
    }
}

#[test]
fn lines_fit() {
    for page in PAGES {
        for (line, number) in read(page).lines().zip(1..) {
            let columns = line.chars().count();
            // What was measured is a row of a table, which Markdown has on one line.
            if page == "docs/resilience.md" && line.starts_with('|') {
                continue;
            }
            assert!(columns <= 120, "{page}:{number}: {columns} columns, expected at most 120");
        }
    }
}

/// What stands in backticks.
struct Word<'t> {
    line: usize,
    /// The room under whose heading it stands.
    room: Option<&'t str>,
    text: &'t str,
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut room = None;
    for (number, line) in prose(text) {
        if line.starts_with('#') {
            room = room_of_heading(line);
        }
        let quoted = line.split('`').skip(1).step_by(2);
        words.extend(quoted.map(|text| Word { line: number, room, text }));
    }
    words
}

fn room_of_heading(line: &str) -> Option<&str> {
    line.strip_prefix("### `")?.strip_suffix('`')
}

/// The lines outside of code blocks, by number.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let outside = |line: &&str| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    let lines: Vec<_> = text.lines().collect();
    let kept: Vec<bool> = lines.iter().map(outside).collect();
    (1..).zip(lines).zip(kept).filter_map(|(line, kept)| kept.then_some(line)).collect()
}

/// The code blocks of a language, by the number of their first line.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Vec<&'t str>)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => {
                blocks.extend(open.take().map(|(first, lines)| (first, lines.join("\n") + "\n")));
            }
            (Some((_, lines)), None) => lines.push(line),
            (None, Some(opened)) if opened == language => open = Some((number + 1, Vec::new())),
            (None, _) => {}
        }
    }
    blocks
}

/// Whether a word means a file or folder of the repository: by its ending, or by where it begins.
fn is_path(word: &str) -> bool {
    let plain = !word.is_empty()
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'));
    let first = word.split('/').next().unwrap_or_default();
    let of_the_tree = word.contains('/') && FOLDERS.contains(&first);
    plain && !word.starts_with('/') && (of_the_tree || ENDINGS.iter().any(|ending| word.ends_with(ending)))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("cannot read {file}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

const PAGES: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/rest-rules.md", "docs/resilience.md"];

const FOLDERS: [&str; 8] = [".ci", "bench", "docs", "proto", "scripts", "src", "tests", "web-demo"];

/// Not `.yaml`, which is what operators have, nor `.proto` and `.binpb`, which are theirs as well.
const ENDINGS: [&str; 5] = [".rs", ".md", ".toml", ".py", ".sh"];
