//! One piece of work for all who want its result at the same moment.
//!
//! Who asks first works, who asks while the work goes on waits for it. An error is not shared: the next who waits tries for
//! himself, and so he does if the first gives up. Nothing is remembered once nobody waits.
//!
//! Who works holds up all who wait until he is polled to the end. Who may not be, such as a part of a body whose client does
//! not read, joins in a task of its own ([`apart`]).

use parking_lot::Mutex;
use std::{collections::BTreeMap, future::Future, sync::Arc};
use tokio::{sync::OnceCell, task::JoinSet};

/// Different pieces of work at once; who has one more does it by himself.
const OPEN_MAX: usize = 4_096;

pub(crate) struct Flights<K: Ord, V> {
    // A lock and not a task: held for one look-up.
    open: Mutex<BTreeMap<K, Flight<V>>>,
    open_max: usize,
}

struct Flight<V> {
    result: Arc<OnceCell<V>>,
    seats: usize,
}

/// Keeps a flight open.
struct Seat<'a, K: Ord, V> {
    flights: &'a Flights<K, V>,
    key: &'a K,
    result: Arc<OnceCell<V>>,
}

impl<K: Ord + Clone, V: Clone> Flights<K, V> {
    pub(crate) const fn new() -> Self {
        Self { open: Mutex::new(BTreeMap::new()), open_max: OPEN_MAX }
    }

    /// The result of `work`, or of the same work of somebody who is at it.
    pub(crate) async fn join<E>(&self, key: &K, work: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        match self.board(key) {
            Some(seat) => seat.result.get_or_try_init(|| work).await.cloned(),
            None => work.await,
        }
    }

    fn board<'a>(&'a self, key: &'a K) -> Option<Seat<'a, K, V>> {
        let mut open = self.open.lock();
        if open.len() >= self.open_max && !open.contains_key(key) {
            return None;
        }
        let flight =
            open.entry(key.clone()).or_insert_with(|| Flight { result: Arc::new(OnceCell::new()), seats: 0 });
        flight.seats += 1;
        Some(Seat { flights: self, key, result: Arc::clone(&flight.result) })
    }
}

impl<K: Ord, V> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let mut open = self.flights.open.lock();
        if let Some(flight) = open.get_mut(self.key) {
            flight.seats -= 1;
            if flight.seats == 0 {
                open.remove(self.key);
            }
        }
    }
}

/// Does `work` to the end though the caller is polled no more, unless he is dropped; nothing if it panicked or the program ends.
pub(crate) async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    // The set ends its task when it is dropped.
    let mut task = JoinSet::new();
    task.spawn(work);
    task.join_next().await?.ok()
}

#[cfg(test)]
mod tests {
    use super::Flights;
    use futures_util::{FutureExt, future::join_all};
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn who_comes_while_somebody_works_waits_for_it() {
        let (flights, works, gate) = (Flights::<u8, u32>::new(), AtomicU32::new(0), Semaphore::new(0));
        let work = async || {
            works.fetch_add(1, Ordering::Relaxed);
            let _ = gate.acquire().await.unwrap();
            Ok::<_, ()>(works.load(Ordering::Relaxed))
        };
        let all = join_all((0..20).map(|n| flights.join(if n % 2 == 0 { &0 } else { &1 }, work())));
        let (results, ()) = tokio::join!(all, async { gate.add_permits(1) });
        assert_eq!(results, [Ok(2); 20]);
        assert_eq!(works.load(Ordering::Relaxed), 2, "one for each key");
        assert!(flights.open.lock().is_empty());
        assert_eq!(flights.join(&0, work()).await, Ok(3), "nothing is remembered");
    }

    #[tokio::test]
    async fn an_error_is_not_shared() {
        let (flights, works) = (Flights::<u8, u32>::new(), AtomicU32::new(0));
        let work = async || {
            tokio::task::yield_now().await;
            let n = works.fetch_add(1, Ordering::Relaxed);
            if n < 2 { Err(n) } else { Ok(n) }
        };
        let mut results = join_all((0..5).map(|_| flights.join(&0, work()))).await;
        results.sort_unstable();
        assert_eq!(results, [Ok(2), Ok(2), Ok(2), Err(0), Err(1)]);
        assert!(flights.open.lock().is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_work_to_the_next() {
        let (flights, gate) = (Flights::<u8, u32>::new(), Semaphore::new(0));
        let first = Box::pin(flights.join(&0, async {
            let _ = gate.acquire().await.unwrap();
            Ok::<_, ()>(1)
        }));
        let mut first = first.fuse();
        assert!((&mut first).now_or_never().is_none());
        let second = flights.join(&0, async { Ok::<_, ()>(2) });
        let (second, ()) = tokio::join!(second, async { drop(first) });
        assert_eq!(second, Ok(2));
        assert!(flights.open.lock().is_empty());
    }

    #[tokio::test]
    async fn beyond_the_limit_everybody_works_for_himself() {
        let flights = Flights::<u8, u32> { open_max: 1, ..Flights::new() };
        let inner = flights.join(&1, async { Ok::<_, ()>(1) });
        let outer = flights.join(&0, async { inner.await.map(|n| n + 1) });
        assert_eq!(outer.await, Ok(2));
        assert!(flights.open.lock().is_empty());
    }
}
