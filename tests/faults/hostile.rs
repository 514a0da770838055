//! A backend that attacks: 34.

use std::{future::Future, io, pin::Pin, time::Duration};

use tokio::time::Instant;

use crate::{
    check,
    load::{Driver, Method},
    raw::{
        CONTINUATION, Connection, DATA, END_HEADERS, HEADERS, PING, PUSH_PROMISE, RST_STREAM, Raw, SETTINGS,
        WINDOW_UPDATE, literal,
    },
    scripted::Scripted,
    scripts::answer,
    subject::{Outlier, Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// What it does with a request.
struct Attack {
    name: &'static str,
    /// Whether it breaks a rule of HTTP/2, so that the call fails at once.
    breaks: bool,
    /// Whether the rule is one of the whole connection, which then has to end.
    ends: bool,
    deed: for<'c> fn(&'c mut Connection, u32) -> Deed<'c>,
}

type Deed<'c> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'c>>;

/// 34: floods and nonsense of a backend, each beside a backend that is well.
pub async fn attacks(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    for attack in ATTACKS {
        attacked(which, attack, &mut verdict).await;
    }
    verdict.saw(format_args!("{} attacks", ATTACKS.len()));
    verdict
}

async fn attacked(which: Which, attack: &'static Attack, verdict: &mut Verdict) {
    let name = attack.name;
    let hostile = Raw::start(move |mut connection| async move {
        loop {
            let stream = connection.request().await?;
            (attack.deed)(&mut connection, stream).await?;
            connection.flush().await?;
        }
    })
    .await;
    let backend = Scripted::start(answer).await;
    let outlier = Outlier { failures: 5, base: Duration::from_secs(30), percent: 50 };
    let addresses = [hostile.address, backend.addresses[0]];
    let subject = Subject::start(which, &Setup { outlier: Some(outlier), ..Setup::new(&addresses) }).await;
    let before = subject.resident();
    let driver = Driver::open(subject.address(), 1).await;
    let (mut codes, began) = (Vec::new(), Instant::now());
    for number in 0..30 {
        let record =
            driver.call_with(Method::Create, &format!("call-{number}"), &[("grpc-timeout", "2S")]).await;
        codes.push(record.code);
    }
    let allowed: &[i32] = if attack.breaks { &[0, 13, 14] } else { &[0, 4, 13, 14] };
    verdict.expect(codes.iter().all(|code| allowed.contains(code)), format_args!("{name}: {codes:?}"));
    // Left out after five failures, or not connected to while it is in backoff.
    let failed = codes.iter().filter(|code| **code != 0).count();
    verdict.expect(failed <= 8, format_args!("{name}: {failed} calls of 30 failed: {codes:?}"));
    if attack.breaks {
        let took = began.elapsed();
        verdict.expect(took < Duration::from_secs(4), format_args!("{name}: 30 calls took {took:?}"));
    }
    if attack.ends {
        let ended = eventually_ends(&hostile).await;
        verdict.expect(ended, format_args!("{name}: the connection was kept"));
    }
    let more = subject.resident().saturating_sub(before) >> 20;
    verdict.expect(more <= 48, format_args!("{name}: {more} MiB more"));
    subject.settles(verdict).await;
    idle(&backend).await;
}

async fn eventually_ends(hostile: &Raw) -> bool {
    let until = Instant::now() + Duration::from_secs(2);
    while hostile.ended() == 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    hostile.ended() > 0
}

const GRPC: [(&str, &str); 1] = [("content-type", "application/grpc")];

const ATTACKS: &[Attack] = &[
    Attack {
        name: "a head of 1 MiB",
        breaks: true,
        ends: true,
        deed: |connection, stream| {
            Box::pin(async move {
                let block = [vec![0x88], literal("x-long", &"x".repeat(1 << 20))].concat();
                connection.block(stream, &block, 16 << 10).await
            })
        },
    },
    Attack {
        name: "a flood of CONTINUATION",
        breaks: true,
        ends: true,
        deed: |connection, stream| {
            Box::pin(async move {
                connection.frame(HEADERS, 0, stream, &[0x88]).await?;
                for _ in 0..20_000 {
                    connection.frame(CONTINUATION, 0, stream, &[]).await?;
                }
                Ok(())
            })
        },
    },
    Attack {
        name: "a block that HPACK cannot read",
        breaks: true,
        ends: true,
        deed: |connection, stream| Box::pin(connection.frame(HEADERS, END_HEADERS, stream, &[0xff; 64])),
    },
    Attack {
        name: "PUSH_PROMISE",
        breaks: true,
        ends: true,
        deed: |connection, stream| {
            Box::pin(async move {
                let block =
                    [&2_u32.to_be_bytes()[..], &[0x82, 0x84, 0x86], &literal(":authority", "a")].concat();
                connection.frame(PUSH_PROMISE, END_HEADERS, stream, &block).await
            })
        },
    },
    Attack {
        name: "DATA before HEADERS",
        breaks: true,
        ends: true,
        deed: |connection, stream| Box::pin(connection.data(stream, &[0; 5], 0)),
    },
    Attack {
        name: "more DATA than the window",
        breaks: true,
        // A window of the stream alone, which is reset.
        ends: false,
        deed: |connection, stream| {
            Box::pin(async move {
                connection.head(stream, &GRPC, false).await?;
                // One message of 8 MiB, which is more than the window.
                connection.frame(DATA, 0, stream, &[0, 0, 128, 0, 0]).await?;
                for _ in 0..512 {
                    connection.frame(DATA, 0, stream, &[0; 16 << 10]).await?;
                }
                Ok(())
            })
        },
    },
    Attack {
        name: "a flood of empty DATA",
        breaks: true,
        ends: true,
        deed: |connection, stream| {
            Box::pin(async move {
                connection.head(stream, &GRPC, false).await?;
                for _ in 0..20_000 {
                    connection.frame(DATA, 0, stream, &[]).await?;
                }
                Ok(())
            })
        },
    },
    Attack {
        name: "a frame above the largest size",
        breaks: true,
        ends: true,
        deed: |connection, stream| {
            Box::pin(async move {
                connection.head(stream, &GRPC, false).await?;
                connection.frame(DATA, 0, stream, &vec![0; 1 << 20]).await
            })
        },
    },
    Attack {
        name: "a window that overflows",
        breaks: true,
        ends: true,
        deed: |connection, _| {
            Box::pin(async move {
                for _ in 0..3 {
                    connection.frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).await?;
                }
                Ok(())
            })
        },
    },
    Attack {
        name: "resets of streams that never were",
        breaks: true,
        ends: true,
        deed: |connection, _| {
            Box::pin(async move {
                for stream in (100_001..140_000).step_by(2) {
                    connection.frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await?;
                }
                Ok(())
            })
        },
    },
    Attack {
        name: "informational heads without end",
        breaks: false,
        ends: false,
        deed: |connection, stream| {
            Box::pin(async move {
                let block = [vec![0x08, 3], b"103".to_vec()].concat();
                for _ in 0..20_000 {
                    connection.frame(HEADERS, END_HEADERS, stream, &block).await?;
                }
                connection.frame(RST_STREAM, 0, stream, &2_u32.to_be_bytes()).await
            })
        },
    },
    Attack {
        name: "a flood of SETTINGS",
        breaks: false,
        ends: false,
        deed: |connection, stream| flood(connection, stream, SETTINGS, 0),
    },
    Attack {
        name: "a flood of PING",
        breaks: false,
        ends: false,
        deed: |connection, stream| flood(connection, stream, PING, 8),
    },
    Attack {
        name: "a flood of unknown frames",
        breaks: false,
        ends: false,
        deed: |connection, stream| flood(connection, stream, 0xfe, 100),
    },
];

/// Frames that are allowed, and far too many of them; then the stream is reset.
fn flood(connection: &mut Connection, stream: u32, kind: u8, length: usize) -> Deed<'_> {
    Box::pin(async move {
        for _ in 0..20_000 {
            connection.frame(kind, 0, 0, &vec![0; length]).await?;
        }
        connection.frame(RST_STREAM, 0, stream, &2_u32.to_be_bytes()).await
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s34_a_hostile_backend_harms_only_its_own_calls() {
    check(attacks(Which::Edgeway)).await;
}
