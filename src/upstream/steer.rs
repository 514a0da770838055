//! What a call itself says of the endpoint that it should go to, in its metadata.

use http::{HeaderMap, header};

use super::{
    balance::{self, Call, Token},
    cluster::Cluster,
    endpoint::Endpoint,
    snapshot::Wish,
};
use crate::{
    call::{Context, Inbound, Kind, Response},
    config::{Address, LoadBalancing},
};

/// Read once, for all attempts of a call.
#[derive(Debug)]
pub(super) struct Steer {
    call: Call,
    session: Option<Token>,
    /// Whether the client can be told: a WebSocket has had its headers.
    tells: bool,
}

impl Steer {
    /// Takes the gateway's own cookie out: it says nothing to a backend.
    pub(super) fn read(cluster: &Cluster, headers: &mut HeaderMap, context: &Context) -> Self {
        let hash = match &cluster.config().load_balancing {
            LoadBalancing::RingHash(config) => {
                let name = config.request_hash_header.as_ref();
                let by_policy = || name.and_then(|name| balance::request_hash(name, headers));
                // Any hash, but one for all attempts of the call.
                context.hash.or_else(by_policy).or_else(|| Some(fastrand::u64(..)))
            }
            _ => None,
        };
        let call = Call { hash, stream: !matches!(context.kind, Kind::Unary) };
        let session = cluster.sessions().and_then(|sessions| sessions.take(headers));
        let tells = !matches!(context.inbound, Inbound::WebSocket | Inbound::Control);
        Self { call, session, tells }
    }

    pub(super) fn wish<'a>(&'a self, tried: &'a [Address]) -> Wish<'a> {
        Wish { tried, call: self.call, session: self.session.as_ref() }
    }

    /// Tells the client of `response` to come back to the endpoint that gave it, where it does not know.
    pub(super) fn settle(&self, cluster: &Cluster, endpoint: &Endpoint, response: &mut Response) {
        let Some(sessions) = cluster.sessions().filter(|_| self.tells) else { return };
        let token = endpoint.traits().token(sessions, endpoint.address());
        if self.session.as_ref() != Some(token)
            && let Some(cookie) = sessions.cookie(token)
        {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}
