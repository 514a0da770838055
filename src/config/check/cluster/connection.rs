//! `clusters.NAME`: how connections are opened, kept alive and replaced.

use crate::config::ConnectionSettings;
use crate::config::keys::HTTP2;
use crate::config::problems::Problems;
use crate::config::table::Table;
use crate::config::value::{number, optional_duration, positive_duration};

pub(super) fn read(cluster: &Table<'_>, settings: &mut ConnectionSettings, problems: &mut Problems) {
    cluster.set("connect_timeout", &mut settings.connect_timeout, problems, positive_duration);
    let most = &mut settings.connections_per_endpoint;
    cluster.set("connections_per_endpoint", most, problems, |text| number(text, 1..=MOST_CONNECTIONS));
    cluster.set("max_connection_age", &mut settings.max_connection_age, problems, optional_duration);
    let Some(http2) = cluster.table("http2", &HTTP2, problems) else { return };
    http2.set("keepalive_time", &mut settings.keepalive_time, problems, positive_duration);
    http2.set("keepalive_timeout", &mut settings.keepalive_timeout, problems, positive_duration);
}

/// The cap of gRFC A105.
const MOST_CONNECTIONS: u64 = 10;
