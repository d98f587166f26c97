use super::{Fixture, Generous, fixture, leaf, node};
use crate::pins::{Mode, Pin, PinId, Pinner, Status, Wish};
use cid::Cid;
use futures_util::TryStreamExt;
use std::sync::Arc;
use tokio::{sync::oneshot, task::JoinSet};

struct Running {
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

impl Running {
    fn start(pinner: &Pinner) -> Self {
        let (stop, stopped) = oneshot::channel();
        let pinner = pinner.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(pinner.run(async move { _ = stopped.await }));
        Self { stop, tasks }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.tasks.join_all().await;
    }
}

impl Fixture {
    /// Waits until the pin is as wanted.
    async fn until(&self, id: PinId, is_wanted: impl Fn(&Pin) -> bool) -> Pin {
        let mut changes = self.pins.changes();
        loop {
            let pin = self.pins.get(id).unwrap().unwrap();
            if is_wanted(&pin) {
                return pin;
            }
            changes.changed().await.unwrap();
        }
    }
}

fn wish(cid: &Cid) -> Wish {
    Wish::new(*cid, Mode::Recursive)
}

#[tokio::test]
async fn what_is_here_is_pinned_at_once_and_the_rest_is_fetched() {
    let fixture = fixture();
    let (leaf, other) = (leaf("leaf"), leaf("other"));
    let root = node(&[*leaf.cid()]);
    let peers = Generous::new(&fixture.store, vec![leaf.clone(), root.clone()]);
    let met = Arc::clone(&peers.met);
    let pinner = fixture.pinner(peers);
    fixture.put(&other).await;
    assert_eq!(pinner.promise(wish(other.cid())).await.unwrap().status, Status::Pinned);
    let wish = wish(root.cid()).with_origins(vec!["/ip4/192.0.2.7/tcp/1".to_owned()]).unwrap();
    let pin = pinner.promise(wish).await.unwrap();
    assert_eq!(pin.status, Status::Queued);
    let running = Running::start(&pinner);
    let pin = fixture.until(pin.id, |pin| !pin.status.is_waiting()).await;
    assert_eq!((pin.status, pin.details), (Status::Pinned, None));
    assert!(fixture.store.has(leaf.cid()).await.unwrap());
    assert_eq!(*met.lock(), ["/ip4/192.0.2.7/tcp/1"]);
    running.stop().await;
}

#[tokio::test]
async fn what_nobody_has_yet_is_asked_for_again() {
    let fixture = fixture();
    let root = leaf("late");
    let peers = Generous { slow: 1, ..Generous::new(&fixture.store, vec![root.clone()]) };
    let pinner = fixture.pinner(peers);
    let running = Running::start(&pinner);
    let pin = pinner.promise(wish(root.cid())).await.unwrap();
    let waiting = fixture.until(pin.id, |pin| pin.details.is_some()).await;
    assert_eq!(waiting.status, Status::Queued);
    assert!(waiting.details.unwrap().contains("nobody has it"));
    fixture.until(pin.id, |pin| pin.status == Status::Pinned).await;
    running.stop().await;
}

#[tokio::test]
async fn a_node_without_peers_fails_and_says_why() {
    let fixture = fixture();
    let pinner = fixture.alone();
    let running = Running::start(&pinner);
    let pin = pinner.promise(wish(leaf("gone").cid())).await.unwrap();
    let pin = fixture.until(pin.id, |pin| !pin.status.is_waiting()).await;
    assert_eq!(pin.status, Status::Failed);
    assert!(pin.details.unwrap().contains("has no exchange"));
    running.stop().await;
}

#[tokio::test]
async fn a_queue_goes_on_after_a_restart_and_forgets_what_was_removed() {
    let fixture = fixture();
    let (first, second) = (leaf("first"), leaf("second"));
    let nobody = fixture.pinner(Generous::new(&fixture.store, Vec::new()));
    let running = Running::start(&nobody);
    let kept = nobody.promise(wish(first.cid())).await.unwrap();
    let removed = nobody.promise(wish(second.cid())).await.unwrap();
    fixture.until(kept.id, |pin| pin.details.is_some()).await;
    fixture.until(removed.id, |pin| pin.details.is_some()).await;
    assert!(fixture.pins.remove(removed.id).unwrap());
    running.stop().await;
    let somebody = fixture.pinner(Generous::new(&fixture.store, vec![first]));
    let running = Running::start(&somebody);
    fixture.until(kept.id, |pin| pin.status == Status::Pinned).await;
    assert_eq!(fixture.pins.get(removed.id).unwrap(), None);
    running.stop().await;
}

#[tokio::test]
async fn a_pin_is_replaced_in_one_step_and_only_once() {
    let fixture = fixture();
    let pinner = fixture.alone();
    let old = pinner.promise(wish(&fixture.put(&leaf("old")).await)).await.unwrap();
    let new = pinner.promise_instead(old.id, wish(leaf("new").cid())).await.unwrap().unwrap();
    assert_eq!(new.status, Status::Queued);
    assert_ne!(new.id, old.id);
    assert_eq!(fixture.pins.get(old.id).unwrap(), None);
    assert_eq!(pinner.promise_instead(old.id, wish(leaf("new").cid())).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_being_fetched_for_a_caller_lives_until_it_is_pinned_or_given_up() {
    let fixture = fixture();
    let root = leaf("sheltered");
    let cid = fixture.put(&root).await;
    let live = async || fixture.pins.live(&fixture.store).try_collect::<Vec<_>>().await.unwrap();
    assert!(live().await.is_empty());
    let (first, second) = (fixture.pins.shelter(cid).await, fixture.pins.shelter(cid).await);
    drop(first);
    assert_eq!(live().await, [*cid.hash()]);
    drop(second);
    assert!(live().await.is_empty());
}

#[tokio::test]
async fn nothing_is_called_pinned_while_somebody_collects() {
    let fixture = fixture();
    let root = leaf("here");
    let cid = fixture.put(&root).await;
    let pinner = fixture.alone();
    let collecting = fixture.pins.collecting().await;
    let mut promise = Box::pin(pinner.promise(wish(&cid)));
    assert!(futures_util::poll!(&mut promise).is_pending());
    let mut keep = Box::pin(pinner.keep(wish(&cid)));
    assert!(futures_util::poll!(&mut keep).is_pending());
    drop(collecting);
    assert_eq!(promise.await.unwrap().status, Status::Pinned);
    keep.await.unwrap();
}

#[tokio::test]
async fn wishing_again_is_no_second_pin_and_begins_anew_after_a_failure() {
    let fixture = fixture();
    let pinner = fixture.alone();
    let first = pinner.promise_once(wish(leaf("gone").cid())).await.unwrap();
    assert!(fixture.pins.settle(first.id, Status::Failed, Some("nobody".to_owned())).unwrap());
    let again = pinner.promise_once(wish(leaf("gone").cid())).await.unwrap();
    assert_eq!((again.id, again.status, again.details), (first.id, Status::Queued, None));
}
