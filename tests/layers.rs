//! The house rules that a compiler does not know: who may import whom, what a pure room may not name, and how
//! files are laid out.
//!
//! The order of the rooms is that of the `pub mod` lines in `src/lib.rs`. Sources are read as tokens, so that
//! comments, strings and line breaks do not matter.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

#[test]
fn rooms_import_only_rooms_above_them() {
    let rooms = rooms(&read(&source_root().join("lib.rs")));
    assert!(rooms.len() > 10, "found only {rooms:?} in src/lib.rs");
    report(|path, text| wrong_imports(&rooms, path, text));
}

#[test]
fn pure_rooms_know_no_clock_and_no_outside() {
    report(impure_names);
}

#[test]
fn files_are_short() {
    report(too_long);
}

#[test]
fn rooms_are_folders_with_a_mod_rs() {
    report(|path, _| {
        let folder = source_root().join(path).with_extension("");
        misplaced(path, folder.is_dir())
    });
    let rooms = rooms(&read(&source_root().join("lib.rs")));
    for room in rooms {
        let file = source_root().join(&room).join("mod.rs");
        assert!(file.is_file(), "src/lib.rs: `{room}` is no folder with a mod.rs, make it one");
    }
}

/// Runs `check` on every file under `src`, by its path below it, and fails with all it found.
fn report(check: impl Fn(&str, &str) -> Vec<Finding>) {
    let root = source_root();
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 10, "found only {} files under {}", files.len(), root.display());
    let mut findings = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).expect("collected below it").to_string_lossy().replace('\\', "/");
        let found = check(&path, &read(&file));
        findings.extend(
            found.into_iter().map(|finding| format!("src/{path}:{}: {}", finding.line, finding.text)),
        );
    }
    findings.sort();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[derive(Debug, PartialEq)]
struct Finding {
    line: usize,
    text: String,
}

/// The rooms in their order: the `pub mod` lines of `lib.rs`.
fn rooms(lib: &str) -> Vec<String> {
    let tokens = tokens(lib);
    tokens
        .windows(3)
        .filter_map(|window| match window {
            [public, module, name] if public.text == "pub" && module.text == "mod" => Some(name.text.clone()),
            _ => None,
        })
        .collect()
}

/// Names of rooms that stand below the file's own, and names under `crate` that are no room.
fn wrong_imports(rooms: &[String], path: &str, text: &str) -> Vec<Finding> {
    let place = |name: &str| rooms.iter().position(|room| room == name);
    let own = path.split('/').next().unwrap_or_default();
    // `lib.rs` declares the rooms and `main.rs` stands outside: neither is in one.
    let Some(own_place) = place(own) else { return Vec::new() };
    let mut findings = Vec::new();
    for name in names(text) {
        let Some(reached) = from_crate_root(&name, path) else { continue };
        let finding = match place(reached) {
            Some(other) if other <= own_place => continue,
            Some(_) => format!(
                "room `{own}` names `{reached}`, which stands below it in src/lib.rs; move the code down, or what \
                 it needs up"
            ),
            None => format!("`crate::{reached}` is no room; name an item by the room it lives in"),
        };
        findings.push(Finding { line: name.line, text: finding });
    }
    findings
}

/// What `name` reaches below the crate's root: after `crate`, or after enough `super` to leave the room.
fn from_crate_root<'a>(name: &'a Name, path: &str) -> Option<&'a str> {
    if name.is(0, "crate") {
        return name.segments.get(1).map(String::as_str);
    }
    let supers = name.segments.iter().take_while(|segment| *segment == "super").count();
    // `room/mod.rs` is the module `room`, `room/file.rs` is `room::file`.
    let below_root = path.trim_end_matches("/mod.rs").split('/').count() + name.inline_mods;
    if supers >= below_root { name.segments.get(supers).map(String::as_str) } else { None }
}

