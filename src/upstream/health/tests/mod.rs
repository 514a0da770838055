//! The state machines of health checks on a paused clock, over a line that the test answers.

mod sockets;

use std::time::Duration;

use futures_util::stream;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch as latest},
    time::Instant,
};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::{
    judge::{Change, Judge},
    line::Line,
    *,
};
use crate::{
    config::{Address, HealthCheck, Target},
    upstream::Clusters,
};

/// One endpoint whose connections and answers are the test's.
struct Backend {
    metrics: Metrics,
    cluster: Arc<Cluster>,
    endpoint: Arc<Endpoint>,
    connection: latest::Sender<Option<u32>>,
    answer: Arc<Mutex<Finding>>,
    /// When `Check` was called.
    asked: Arc<Mutex<Vec<Instant>>>,
    /// The other end of each `Watch`.
    watches: mpsc::UnboundedReceiver<mpsc::UnboundedSender<Finding>>,
    unimplemented: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

struct Scripted {
    timeout: Duration,
    connection: latest::Receiver<Option<u32>>,
    taken: Option<u32>,
    answer: Arc<Mutex<Finding>>,
    asked: Arc<Mutex<Vec<Instant>>>,
    watches: mpsc::UnboundedSender<mpsc::UnboundedSender<Finding>>,
}

impl Line for Scripted {
    async fn connected(&mut self) {
        self.taken = *self.connection.wait_for(Option::is_some).await.unwrap();
    }

    async fn gone(&self) {
        let mut connection = self.connection.clone();
        connection.wait_for(|connection| *connection != self.taken).await.unwrap();
    }

    fn is_connected(&self) -> bool {
        self.connection.borrow().is_some()
    }

    async fn check(&self) -> Finding {
        self.asked.lock().push(Instant::now());
        let answer = self.answer.lock().clone();
        if answer == Finding::TimedOut {
            tokio::time::sleep(self.timeout).await;
        }
        answer
    }

    fn watch(&self) -> impl stream::Stream<Item = Finding> + Send {
        let (say, said) = mpsc::unbounded_channel();
        self.watches.send(say).unwrap();
        UnboundedReceiverStream::new(said)
    }
}

impl Backend {
    /// One that is not connected yet.
    fn new(config: HealthCheck) -> Self {
        let address = Address::Tcp(([127, 0, 0, 1], 1).into());
        let mut cluster = config::Cluster::new("orders", Target::Static(vec![address.clone()]));
        cluster.health_check = Some(config.clone());
        let metrics = Metrics::new();
        let clusters = Clusters::new([cluster], &metrics);
        let cluster = clusters.iter().next().map(Arc::clone).unwrap();
        cluster.roster().resolved([address]);
        let endpoint = Arc::clone(&cluster.snapshot()[0]);
        let (connection, connections) = latest::channel(None);
        let (sender, watches) = mpsc::unbounded_channel();
        let answer = Arc::new(Mutex::new(Finding::Serving));
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let unimplemented = Arc::default();
        let line = Scripted {
            timeout: config.timeout,
            connection: connections,
            taken: None,
            answer: Arc::clone(&answer),
            asked: Arc::clone(&asked),
            watches: sender,
        };
        let standing = Standing::new(Arc::clone(&cluster), Arc::clone(&endpoint), Arc::clone(&unimplemented));
        let rng = fastrand::Rng::with_seed(3);
        let task = AbortOnDropHandle::new(match config.mode {
            HealthMode::Check => tokio::spawn(check::run(line, standing, config, rng)),
            HealthMode::Watch => tokio::spawn(watch::run(line, standing, rng)),
        });
        Self { metrics, cluster, endpoint, connection, answer, asked, watches, unimplemented, _task: task }
    }

    fn answers(&self, finding: Finding) {
        *self.answer.lock() = finding;
    }

