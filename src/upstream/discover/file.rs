//! Endpoints by a file that somebody else keeps: a template of Consul or Nomad, a ConfigMap, a person.
//!
//! It is looked at every second, rather than watched: what replaces a file atomically is a rename, or, in a volume of
//! Kubernetes, a symbolic link of the folder above it, and file systems over a network report neither.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use crate::{
    config::{Listed, Report},
    upstream::{member::Member, roster::Roster},
};

pub(super) async fn run(roster: &Roster, path: Arc<Path>) {
    let mut known = None;
    loop {
        let (file, last) = (Arc::clone(&path), known);
        let looked = tokio::task::spawn_blocking(move || look(&file, last)).await;
        match looked {
            Ok(Look::Same) => {}
            Ok(Look::Changed { stamp, outcome }) => {
                known = stamp;
                match outcome {
                    Ok(listed) => roster.resolved(Member::in_order(listed)),
                    Err(why) => roster.resolve_failed(why),
                }
            }
            Err(error) => roster.resolve_failed(error.to_string()),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

#[derive(Debug)]
enum Look {
    Same,
    Changed {
        /// `None` where it is to be read again at the next look, changed or not.
        stamp: Option<Stamp>,
        outcome: Result<Vec<Listed>, String>,
    },
}

/// Reads the file unless it is still the one of `last`.
fn look(path: &Path, last: Option<Stamp>) -> Look {
    let failed = |error: io::Error| Look::Changed {
        stamp: None,
        outcome: Err(format!("cannot read {}: {error}", path.display())),
    };
    let before = match stamp(path) {
        Ok(stamp) if Some(stamp) == last => return Look::Same,
        Ok(stamp) => stamp,
        Err(error) => return failed(error),
    };
    if before.bytes > LARGEST {
        let what =
            format!("expected a file of at most {LARGEST} bytes, {} has {}", path.display(), before.bytes);
        return Look::Changed { stamp: Some(before), outcome: Err(what) };
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    match read.and_then(|_| stamp(path)) {
        // Somebody writes to it as it is read: the next look finds it whole.
        Ok(after) if after != before => Look::Same,
        Ok(_) => {
            let listed = Listed::read_all(path, &bytes).map_err(|report| summary(&report));
            Look::Changed { stamp: Some(before), outcome: listed }
        }
        Err(error) => failed(error),
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let found = fs::metadata(path)?;
    Ok(Stamp {
        device: found.dev(),
        inode: found.ino(),
        bytes: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
    })
}

/// The first problem in one line, and how many more there are.
fn summary(report: &Report) -> String {
    let more = report.diagnostics.len().saturating_sub(1).saturating_add(report.left_out);
    let Some(first) = report.diagnostics.first() else { return report.to_string() };
    let help = first.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    format!("{}: {}{help}{more}", first.origin, first.message)
}

impl From<Listed> for Member {
    fn from(listed: Listed) -> Self {
        let Listed { address, weight, priority, zone, hash_key } = listed;
        Self { weight, priority, zone, hash_key, ..address.into() }
    }
}

/// How late a change may be noticed.
const LOOK: Duration = Duration::from_secs(1);

/// Some ten thousand endpoints.
const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(look: Look) -> (Option<Stamp>, Result<Vec<String>, String>) {
        match look {
            Look::Same => panic!("expected a change"),
            Look::Changed { stamp, outcome } => {
                (stamp, outcome.map(|listed| listed.iter().map(|one| one.address.to_string()).collect()))
            }
        }
    }

    #[test]
    fn a_file_is_read_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.yaml");
        let (stamp, outcome) = listed(look(&path, None));
        assert!(stamp.is_none() && outcome.unwrap_err().starts_with("cannot read "));

        fs::write(&path, "- 10.0.0.1:1\n").unwrap();
        let (first, outcome) = listed(look(&path, None));
        assert_eq!(outcome, Ok(vec!["10.0.0.1:1".to_owned()]));
        assert!(matches!(look(&path, first), Look::Same));

        // As an atomic replacement does it: same size, perhaps the same time, another inode.
        let beside = folder.path().join("orders.yaml.new");
        fs::write(&beside, "- 10.0.0.2:1\n").unwrap();
        fs::rename(&beside, &path).unwrap();
        let (second, outcome) = listed(look(&path, first));
        assert_eq!(outcome, Ok(vec!["10.0.0.2:1".to_owned()]));

        fs::write(&path, "- 10.0.0.2:1\n- orders:1\n- 10.0.0.3\n").unwrap();
        let (third, outcome) = listed(look(&path, second));
        let why = outcome.unwrap_err();
        assert!(why.contains("orders.yaml:2:3: endpoint: expected an IP address"), "{why}");
        assert!(why.ends_with("(and 1 more)"), "{why}");
        assert!(matches!(look(&path, third), Look::Same), "a broken file is told once");

        fs::write(&path, "[]").unwrap();
        assert_eq!(listed(look(&path, third)).1, Ok(Vec::new()));
        fs::write(&path, vec![b' '; 1 << 20 | 1]).unwrap();
        assert!(listed(look(&path, third)).1.unwrap_err().contains("at most 1048576 bytes"));
    }

    /// `..data` of a ConfigMap: the path stays, what it leads to does not.
    #[test]
    fn a_folder_may_be_swapped_above_it() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("one", "- 10.0.0.1:1\n"), ("two", "- 10.0.0.2:1\n")] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("orders.yaml"), text).unwrap();
        }
        let data = folder.path().join("data");
        std::os::unix::fs::symlink("one", &data).unwrap();
        let path = data.join("orders.yaml");
        let (first, outcome) = listed(look(&path, None));
        assert_eq!(outcome, Ok(vec!["10.0.0.1:1".to_owned()]));
        let beside = folder.path().join("data.new");
        std::os::unix::fs::symlink("two", &beside).unwrap();
        fs::rename(&beside, &data).unwrap();
        assert_eq!(listed(look(&path, first)).1, Ok(vec!["10.0.0.2:1".to_owned()]));
    }
}