/// What needs a runtime, a clock or the process around it, named in a room that is to work without.
fn impure_names(path: &str, text: &str) -> Vec<Finding> {
    let pure = PURE_ROOMS.iter().any(|room| path.starts_with(room))
        && !PURE_EXCEPT.iter().any(|except| path.starts_with(except));
    if !pure {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for name in names(text) {
        if let Some(impure) = IMPURE.iter().find(|impure| name.reaches(impure)) {
            let impure = impure.join("::");
            findings.push(Finding {
                line: name.line,
                text: format!(
                    "a pure room names `{impure}`; take the value as an argument, or move the code to a room that \
                     does input and output"
                ),
            });
        }
    }
    findings
}

fn too_long(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    if lines <= MAX_LINES || path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let text =
        format!("{lines} lines, a file has {MAX_LINES} at most; split it where its second idea begins");
    vec![Finding { line: MAX_LINES + 1, text }]
}

/// Files that lie where none should: beside a folder of the same name, or outside the rooms.
fn misplaced(path: &str, folder_beside: bool) -> Vec<Finding> {
    let finding = |text: &str| vec![Finding { line: 1, text: text.to_owned() }];
    match path.rsplit_once('/') {
        None if !["lib.rs", "main.rs"].contains(&path) => finding("no room; make it a folder with a mod.rs"),
        _ if folder_beside => finding("stands beside a folder of its name; move it into that as mod.rs"),
        _ => Vec::new(),
    }
}

/// A path as the source names it, with the groups of a `use` spelled out.
#[derive(Debug, PartialEq)]
struct Name {
    line: usize,
    segments: Vec<String>,
    /// How many `mod name { .. }` of the same file it stands in.
    inline_mods: usize,
}

impl Name {
    fn is(&self, at: usize, segment: &str) -> bool {
        self.segments.get(at).is_some_and(|found| found == segment)
    }

    /// Whether this is `target`, something in it, or an import that brings it within reach: of the module
    /// that holds it, or of all names in that.
    fn reaches(&self, target: &[&str]) -> bool {
        let segments: Vec<&str> =
            self.segments.iter().map(String::as_str).filter(|segment| *segment != "self").collect();
        if let Some((&"*", module)) = segments.split_last() {
            return target.starts_with(module);
        }
        segments.starts_with(target) || (segments.len() > 1 && target.starts_with(&segments))
    }
}

/// Every path in a source file, whether in a `use`, an expression or a type.
fn names(text: &str) -> Vec<Name> {
    let tokens = tokens(text);
    let mut names = Vec::new();
    // Of each brace that is open: whether it is that of an inline module.
    let mut braces = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                let before = tokens.get(at.saturating_sub(2)..at);
                let module = before
                    .is_some_and(|before| matches!(before, [word, name] if word.text == "mod" && name.ident));
                braces.push(module);
                at += 1;
            }
            "}" => {
                braces.pop();
                at += 1;
            }
            _ if token.ident => {
                let inline_mods = braces.iter().filter(|module| **module).count();
                at = read_path(&tokens, at, &[], inline_mods, &mut names);
            }
            _ => at += 1,
        }
    }
    names
}

/// Reads the path that begins at `at`, as many names as its groups hold, and says where it ends.
fn read_path(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    inline_mods: usize,
    names: &mut Vec<Name>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut segments = prefix.to_vec();
    loop {
        match tokens.get(at) {
            Some(token) if token.ident || token.text == "*" => segments.push(token.text.clone()),
            Some(token) if token.text == "{" => {
                at += 1;
                while at < tokens.len() && text(at) != "}" {
                    let before = at;
                    at = read_path(tokens, at, &segments, inline_mods, names);
                    // `as name` and the comma; whatever else a macro puts here is passed over.
                    while at < tokens.len() && ![",", "}"].contains(&text(at)) {
                        at += 1;
                    }
                    if text(at) == "," || at == before {
                        at += 1;
                    }
                }
                return at + 1;
            }
            // A turbofish or the end of the file: what stands before it was a path.
            _ => break,
        }
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if segments.len() > prefix.len() {
        names.push(Name { line, segments, inline_mods });
    }
    at
}

#[derive(Debug)]
struct Token {
    line: usize,
    text: String,
    ident: bool,
}

/// The file as a flat list, with `::` as one token and literals left out.
fn tokens(text: &str) -> Vec<Token> {
    let stream: TokenStream = text.parse().expect("a source file that compiles");
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    tokens
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let line = tree.span().start().line;
        let mut push = |text: &str, ident| tokens.push(Token { line, text: text.to_owned(), ident });
        match tree {
            TokenTree::Ident(ident) => push(ident.to_string().trim_start_matches("r#"), true),
            TokenTree::Punct(punct) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint => {
                trees.next();
                push("::", false);
            }
            TokenTree::Punct(punct) => push(&punct.as_char().to_string(), false),
            TokenTree::Literal(_) => push("literal", false),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(open, false);
                flatten(group.stream(), tokens);
                tokens.push(Token {
                    line: group.span_close().start().line,
                    text: close.to_owned(),
                    ident: false,
                });
            }
        }
    }
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder that can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

const MAX_LINES: usize = 500;

const PURE_ROOMS: &[&str] = &["grpc/", "codec/", "route/", "schema/"];

/// Where descriptors come from: files and reflection.
const PURE_EXCEPT: &[&str] = &["schema/source/", "schema/source.rs"];

const IMPURE: &[&[&str]] = &[&["tokio"], &["std", "time", "Instant"], &["std", "env"]];

mod scan {
    //! The rules on sources made to break them.

    use super::*;

