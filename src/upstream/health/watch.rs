//! `Watch`: one stream per endpoint, on which it says itself when its state changes (gRFC A17).

use std::{pin::pin, time::Duration};

use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Finding, Standing, line::Line};
use crate::upstream::backoff::Backoff;

/// Watches over one connection after the other.
pub(super) async fn run(mut line: impl Line, mut standing: Standing, mut rng: fastrand::Rng) {
    loop {
        line.connected().await;
        // A GOAWAY ends the watch at once: the new connection is asked instead.
        follow(&line, &mut standing, &mut rng).await;
        if !line.is_connected() {
            standing.unknown();
        }
    }
}

/// Watches over the connection of the line until that is gone.
async fn follow(line: &impl Line, standing: &mut Standing, rng: &mut fastrand::Rng) {
    let mut backoff = Backoff::default();
    loop {
        let started = Instant::now();
        let heard = {
            let mut findings = pin!(line.watch());
            let mut heard = false;
            loop {
                let finding = tokio::select! {
                    () = line.gone() => return,
                    finding = findings.next() => finding,
                };
                if let Some(finding) = &finding {
                    standing.asked(finding);
                }
                match finding {
                    Some(finding @ Finding::Serving) => {
                        heard = true;
                        standing.heard(&finding);
                        standing.healthy();
                    }
                    Some(finding @ Finding::NotServing(_)) => {
                        heard = true;
                        standing.unhealthy(&finding, false);
                    }
                    Some(finding @ Finding::Unimplemented) => {
                        standing.heard(&finding);
                        standing.healthy();
                        return line.gone().await;
                    }
                    Some(finding @ (Finding::Failed(_) | Finding::TimedOut)) => {
                        standing.unhealthy(&finding, false);
                    }
                    Some(Finding::Busy) => {}
                    None => break heard,
                }
            }
        };
        if heard {
            backoff.reset();
        }
        // A17 asks again at once after any message; one that ends as soon as it has begun would make a busy loop.
        if !heard || started.elapsed() < LASTED {
            tokio::select! {
                () = line.gone() => return,
                () = tokio::time::sleep(backoff.fail(rng)) => {}
            }
        }
    }
}

/// How long a watch must have lasted for the next one to follow at once.
const LASTED: Duration = Duration::from_secs(1);
