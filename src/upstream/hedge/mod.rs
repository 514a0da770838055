//! Attempts of a call side by side (gRFC A6, "Hedging Policy"): the first answer is the call's.
//!
//! Only for unary calls whose method changes nothing, and whose request is there as a whole: that is most, and one that
//! is not goes out once. Each attempt goes to an endpoint that none before it went to, where there is one. What no
//! backend has run is sent again within its attempt, as without hedging.

mod course;
mod race;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::time::Instant;

use self::{
    course::Course,
    race::{End, Hedge, Rules},
};
use super::{
    attempt::Outgoing,
    brakes::RetryPlace,
    endpoint::Endpoint,
    lane::Lane,
    retry::{Failure, History, Next},
    steer::Steer,
    tries,
};
use crate::{
    call::{CallError, Context, Response},
    config::{Address, HedgingPolicy},
    telemetry::metrics::{Again as Taken, RetryReason},
};

/// What the attempts of one call know of each other.
#[derive(Debug)]
struct Board {
    /// Where they went, and where none of them is to go.
    tried: Mutex<Vec<Address>>,
    /// Whether the last one waits for its place.
    waits: AtomicBool,
    /// How often it was sent.
    sent: AtomicU32,
    /// How often beside another.
    hedges: AtomicU32,
}

/// Sends a call as often as `policy` has it.
pub(super) async fn run(
    lane: &Arc<Lane>,
    steer: &Steer,
    outgoing: &Outgoing,
    policy: &HedgingPolicy,
) -> Result<Response, CallError> {
    let cluster = lane.cluster();
    let board = Board::new(cluster.lacking().of(outgoing.path()));
    let rules = Rules {
        throttle: &cluster.brakes().throttle,
        deadline: outgoing.context().deadline,
        waits: || board.waits.load(Relaxed),
        throttled: &|| tries::throttled(cluster, outgoing.context()),
    };
    let course = Course::new(policy, Instant::now());
    let made = race::run(course, rules, |before| {
        let place = if before == 0 { None } else { Some(further(lane, outgoing.context())?) };
        board.waits.store(true, Relaxed);
        Some(attempt(lane, steer, outgoing.beside(before)?, &board, place))
    });
    let Some(End { endpoint, hedge, answer }) = made.await else {
        return Err(CallError::not_executed(cluster.name(), "the request is not there any more"));
    };
    let (sent, hedges) = (board.sent.load(Relaxed), board.hedges.load(Relaxed));
    let transparent_retries = sent.saturating_sub(hedges + 1);
    let taken = Taken { hedges, transparent_retries, ..Taken::default() };
    tries::took(cluster, outgoing.context(), &taken);
    match answer {
        Ok(response) => {
            if let Some(hedge) = hedge {
                hedge.won();
                tries::note(outgoing.context(), "HedgeWon");
            }
            Ok(tries::came(lane, steer, outgoing, response, endpoint, sent))
        }
        Err(failed) => {
            failed.into_end().map(|response| tries::came(lane, steer, outgoing, response, endpoint, sent))
        }
    }
}

/// The place of one attempt more; `None` where there is to be none.
fn further(lane: &Lane, context: &Context) -> Option<RetryPlace> {
    let (cluster, brakes) = (lane.cluster(), lane.cluster().brakes());
    if !brakes.throttle.is_open() {
        tries::throttled(cluster, context);
        return None;
    }
    let place = brakes.breaker.retry();
    if place.is_none() {
        tries::over_budget(cluster, context);
    }
    place
}

/// One attempt, and what of it is sent again because no backend has run it.
async fn attempt(
    lane: &Arc<Lane>,
    steer: &Steer,
    mut outgoing: Outgoing,
    board: &Board,
    mut place: Option<RetryPlace>,
) -> End {
    let is_hedge = place.is_some();
    let mut history = History::default();
    let mut hedge = None;
    loop {
        history.tried = board.tried.lock().clone();
        let permit = tries::place(lane, steer, &outgoing, &history).await;
        if history.attempts == 0 {
            board.waits.store(false, Relaxed);
        }
        let permit = match permit {
            Ok(permit) => permit,
            Err(failed) => return End { endpoint: None, hedge, answer: Err(failed) },
        };
        board.placed(permit.endpoint());
        if is_hedge && hedge.is_none() {
            hedge = Some(Hedge::new(lane.cluster()));
            board.hedges.fetch_add(1, Relaxed);
        }
        let endpoint = Arc::clone(permit.endpoint());
        let failed = match tries::send(permit, &mut outgoing, &mut history, place.take()).await {
            Ok(response) => return End { endpoint: Some(endpoint), hedge, answer: Ok(response) },
            Err(failed) => failed,
        };
        if tries::is_lacking(lane, steer, &outgoing, &mut history, Some(&endpoint), &failed) {
            lane.cluster().metrics().retried(RetryReason::Unimplemented);
            continue;
        }
        let Some(Next::Transparent(rest)) = history.transparent(Failure::of(&failed, outgoing.context()))
        else {
            return End { endpoint: Some(endpoint), hedge, answer: Err(failed) };
        };
        lane.cluster().metrics().retried(tries::why_transparent(&failed));
        if !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
    }
}

impl Board {
    fn new(tried: Vec<Address>) -> Self {
        let [sent, hedges] = [0; 2].map(AtomicU32::new);
        Self { tried: Mutex::new(tried), waits: AtomicBool::new(true), sent, hedges }
    }

    fn placed(&self, endpoint: &Endpoint) {
        self.sent.fetch_add(1, Relaxed);
        let mut tried = self.tried.lock();
        if !tried.contains(endpoint.address()) {
            tried.push(endpoint.address().clone());
        }
    }
}