    /// How many questions were counted with this result.
    fn counted(&self, result: &str) -> f64 {
        let series = format!(r#"edgeway_health_checks_total{{cluster="orders",result="{result}"}}"#);
        self.metrics.shown(&series).unwrap()
    }

    /// The pauses between checks, in seconds, from `since` on.
    fn pauses(&self, since: Instant) -> Vec<f64> {
        let asked = self.asked.lock();
        let times: Vec<_> =
            [since].into_iter().chain(asked.iter().copied().filter(|at| *at > since)).collect();
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
    }

    /// How long until the endpoint is healthy, or is not.
    async fn until(&self, healthy: bool) -> f64 {
        let started = Instant::now();
        let mut changes = self.cluster.roster().endpoints();
        while self.endpoint.is_healthy() != healthy {
            tokio::time::timeout(Duration::from_secs(600), changes.changed())
                .await
                .expect("a change")
                .unwrap();
        }
        started.elapsed().as_secs_f64()
    }

    /// The next `Watch`, and how long it took to come.
    async fn watched(&mut self) -> (mpsc::UnboundedSender<Finding>, f64) {
        let started = Instant::now();
        let watch = tokio::time::timeout(Duration::from_secs(600), self.watches.recv()).await;
        (watch.expect("a watch").unwrap(), started.elapsed().as_secs_f64())
    }
}

fn failed() -> Finding {
    Finding::Failed("Internal".into())
}

fn close_to(seconds: f64, expect: f64) -> bool {
    (expect * 0.9 - 1e-3..=expect * 1.1 + 1e-3).contains(&seconds)
}

#[test]
fn findings_in_a_row_decide() {
    use Change::{Healthy, Unhealthy};
    let (good, no) = (Finding::Serving, Finding::NotServing("NOT_SERVING"));
    let (late, busy) = (Finding::TimedOut, Finding::Busy);
    let broken = Some(Unhealthy { broken: true });
    let down = Some(Unhealthy { broken: false });
    for (name, steps) in [
        ("the first success is enough for a new one", vec![(&good, Some(Healthy)), (&good, None)]),
        ("one failure is not", vec![(&good, Some(Healthy)), (&late, None), (&good, None), (&late, None)]),
        ("two in a row are", vec![(&good, Some(Healthy)), (&late, None), (&failed(), broken), (&late, None)]),
        ("a new one too", vec![(&late, None), (&late, broken), (&good, None), (&good, Some(Healthy))]),
        ("a word is enough", vec![(&good, Some(Healthy)), (&no, down), (&no, None)]),
        ("two successes bring it back", vec![(&no, down), (&good, None), (&good, Some(Healthy))]),
        ("in a row", vec![(&no, down), (&good, None), (&late, None), (&good, None), (&good, Some(Healthy))]),
        ("a full connection says nothing", vec![(&late, None), (&busy, None), (&late, broken)]),
        ("nobody to ask is good", vec![(&Finding::Unimplemented, Some(Healthy)), (&late, None)]),
    ] {
        let mut judge = Judge::new(HealthCheck::default());
        for (step, (finding, expect)) in steps.into_iter().enumerate() {
            assert_eq!(judge.take(finding), expect, "{name}: step {step}");
        }
    }
}

#[test]
fn answers_become_findings() {
    use tonic::{Code, Status};
    use tonic_health::pb::health_check_response::ServingStatus;
    assert_eq!(Finding::of(ServingStatus::Serving), Finding::Serving);
    for status in [ServingStatus::Unknown, ServingStatus::NotServing, ServingStatus::ServiceUnknown] {
        assert_eq!(Finding::of(status), Finding::NotServing(status.as_str_name()));
    }
    let check = |code| Finding::of_check(&Status::new(code, "at 10.0.0.1"));
    assert_eq!(check(Code::NotFound), Finding::NotServing("NOT_FOUND"));
    assert_eq!(check(Code::Unimplemented), Finding::Unimplemented);
    assert_eq!(check(Code::Unavailable).to_string(), "its health check fails (Unavailable)");
    let watch = Finding::of_watch(&Status::new(Code::NotFound, ""));
    assert_eq!(watch, Finding::Failed("NotFound".into()), "Watch has SERVICE_UNKNOWN for that");
}

#[tokio::test(start_paused = true)]
async fn a_new_endpoint_is_asked_at_once_and_then_every_interval() {
    let backend = Backend::new(HealthCheck::default());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!backend.endpoint.is_healthy() && backend.asked.lock().is_empty(), "nobody is there");
    let started = Instant::now();
    backend.connection.send_replace(Some(1));
    assert_eq!(backend.until(true).await, 0.0);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(backend.asked.lock()[0], started);
    let pauses = backend.pauses(started);
    assert!(pauses[0] < 10.0, "the second is spread over the interval: {pauses:?}");
    assert!(pauses[1..].iter().all(|pause| close_to(*pause, 10.0)), "{pauses:?}");
    assert!(pauses[1..].iter().any(|pause| (pause - pauses[1]).abs() > 0.2), "jittered: {pauses:?}");
    assert!((58..=68).contains(&pauses.len()), "{}", pauses.len());
}

#[test]
fn many_gateways_are_not_in_step() {
    let mut rng = fastrand::Rng::with_seed(9);
    let mut judge = Judge::new(HealthCheck::default());
    judge.take(&Finding::Serving);
    let pauses: Vec<_> = (0..1000).map(|_| judge.pause(true, &mut rng).as_secs_f64()).collect();
    for tenth in 0..10 {
        let from = f64::from(tenth);
        let count = pauses.iter().filter(|pause| (from..from + 1.0).contains(*pause)).count();
        assert!((70..=130).contains(&count), "{count} of 1000 between {from} s and a second later");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_takes_it_out_and_closes_its_connections() {
    let backend = Backend::new(HealthCheck::default());
    backend.connection.send_replace(Some(1));
    backend.until(true).await;
    let trust = backend.endpoint.trust();
    backend.answers(Finding::TimedOut);
    // The spread check, a second of waiting, `unhealthy_interval`, a second of waiting.
    let waited = backend.until(false).await;
    assert!((2.9..=13.2).contains(&waited), "{waited}");
    assert_ne!(backend.endpoint.trust(), trust);
    assert!(
        backend.cluster.why_down().ends_with("(1 x not connected yet)"),
        "{}",
        backend.cluster.why_down()
    );

    let since = *backend.asked.lock().last().unwrap();
    backend.answers(failed());
    tokio::time::sleep(Duration::from_secs(20)).await;
    let pauses = backend.pauses(since);
    assert!(
        close_to(pauses[0] - 1.0, 1.0) && pauses[1..].iter().all(|pause| close_to(*pause, 1.0)),
        "{pauses:?}"
    );
    assert_eq!(backend.endpoint.trust(), trust + 1, "once");

    backend.answers(Finding::Serving);
    assert!((0.9..=2.3).contains(&backend.until(true).await), "two successes a second apart");
}

#[tokio::test(start_paused = true)]
async fn a_word_takes_it_out_and_keeps_its_connections() {
    let backend = Backend::new(HealthCheck::default());
    backend.connection.send_replace(Some(1));
    backend.until(true).await;
    backend.endpoint.ticket().await.succeeded();
    let trust = backend.endpoint.trust();
    backend.answers(Finding::NotServing("NOT_SERVING"));
    assert!(backend.until(false).await <= 11.0);
    assert_eq!(backend.endpoint.trust(), trust);
    let why = "none of 1 endpoint takes calls (1 x its health check says NOT_SERVING)";
    assert_eq!(backend.cluster.why_down(), why);
    assert_eq!(backend.cluster.health().healthy, 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_is_asked_at_once() {
    let backend = Backend::new(HealthCheck::default());
    backend.connection.send_replace(Some(1));
    backend.until(true).await;
    // GOAWAY, and the next connection stands already.
    backend.connection.send_replace(Some(2));
    let started = Instant::now();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(backend.asked.lock().last(), Some(&started));
    assert!(backend.endpoint.is_healthy());
    // The last connection is gone: whoever comes next has to prove itself.
    backend.connection.send_replace(None);
    assert_eq!(backend.until(false).await, 0.0);
    backend.connection.send_replace(Some(3));
    assert_eq!(backend.until(true).await, 0.0);
    // One that was unhealthy when it went has not become new by that.
    backend.answers(Finding::NotServing("NOT_SERVING"));
    backend.until(false).await;
    backend.connection.send_replace(None);
    backend.answers(Finding::Serving);
    tokio::time::sleep(Duration::from_secs(5)).await;
    backend.connection.send_replace(Some(4));
    let waited = backend.until(true).await;
    assert!(close_to(waited, 1.0), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_backend_without_the_service_is_healthy() {
    for mode in [HealthMode::Check, HealthMode::Watch] {
        let mut backend = Backend::new(HealthCheck { mode, ..Default::default() });
        backend.answers(Finding::Unimplemented);
        backend.connection.send_replace(Some(1));
        if mode == HealthMode::Watch {
            backend.watched().await.0.send(Finding::Unimplemented).unwrap();
        }
        assert_eq!(backend.until(true).await, 0.0);
        assert!(backend.unimplemented.load(std::sync::atomic::Ordering::Relaxed), "the log has it");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(backend.endpoint.is_healthy());
        if mode == HealthMode::Watch {
            assert!(backend.watches.try_recv().is_err(), "it is not asked again");
            backend.connection.send_replace(Some(2));
            backend.watched().await.0.send(Finding::NotServing("NOT_SERVING")).unwrap();
            backend.until(false).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_ejected_endpoint_is_checked_and_comes_back() {
    let backend = Backend::new(HealthCheck::default());
    backend.connection.send_replace(Some(1));
    backend.until(true).await;
    backend.endpoint.set_ejected(true);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(!backend.endpoint.is_ejected());
}

#[tokio::test(start_paused = true)]
async fn every_question_is_counted() {
    let cases = || {
        [
            (Finding::Serving, "serving"),
            (Finding::NotServing("NOT_SERVING"), "not_serving"),
            (failed(), "failed"),
            (Finding::TimedOut, "timeout"),
            (Finding::Unimplemented, "unimplemented"),
        ]
    };
    for (finding, result) in cases() {
        let backend = Backend::new(HealthCheck::default());
        backend.answers(finding);
        backend.connection.send_replace(Some(1));
        tokio::time::sleep(Duration::from_millis(31_500)).await;
        let asked = backend.asked.lock().len();
        assert!(asked > 2 && backend.counted(result) == asked as f64, "{asked} were {result}");
        backend.answers(Finding::Busy);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let sum: f64 = cases().map(|(_, result)| backend.counted(result)).iter().sum();
        assert!(sum <= asked as f64 + 1.0, "nobody is asked: {sum}");
    }
    for (finding, result) in cases() {
        let mut backend = watching();
        let (watch, _) = backend.watched().await;
        watch.send(finding).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(backend.counted(result), 1.0, "{result}");
    }
}

fn watching() -> Backend {
    let backend = Backend::new(HealthCheck { mode: HealthMode::Watch, ..Default::default() });
    backend.connection.send_replace(Some(1));
    backend
}

#[tokio::test(start_paused = true)]
async fn a_watch_decides_with_every_message() {
    let mut backend = watching();
    let (watch, waited) = backend.watched().await;
    assert_eq!(waited, 0.0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!backend.endpoint.is_healthy(), "not before the first word");
    for _ in 0..2 {
        watch.send(Finding::Serving).unwrap();
        assert_eq!(backend.until(true).await, 0.0);
        watch.send(Finding::NotServing("SERVICE_UNKNOWN")).unwrap();
        assert_eq!(backend.until(false).await, 0.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_is_begun_again() {
    let mut backend = watching();
    // Without a message each next one comes later.
    for expect in [0.0, 0.1, 0.16, 0.256] {
        let (watch, waited) = backend.watched().await;
        assert!((expect * 0.8..=expect * 1.2 + 1e-2).contains(&waited), "{waited} for {expect}");
        watch.send(failed()).unwrap();
    }
    // A message starts the waits over, and the next watch follows at once.
    let (watch, _) = backend.watched().await;
    watch.send(Finding::Serving).unwrap();
    backend.until(true).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    watch.send(failed()).unwrap();
    drop(watch);
    let (watch, waited) = backend.watched().await;
    assert_eq!(waited, 0.0);
    assert!(!backend.endpoint.is_healthy(), "not ready until it says so");
    // Ended as soon as it has begun: not in a busy loop.
    watch.send(Finding::Serving).unwrap();
    drop(watch);
    let (_, waited) = backend.watched().await;
    assert!((0.08..=0.13).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn goaway_cancels_a_watch() {
    let mut backend = watching();
    let (first, _) = backend.watched().await;
    first.send(Finding::Serving).unwrap();
    backend.until(true).await;
    backend.connection.send_replace(Some(2));
    let (second, waited) = backend.watched().await;
    assert!(waited == 0.0 && first.is_closed());
    assert!(backend.endpoint.is_healthy(), "its last word stands while connections do");
    second.send(Finding::NotServing("NOT_SERVING")).unwrap();
    backend.until(false).await;
    second.send(Finding::Serving).unwrap();
    backend.until(true).await;
    backend.connection.send_replace(None);
    assert_eq!(backend.until(false).await, 0.0);
    assert!(second.is_closed());
}
