//! `Check`, again and again.

use super::{
    Standing,
    judge::{Change, Judge},
    line::Line,
};
use crate::config::HealthCheck;

/// Asks at once on a new connection, then every interval.
pub(super) async fn run(
    mut line: impl Line,
    mut standing: Standing,
    config: HealthCheck,
    mut rng: fastrand::Rng,
) {
    let mut judge = Judge::new(config);
    loop {
        line.connected().await;
        let mut first = true;
        loop {
            // Not given up when the connection goes: that is an answer as well, and comes in time.
            let finding = line.check().await;
            standing.asked(&finding);
            let change = judge.take(&finding);
            standing.heard(&finding);
            match change {
                Some(Change::Healthy) => standing.healthy(),
                Some(Change::Unhealthy { broken }) => standing.unhealthy(&finding, broken),
                None => {}
            }
            let pause = judge.pause(std::mem::take(&mut first), &mut rng);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = line.gone() => break,
            }
        }
        if !line.is_connected() {
            judge.forget();
            standing.unknown();
        }
    }
}
