//! Asks about a name again and again.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

use super::schedule::{Outcome, Schedule};
use crate::upstream::{cluster::Cluster, member::Member};

/// Something that can be asked for endpoints.
pub(super) trait LookUp: Send {
    /// All there are; at least one.
    fn look_up(&mut self) -> impl Future<Output = Result<Found, Miss>> + Send;
}

/// The endpoints of a name.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) members: Vec<Member>,
    /// How long the answer says that it holds.
    pub(super) ttl: Duration,
}

/// Why there are no endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// The name server says that there are none.
    Absent(String),
    /// The name server does not say.
    Failed(String),
}

pub(super) async fn run(cluster: &Cluster, mut name: impl LookUp) {
    let roster = cluster.roster();
    let mut schedule = Schedule::new(cluster.config());
    let mut random = fastrand::Rng::new();
    loop {
        let asked = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, name.look_up()).await;
        let answer = answer.unwrap_or_else(|_| Err(Miss::Failed(format!("no answer within {PATIENCE:?}"))));
        let outcome = match answer {
            Ok(found) => {
                roster.resolved(found.members);
                Outcome::Found { ttl: found.ttl }
            }
            Err(Miss::Absent(why)) => {
                roster.resolve_failed(why);
                Outcome::Absent
            }
            Err(Miss::Failed(why)) => {
                roster.resolve_failed(why);
                Outcome::Failed
            }
        };
        let wait = schedule.after(outcome, &mut random);
        let next = tokio::time::sleep_until(asked + wait.next);
        match wait.soonest {
            Some(soonest) => tokio::select! {
                () = next => {}
                () = roster.resolve_now() => tokio::time::sleep_until(asked + soonest).await,
            },
            None => next.await,
        }
    }
}

/// Longer than a resolver takes to find its first server dead and to ask the second.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::{
        config::{Address, Target},
        upstream::Clusters,
    };

    /// Plays answers, the last one for ever, and notes when it was asked.
    struct Script {
        answers: VecDeque<Result<&'static [u16], Option<Miss>>>,
        asked: Arc<Mutex<Vec<Duration>>>,
        started: Instant,
    }

    impl LookUp for Script {
        async fn look_up(&mut self) -> Result<Found, Miss> {
            self.asked.lock().unwrap().push(self.started.elapsed());
            let answer = self.answers.front().cloned().expect("at least one answer");
            if self.answers.len() > 1 {
                self.answers.pop_front();
            }
            match answer {
                Ok(ports) => Ok(Found { members: members(ports), ttl: Duration::from_secs(600) }),
                Err(Some(miss)) => Err(miss),
                Err(None) => std::future::pending().await,
            }
        }
    }

    fn members(ports: &[u16]) -> Vec<Member> {
        ports.iter().map(|port| Address::Tcp(([127, 0, 0, 1], *port).into()).into()).collect()
    }

    struct Polled {
        cluster: Arc<Cluster>,
        asked: Arc<Mutex<Vec<Duration>>>,
    }

    fn poll(answers: impl IntoIterator<Item = Result<&'static [u16], Option<Miss>>>) -> Polled {
        let target = Target::Dns { server: None, host: "orders".into(), port: 50051 };
        let config = crate::config::Cluster::new("orders", target);
        let clusters = Clusters::new([config], &crate::telemetry::Metrics::new());
        let cluster = Arc::clone(clusters.iter().next().unwrap());
        let asked = Arc::<Mutex<Vec<Duration>>>::default();
        let answers = answers.into_iter().collect();
        let script = Script { answers, asked: Arc::clone(&asked), started: Instant::now() };
        let polled = Arc::clone(&cluster);
        tokio::spawn(async move { run(&polled, script).await });
        Polled { cluster, asked }
    }

    impl Polled {
        /// How long after the one before each look-up began, in tenths of a second.
        fn gaps(&self) -> Vec<u64> {
            let asked = self.asked.lock().unwrap();
            let gaps = asked.windows(2).map(|pair| pair[1] - pair[0]);
            gaps.map(|gap| u64::try_from(gap.as_millis()).unwrap().div_ceil(100)).collect()
        }

        fn endpoints(&self) -> usize {
            self.cluster.snapshot().len()
        }
    }

    async fn seconds(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    fn failed() -> Result<&'static [u16], Option<Miss>> {
        Err(Some(Miss::Failed("SERVFAIL".into())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_or_an_empty_answer_removes_nobody() {
        let absent = Err(Some(Miss::Absent("NXDOMAIN".into())));
        let polled = poll([Ok(&[1, 2][..]), failed(), failed(), absent, Err(None), Ok(&[2, 3, 4])]);
        seconds(1).await;
        assert_eq!(polled.endpoints(), 2);
        let kept = Arc::clone(&polled.cluster.snapshot()[1]);
        // 5 s to the first failure, then 1 s, 2 s, 5 s to the silence, 5 s of silence, 1 s.
        for _ in 0..16 {
            assert_eq!(polled.endpoints(), 2, "the last good answer stays");
            seconds(1).await;
        }
        seconds(5).await;
        assert_eq!(polled.endpoints(), 3);
        assert!(Arc::ptr_eq(&kept, &polled.cluster.snapshot()[0]), "who stays is the same");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_in_time() {
        let polled = poll([Ok(&[1][..])]);
        seconds(60).await;
        let gaps = polled.gaps();
        assert!(gaps.len() >= 10 && gaps.iter().all(|gap| (45..=55).contains(gap)), "{gaps:?}");
        let mut distinct = gaps.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 2, "no jitter: {gaps:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn lost_connections_ask_once_a_second_at_most() {
        let polled = poll([Ok(&[1][..])]);
        for _ in 0..1000 {
            polled.cluster.roster().look_again();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let gaps = polled.gaps();
        assert!(gaps.iter().all(|gap| (10..=11).contains(gap)), "{gaps:?}");
        assert!((9..=10).contains(&gaps.len()), "{gaps:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_fails_is_spared() {
        let polled = poll([failed()]);
        for _ in 0..500 {
            polled.cluster.roster().look_again();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let gaps = polled.gaps();
        assert_eq!(gaps.len(), 5, "{gaps:?}");
        for (gap, expected) in gaps.iter().zip([10, 20, 40, 80, 160]) {
            assert!((expected * 9 / 10..=expected * 11 / 10 + 1).contains(gap), "{gaps:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_up() {
        let polled = poll([Err(None)]);
        seconds(6).await;
        let health = polled.cluster.health();
        let reason = health.reason.unwrap_or_default();
        assert!(reason.contains("no answer within 5s"), "{reason}");
    }
}
