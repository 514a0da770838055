//! A thread that writes lines, so that no call ever waits for a pipe or a disk.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread;
use std::time::Duration;

use super::metrics::Counter;

/// The sending half: queues a line or drops and counts it, at once.
pub(super) struct Lines<T> {
    queue: SyncSender<Job<T>>,
    dropped: Arc<Counter>,
}

impl<T> Lines<T> {
    /// Queues `line`; a full queue, or a writer that has ended, counts it as dropped.
    pub(super) fn send(&self, line: T) {
        if self.queue.try_send(Job::Line(line)).is_err() {
            self.dropped.inc();
        }
    }
}

impl<T> Clone for Lines<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), dropped: Arc::clone(&self.dropped) }
    }
}

impl<T> fmt::Debug for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

/// Ends the writer when dropped, after what is queued is written or [`FLUSH_TIMEOUT`] has passed.
pub(super) struct Flush {
    stopping: Arc<AtomicBool>,
    wake: Box<dyn Fn() + Send + Sync>,
    done: parking_lot::Mutex<Receiver<()>>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        (self.wake)();
        // The writer thread drops its end when it is through; nothing is ever sent.
        if let Err(RecvTimeoutError::Timeout) = self.done.get_mut().recv_timeout(FLUSH_TIMEOUT) {
            tracing::warn!("log writer did not finish in time, its last lines are lost");
        }
    }
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flush").finish_non_exhaustive()
    }
}

enum Job<T> {
    Line(T),
    /// Wakes a writer that waits on an empty queue, for it to see that it is to end.
    Stop,
}

/// Starts the thread `name`, which appends each line to a batch by `render` and writes batches to `out`.
///
/// # Errors
/// The thread could not be started.
pub(super) fn spawn<T, W, R>(
    name: &str,
    out: W,
    render: R,
    dropped: Arc<Counter>,
) -> io::Result<(Lines<T>, Flush)>
where
    T: Send + 'static,
    W: Write + Send + 'static,
    R: FnMut(T, &mut Vec<u8>) + Send + 'static,
{
    spawn_bounded(name, QUEUE_LINES, out, render, dropped)
}

fn spawn_bounded<T, W, R>(
    name: &str,
    capacity: usize,
    out: W,
    render: R,
    dropped: Arc<Counter>,
) -> io::Result<(Lines<T>, Flush)>
where
    T: Send + 'static,
    W: Write + Send + 'static,
    R: FnMut(T, &mut Vec<u8>) + Send + 'static,
{
    let (queue, jobs) = mpsc::sync_channel(capacity);
    let (done_tx, done) = mpsc::channel();
    let stopping = Arc::new(AtomicBool::new(false));
    let writer =
        LineWriter { jobs, out, render, dropped: Arc::clone(&dropped), stopping: Arc::clone(&stopping) };
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        writer.run();
        drop(done_tx);
    })?;
    let waker = queue.clone();
    // A full queue needs no waking: the writer is busy, and looks at `stopping` before it waits again.
    let wake = Box::new(move || drop(waker.try_send(Job::Stop)));
    Ok((Lines { queue, dropped }, Flush { stopping, wake, done: parking_lot::Mutex::new(done) }))
}

struct LineWriter<T, W, R> {
    jobs: Receiver<Job<T>>,
    out: W,
    render: R,
    dropped: Arc<Counter>,
    stopping: Arc<AtomicBool>,
}

impl<T, W: Write, R: FnMut(T, &mut Vec<u8>)> LineWriter<T, W, R> {
    fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_BYTES);
        loop {
            // Read before the queue is looked at: what was queued before the end was asked for is then written.
            // Set after it, it is seen in the next round, to which `Stop` or a full queue leads at once.
            let stopping = self.stopping.load(Ordering::SeqCst);
            let job = if stopping { self.jobs.try_recv().ok() } else { self.jobs.recv().ok() };
            let Some(job) = job else { return };
            self.write_queued(job, &mut batch);
            if !stopping {
                thread::sleep(GATHER);
            }
        }
    }

    /// Writes `first` and all that is queued behind it.
    fn write_queued(&mut self, first: Job<T>, batch: &mut Vec<u8>) {
        let mut next = Ok(first);
        let mut lines = 0;
        loop {
            match next {
                Ok(Job::Line(line)) => {
                    (self.render)(line, batch);
                    lines += 1;
                }
                Ok(Job::Stop) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                    return self.write(batch, lines);
                }
            }
            if batch.len() >= BATCH_BYTES {
                self.write(batch, lines);
                lines = 0;
            }
            next = self.jobs.try_recv();
        }
    }

    fn write(&mut self, batch: &mut Vec<u8>, lines: u64) {
        if !batch.is_empty() && self.out.write_all(batch).and_then(|()| self.out.flush()).is_err() {
            self.dropped.add(lines);
        }
        batch.clear();
    }
}

/// Lines that may wait. At 10 ms between batches it takes 400,000 lines a second to fill it.
const QUEUE_LINES: usize = 4096;

/// A batch is written when it has grown to this, or when the queue is empty.
const BATCH_BYTES: usize = 64 * 1024;

/// Pause between batches: a sender that finds the writer asleep in `recv` pays a system call to wake it, one
/// that finds it pausing pays none. So there are at most a hundred such wake-ups a second.
const GATHER: Duration = Duration::from_millis(10);

/// How long the end of the process waits for a log that nobody reads.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells when a write begins and then waits for leave to go on.
    struct Stuck {
        entered: mpsc::Sender<()>,
        leave: Receiver<()>,
        written: Arc<parking_lot::Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.entered.send(()).ok();
            self.leave.recv().ok();
            self.written.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn append(line: &'static str, batch: &mut Vec<u8>) {
        batch.extend_from_slice(line.as_bytes());
    }

    #[test]
    fn a_stuck_writer_costs_lines_and_nothing_else() {
        let (entered_tx, entered) = mpsc::channel();
        let (leave_tx, leave) = mpsc::channel();
        let written = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let out = Stuck { entered: entered_tx, leave, written: Arc::clone(&written) };
        let dropped = Arc::new(Counter::default());
        let (lines, flush) = spawn_bounded("stuck", 8, out, append, Arc::clone(&dropped)).expect("a thread");

        lines.send("first\n");
        entered.recv().expect("the writer takes the first line");
        for _ in 0..8 {
            lines.send("queued\n");
        }
        assert_eq!(dropped.value(), 0, "the queue holds eight");
        for _ in 0..5 {
            lines.send("lost\n");
        }
        assert_eq!(dropped.value(), 5);

        // With nobody to hold it, each write goes through and the guard waits for the last.
        drop(leave_tx);
        drop(flush);
        assert_eq!(*written.lock(), [b"first\n".as_slice(), &b"queued\n".repeat(8)].concat());

        lines.send("after the end\n");
        assert_eq!(dropped.value(), 6);
    }

    #[test]
    fn an_output_that_refuses_counts_its_lines() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let dropped = Arc::new(Counter::default());
        let (lines, flush) = spawn("closed", Closed, append, Arc::clone(&dropped)).expect("a thread");
        for _ in 0..3 {
            lines.send("line\n");
        }
        drop(flush);
        assert_eq!(dropped.value(), 3);
    }
}