    fn found(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn rooms_are_read_in_order() {
        let lib = "//! pub mod not_this;\n/// Doc.\npub mod low;\n\nmod private;\npub mod high;\nconst X: &str = \"pub mod z;\";";
        assert_eq!(rooms(lib), ["low", "high"]);
    }

    #[test]
    fn imports() {
        let rooms = ["low", "mid", "high"].map(str::to_owned);
        let check = |path: &str, text: &str, lines: &[usize]| {
            let findings = wrong_imports(&rooms, path, text);
            assert_eq!(found(&findings), lines, "{path}: {text}: {findings:?}");
        };
        check("mid/mod.rs", "use crate::low::X;\nuse crate::mid::Y;", &[]);
        check("mid/mod.rs", "use crate::low::X;\nuse crate::high::Y;", &[2]);
        check("mid/a/b.rs", "use crate::{\n    low::X,\n    high::{self, Y as Z},\n};", &[3, 3]);
        check("mid/mod.rs", "use crate::{low::{A, B}, mid, high};", &[1]);
        check("mid/mod.rs", "fn f() -> crate::high::T {\n    crate :: high :: g::<u8>()\n}", &[1, 2]);
        check("mid/mod.rs", "macro_rules! m { () => { $crate::high::f() } }", &[1]);
        check("mid/mod.rs", "pub(in crate::high) fn f() {}\npub(crate) fn g() {}", &[1]);
        check("mid/mod.rs", "use crate::*;", &[1]);
        check("mid/mod.rs", "use crate::nowhere::X;", &[1]);
        check("mid/mod.rs", "// crate::high\n/// [`crate::high`]\nconst S: &str = \"crate::high\";", &[]);
        check("lib.rs", "use crate::high::X;", &[]);
        check("main.rs", "use crate::high::X;", &[]);
    }

    #[test]
    fn imports_by_super() {
        let rooms = ["low", "mid", "high"].map(str::to_owned);
        let check = |path: &str, text: &str, lines: &[usize]| {
            let findings = wrong_imports(&rooms, path, text);
            assert_eq!(found(&findings), lines, "{path}: {text}: {findings:?}");
        };
        check("mid/mod.rs", "use super::high::X;", &[1]);
        check("mid/mod.rs", "use super::low::X;", &[]);
        check("mid/a.rs", "use super::high::X;", &[]);
        check("mid/a.rs", "use super::super::high::X;", &[1]);
        check("mid/a/mod.rs", "use super::super::{low, high};", &[1]);
        check("mid/mod.rs", "mod tests {\n    use super::high;\n}\nuse super::high;", &[4]);
        check("mid/mod.rs", "mod tests {\n    fn f() {\n        super::super::high::g();\n    }\n}", &[3]);
    }

    #[test]
    fn pure_rooms() {
        let check = |path: &str, text: &str, lines: &[usize]| {
            let findings = impure_names(path, text);
            assert_eq!(found(&findings), lines, "{path}: {text}: {findings:?}");
        };
        check("codec/a.rs", "use std::time::Duration;\nuse std::fmt;", &[]);
        check("codec/a.rs", "use tokio::time::Instant;", &[1]);
        check("grpc/mod.rs", "async fn f() {\n    ::tokio::task::yield_now().await;\n}", &[2]);
        check("route/a.rs", "use std::{fmt, time::{Duration, Instant}};", &[1]);
        check("route/a.rs", "fn f() { std::env::var(\"X\"); }", &[1]);
        check("schema/mod.rs", "use std::env;", &[1]);
        check("schema/mod.rs", "use std::time::{self, Duration};", &[1]);
        check("schema/mod.rs", "use std::time::*;", &[1]);
        check("schema/mod.rs", "use std::fmt::*;\nuse std::{self};", &[]);
        check("schema/mod.rs", "#[tokio::test]\nasync fn f() {}", &[1]);
        check("schema/source/file.rs", "use tokio::fs;", &[]);
        check("upstream/mod.rs", "use tokio::net;", &[]);
        check("codec/a.rs", "/// Like `tokio`.\nconst TOKIO: &str = \"tokio\";", &[]);
    }

    #[test]
    fn lengths() {
        assert_eq!(found(&too_long("codec/a.rs", &"x\n".repeat(501))), [501]);
        assert_eq!(too_long("codec/a.rs", &"x\n".repeat(500)), []);
        assert_eq!(too_long("codec/tests.rs", &"x\n".repeat(501)), []);
    }

    #[test]
    fn places() {
        assert_eq!(found(&misplaced("codec/json.rs", true)), [1]);
        assert_eq!(found(&misplaced("codec.rs", false)), [1]);
        assert_eq!(misplaced("codec/json.rs", false), []);
        assert_eq!(misplaced("lib.rs", false), []);
    }
}
