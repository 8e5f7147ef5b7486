//! The queue of the bulk upsert: tasks of 35 EANs, a few workers for all venues, and what goes wrong between a 204 and its effect.
//!
//! A task waits for its delay, then for a worker; workers take what is due in no fixed order. A queue can stall, a task can be
//! lost, and the first tasks of a venue race on creating its location: all but one of those under way together die.
//!
//! Invariant: a task is applied whole, once, or never; `World::queued_chunks` counts those that wait or run.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ean::{self, Chunk};
use super::server::Shared;
use super::state::World;

/// Tasks waiting; past it a task is applied at once.
const MAX_QUEUED_TASKS: usize = 100_000;
/// How long a task keeps its worker: 35 EANs at the speed that was measured with several workers.
const TASK_TIME: Duration = Duration::from_millis(10);
/// A task's delay differs from the setting by at most half of it, and by at most this (milliseconds): a late queue is late for all.
const MOST_JITTER_MS: u64 = 1_000;
/// How often a queue that could not move looks whether the settings were changed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Longest stall: a day.
pub(crate) const MAX_STALL_MS: u64 = 24 * 3_600_000;
/// Most workers.
pub(crate) const MAX_WORKERS: u32 = 1_000;

/// Tasks accepted and not yet begun.
#[derive(Default)]
pub(crate) struct Queue {
    /// By the moment from which a worker may take them.
    later: BTreeMap<(Instant, u64), Chunk>,
    ready: Vec<Chunk>,
    running: u32,
    numbered: u64,
    stalled_until: Option<Instant>,
    lose_next: u32,
    /// Places whose location exists: an offer was made there.
    located: HashSet<(u32, Option<u64>)>,
}

/// A task that a worker has begun.
struct Work {
    chunk: Chunk,
    era: u64,
    /// It found no location and makes one.
    makes_location: bool,
}

impl Queue {
    /// Nothing begins before this time has passed; 0 ends a stall.
    pub(crate) fn stall(&mut self, milliseconds: u64) {
        let stall = Duration::from_millis(milliseconds.min(MAX_STALL_MS));
        self.stalled_until = (!stall.is_zero()).then(|| Instant::now() + stall);
    }

    /// The next so many tasks are lost when their turn comes.
    pub(crate) fn lose_next(&mut self, tasks: u32) {
        self.lose_next = tasks;
    }

    /// Milliseconds left of a stall, and tasks still to be lost.
    pub(crate) fn trouble(&self) -> (u64, u32) {
        let left = self.stalled_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        (u64::try_from(left.as_millis()).unwrap_or(u64::MAX), self.lose_next)
    }

    fn is_stalled(&self, now: Instant) -> bool {
        self.stalled_until.is_some_and(|until| now < until)
    }
}

/// Takes the tasks of one call; without delay they are done at once.
pub(crate) fn accept(world: &mut World, mut chunks: Vec<Chunk>) {
    let now = Instant::now();
    let delay = world.settings.upsert_delay_ms;
    let no_room = world.queued_chunks + chunks.len() > MAX_QUEUED_TASKS;
    if no_room || (delay == 0 && !world.queue.is_stalled(now)) {
        while !chunks.is_empty() {
            let index = world.random.below(chunks.len() as u64);
            let chunk = chunks.swap_remove(usize::try_from(index).unwrap_or(0));
            if !is_lost(world) {
                world.queue.located.insert(chunk.place());
                ean::apply(world, &chunk);
            }
        }
        return;
    }
    world.queued_chunks += chunks.len();
    let jitter = (delay / 2).min(MOST_JITTER_MS);
    for chunk in chunks {
        let due = now + Duration::from_millis(delay - jitter + world.random.below(2 * jitter + 1));
        world.queue.numbered += 1;
        let key = (due, world.queue.numbered);
        world.queue.later.insert(key, chunk);
    }
}

/// The workers, until the sandbox stops.
pub(crate) async fn work(shared: Arc<Shared>) {
    loop {
        let (begun, look_at) = {
            let mut world = shared.world();
            begin(&mut world, Instant::now())
        };
        for work in begun {
            let shared = shared.clone();
            tokio::spawn(async move {
                tokio::time::sleep(TASK_TIME).await;
                end(&mut shared.world(), &work);
                shared.queue_moved().notify_one();
            });
        }
        tokio::select! {
            () = shared.queue_moved().notified() => {}
            () = tokio::time::sleep_until(look_at) => {}
            () = shared.stop_token().cancelled() => return,
        }
    }
}

/// Tasks that free workers take now, and when to look again.
fn begin(world: &mut World, now: Instant) -> (Vec<Work>, Instant) {
    while let Some(first) = world.queue.later.first_entry().filter(|first| first.key().0 <= now) {
        let chunk = first.remove();
        world.queue.ready.push(chunk);
    }
    let mut begun = Vec::new();
    while !world.queue.ready.is_empty()
        && !world.queue.is_stalled(now)
        && world.queue.running < world.settings.ean_workers
    {
        let index = world.random.below(world.queue.ready.len() as u64);
        let chunk = world.queue.ready.swap_remove(usize::try_from(index).unwrap_or(0));
        if is_lost(world) {
            world.queued_chunks = world.queued_chunks.saturating_sub(1);
            continue;
        }
        world.queue.running += 1;
        let makes_location = !world.queue.located.contains(&chunk.place());
        begun.push(Work { chunk, era: world.era, makes_location });
    }
    let next_due = world.queue.later.first_key_value().map(|((due, _), _)| *due);
    let soon = now + LOOK_AGAIN;
    (begun, next_due.map_or(soon, |due| due.min(soon)))
}

/// A task's end: its effect, unless another one made the location that it was making too.
fn end(world: &mut World, work: &Work) {
    // A reset has forgotten it.
    if world.era != work.era {
        return;
    }
    world.queue.running = world.queue.running.saturating_sub(1);
    world.queued_chunks = world.queued_chunks.saturating_sub(1);
    let is_first = world.queue.located.insert(work.chunk.place());
    if world.settings.location_race && work.makes_location && !is_first {
        return;
    }
    ean::apply(world, &work.chunk);
}

fn is_lost(world: &mut World) -> bool {
    let lost = world.queue.lose_next > 0;
    world.queue.lose_next = world.queue.lose_next.saturating_sub(1);
    lost
}
