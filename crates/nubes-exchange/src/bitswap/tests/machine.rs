//! The machine alone: one event, its effects.

use crate::bitswap::*;
use crate::message::{Block, Entry, Kind, Message, Presence, Want};
use bytes::Bytes;
use cid::Cid;
use nubes_base::Timestamp;
use nubes_testkit::blocks::raw;

const A: Peer = Peer(1);
const B: Peer = Peer(2);
const C: Peer = Peer(3);
const DOWNLOAD: Session = Session(1);

/// A machine at a time that the test moves.
struct Bench {
    machine: Bitswap,
    now_ms: u64,
}

impl Bench {
    fn with(peers: &[Peer]) -> Self {
        let mut bench = Self { machine: Bitswap::default(), now_ms: 1_000_000 };
        for peer in peers {
            bench.on(Event::Connected(*peer));
        }
        bench
    }

    fn on(&mut self, event: Event) -> Vec<Effect> {
        self.machine.handle(Timestamp::from_unix_ms(self.now_ms), event)
    }

    fn later(&mut self, time: Duration) -> Vec<Effect> {
        self.now_ms += u64::try_from(time.as_millis()).unwrap();
        self.on(Event::TimePassed)
    }

    fn want(&mut self, content: &'static str) -> Vec<Effect> {
        self.on(Event::Wanted { session: DOWNLOAD, cid: cid(content) })
    }

    fn says(&mut self, peer: Peer, content: &'static str, presence: Presence) -> Vec<Effect> {
        let message = Message { presences: vec![(cid(content), presence)], ..Message::default() };
        self.on(Event::Received(peer, message))
    }

    fn gives(&mut self, peer: Peer, content: &'static str) -> Vec<Effect> {
        self.on(Event::Received(peer, Message { blocks: vec![block(content)], ..Message::default() }))
    }

    fn asks(&mut self, peer: Peer, entries: Vec<Entry>) -> Vec<Effect> {
        self.on(Event::Received(peer, Message { entries, ..Message::default() }))
    }

    fn found(&mut self, peer: Peer, content: &'static str, found: Found) -> Vec<Effect> {
        self.on(Event::Loaded { peer, cid: cid(content), found })
    }
}

fn cid(content: &'static str) -> Cid {
    raw(content).0
}

fn block(content: &'static str) -> Block {
    let (cid, bytes) = raw(content);
    Block::stored(cid, bytes)
}

fn want(content: &'static str, kind: Kind) -> Entry {
    Entry::Want(Want { cid: cid(content), kind, send_dont_have: true })
}

fn content(content: &'static str) -> Found {
    Found::Content(Bytes::from_static(content.as_bytes()))
}

/// What the effects do, one line each.
fn story(effects: &[Effect]) -> Vec<String> {
    let mut lines = Vec::new();
    for effect in effects {
        match effect {
            Effect::Send { peer, message, .. } => {
                lines.extend(message.entries.iter().map(|entry| match entry {
                    Entry::Want(want) => format!("{} {:?}?", peer.0, want.kind),
                    Entry::Cancel(_) => format!("{} cancel", peer.0),
                }));
                lines.extend(message.blocks.iter().map(|_| format!("{} block", peer.0)));
                lines.extend(message.presences.iter().map(|(_, said)| format!("{} {said:?}", peer.0)));
            }
            Effect::Load { peer, bytes_max, .. } => lines.push(format!("load for {} {bytes_max}", peer.0)),
            Effect::Deliver(_) => lines.push("deliver".to_owned()),
            Effect::Refused { .. } => lines.push("refused".to_owned()),
            Effect::Disconnect(peer) => lines.push(format!("disconnect {}", peer.0)),
        }
    }
    lines
}

#[track_caller]
fn check(effects: &[Effect], expected: &[&str]) {
    assert_eq!(story(effects), expected);
}

#[test]
fn all_are_asked_and_one_of_those_that_have_it_gives_it() {
    let mut bench = Bench::with(&[A, B, C]);
    check(&bench.want("x"), &["1 Have?", "2 Have?", "3 Have?"]);
    check(&bench.says(A, "x", Presence::DontHave), &[]);
    check(&bench.says(B, "x", Presence::Have), &["2 Block?"]);
    check(&bench.says(C, "x", Presence::Have), &[]);
    check(&bench.gives(B, "x"), &["deliver", "1 cancel", "3 cancel"]);
    check(&bench.later(ASK_TIMEOUT), &[]);
}

#[test]
fn the_only_peer_is_asked_for_the_block_at_once() {
    let mut bench = Bench::with(&[A]);
    check(&bench.want("x"), &["1 Block?"]);
    check(&bench.gives(A, "x"), &["deliver"]);
}

#[test]
fn who_gave_something_in_the_session_is_asked_for_the_next_block_at_once() {
    let mut bench = Bench::with(&[A, B]);
    bench.want("x");
    bench.gives(B, "x");
    check(&bench.want("y"), &["2 Block?"]);
    let other = Event::Wanted { session: Session(2), cid: cid("z") };
    check(&bench.on(other), &["1 Have?", "2 Have?"]);
}

#[test]
fn wants_are_spread_over_those_that_have_them() {
    let mut bench = Bench::with(&[A, B, C]);
    bench.want("x");
    bench.says(A, "x", Presence::Have);
    bench.says(B, "x", Presence::Have);
    check(&bench.want("y"), &["2 Block?"]);
    check(&bench.want("z"), &["1 Block?"]);
    check(&bench.want("u"), &["2 Block?"]);
}

#[test]
fn a_peer_that_has_it_not_loses_the_want_to_others() {
    let mut bench = Bench::with(&[A, B]);
    bench.want("x");
    bench.gives(A, "x");
    check(&bench.want("y"), &["1 Block?"]);
    check(&bench.says(A, "y", Presence::DontHave), &["2 Have?"]);
    check(&bench.says(B, "y", Presence::Have), &["2 Block?"]);
    check(&bench.gives(B, "y"), &["deliver", "1 cancel"]);
}

#[test]
fn a_silent_peer_loses_the_want_and_a_busy_one_keeps_it() {
    let mut bench = Bench::with(&[A, B]);
    bench.want("x");
    bench.says(A, "x", Presence::Have);
    bench.says(B, "x", Presence::Have);
    bench.want("y");
    check(&bench.later(BLOCK_TIMEOUT / 2), &[]);
    check(&bench.gives(B, "y"), &["deliver"]);
    check(&bench.later(BLOCK_TIMEOUT / 2), &["2 Block?"]);
    bench.want("z");
    bench.later(BLOCK_TIMEOUT / 2);
    bench.says(A, "unrelated", Presence::Have);
    check(&bench.later(BLOCK_TIMEOUT / 2), &[]);
}

#[test]
fn when_nobody_has_it_all_are_asked_again() {
    let mut bench = Bench::with(&[A, B]);
    bench.want("x");
    bench.says(A, "x", Presence::DontHave);
    bench.says(B, "x", Presence::DontHave);
    check(&bench.later(ASK_TIMEOUT / 2), &[]);
    check(&bench.later(ASK_TIMEOUT / 2), &["1 Have?", "2 Have?"]);
    check(&bench.later(ASK_TIMEOUT / 2), &[]);
}

#[test]
fn a_peer_that_comes_is_asked_and_one_that_goes_loses_its_wants() {
    let mut bench = Bench::with(&[]);
    check(&bench.want("x"), &[]);
    check(&bench.on(Event::Connected(A)), &["1 Block?"]);
    check(&bench.on(Event::Connected(B)), &[]);
    check(&bench.on(Event::Disconnected(A)), &["2 Block?"]);
    check(&bench.gives(A, "x"), &[]);
    check(&bench.gives(B, "x"), &["deliver"]);
}

#[test]
fn what_two_sessions_want_is_asked_for_once_and_kept_while_one_wants_it() {
    let mut bench = Bench::with(&[A]);
    bench.want("x");
    check(&bench.on(Event::Wanted { session: Session(2), cid: cid("x") }), &[]);
    check(&bench.on(Event::Unwanted { session: DOWNLOAD, cid: cid("x") }), &[]);
    check(&bench.on(Event::SessionEnded(Session(2))), &["1 cancel"]);
    assert!(!bench.machine.is_waiting());
}

#[test]
fn a_block_nobody_asked_for_is_dropped_and_held_against_its_sender() {
    let mut bench = Bench::with(&[A, B]);
    for _ in 1..FAULTS_MAX {
        check(&bench.gives(A, "unasked"), &[]);
    }
    check(&bench.gives(A, "unasked"), &["disconnect 1"]);
    check(&bench.gives(B, "unasked"), &[]);
    let unreadable = Message { unreadable_blocks: FAULTS_MAX as usize - 1, ..Message::default() };
    check(&bench.on(Event::Received(B, unreadable)), &["disconnect 2"]);
}

#[test]
fn a_second_copy_is_not_held_against_its_sender() {
    let mut bench = Bench::with(&[A, B]);
    bench.want("x");
    bench.gives(A, "x");
    for _ in 0..=FAULTS_MAX {
        check(&bench.gives(B, "x"), &[]);
    }
}

#[test]
fn an_answer_that_was_not_asked_for_counts_for_nothing() {
    let mut bench = Bench::with(&[A, B]);
    bench.want("x");
    bench.on(Event::Connected(C));
    bench.on(Event::Unwanted { session: DOWNLOAD, cid: cid("x") });
    check(&bench.says(A, "x", Presence::Have), &[]);
    check(&bench.want("y"), &["1 Have?", "2 Have?", "3 Have?"]);
}

#[test]
fn more_wants_than_fit_are_refused() {
    let mut bench = Bench::with(&[]);
    for n in 0..OUR_WANTS_MAX {
        let (cid, _) = raw(n.to_string());
        check(&bench.on(Event::Wanted { session: DOWNLOAD, cid }), &[]);
    }
    check(&bench.want("one more"), &["refused"]);
    check(&bench.on(Event::Wanted { session: Session(2), cid: raw("0").0 }), &[]);
}

#[test]
fn a_want_is_answered_with_the_block_its_presence_or_its_absence() {
    let mut bench = Bench::with(&[A]);
    let small = SMALL_BLOCK_BYTES_MAX;
    check(&bench.asks(A, vec![want("x", Kind::Have)]), &[&format!("load for 1 {small}")]);
    check(&bench.found(A, "x", Found::Longer), &["1 Have"]);
    let large = outbox::BLOCK_BYTES_MAX;
    check(&bench.asks(A, vec![want("x", Kind::Block)]), &[&format!("load for 1 {large}")]);
    check(&bench.found(A, "x", content("x")), &["1 block"]);
    bench.asks(A, vec![want("y", Kind::Have)]);
    check(&bench.found(A, "y", content("y")), &["1 block"]);
    bench.asks(A, vec![want("z", Kind::Block)]);
    check(&bench.found(A, "z", Found::Missing), &["1 DontHave"]);
    let quiet = Entry::Want(Want { cid: cid("u"), kind: Kind::Block, send_dont_have: false });
    bench.asks(A, vec![quiet]);
    check(&bench.found(A, "u", Found::Missing), &[]);
}

#[test]
fn a_block_too_long_for_a_message_is_not_offered() {
    let mut bench = Bench::with(&[A]);
    bench.asks(A, vec![want("x", Kind::Block)]);
    check(&bench.found(A, "x", Found::Longer), &["1 DontHave"]);
}

#[test]
fn who_asks_for_the_block_while_its_presence_is_looked_up_gets_the_block() {
    let mut bench = Bench::with(&[A]);
    bench.asks(A, vec![want("x", Kind::Have)]);
    check(&bench.asks(A, vec![want("x", Kind::Block)]), &[]);
    let large = outbox::BLOCK_BYTES_MAX;
    check(&bench.found(A, "x", Found::Longer), &[&format!("load for 1 {large}")]);
    check(&bench.found(A, "x", content("x")), &["1 block"]);
}

#[test]
fn a_cancelled_want_is_not_met_and_a_full_list_replaces_the_old_one() {
    let mut bench = Bench::with(&[A]);
    bench.asks(A, vec![want("x", Kind::Block), want("y", Kind::Block)]);
    check(&bench.asks(A, vec![Entry::Cancel(cid("x"))]), &[]);
    check(&bench.found(A, "x", content("x")), &[]);
    let full = Message { full: true, ..Message::default() };
    bench.on(Event::Received(A, full));
    check(&bench.found(A, "y", content("y")), &[]);
}

#[test]
fn what_was_missing_is_sent_when_it_comes() {
    let mut bench = Bench::with(&[A, B]);
    bench.asks(A, vec![want("x", Kind::Block)]);
    bench.found(A, "x", Found::Missing);
    let large = outbox::BLOCK_BYTES_MAX;
    check(&bench.on(Event::Stored(vec![cid("x"), cid("y")])), &[&format!("load for 1 {large}")]);
    check(&bench.found(A, "x", content("x")), &["1 block"]);
    check(&bench.on(Event::Stored(vec![cid("x")])), &[]);
}

#[test]
fn who_asks_again_is_answered_again() {
    let mut bench = Bench::with(&[A]);
    let large = outbox::BLOCK_BYTES_MAX;
    for _ in 0..2 {
        check(&bench.asks(A, vec![want("x", Kind::Block)]), &[&format!("load for 1 {large}")]);
        check(&bench.found(A, "x", Found::Missing), &["1 DontHave"]);
    }
}

#[test]
fn a_peer_may_want_only_so_much() {
    let mut bench = Bench::with(&[A]);
    let many: Vec<_> = (0..=THEIR_WANTS_MAX).map(|n| raw(n.to_string()).0).collect();
    let entries =
        many.iter().map(|cid| Entry::Want(Want { cid: *cid, kind: Kind::Have, send_dont_have: true }));
    let effects = bench.asks(A, entries.collect());
    let refusals: Vec<_> = effects.iter().filter(|effect| matches!(effect, Effect::Send { .. })).collect();
    let loads = effects.iter().filter(|effect| matches!(effect, Effect::Load { .. })).count();
    // The refusal waits for the answers that are being looked up.
    assert_eq!((refusals.len(), loads), (0, LOADS_PER_PEER_MAX));
    let mut answers = Vec::new();
    for cid in &many {
        answers.extend(bench.on(Event::Loaded { peer: A, cid: *cid, found: Found::Missing }));
    }
    let told = answers.iter().filter_map(|effect| match effect {
        Effect::Send { message, .. } => Some(&message.presences),
        _ => None,
    });
    assert_eq!(told.flatten().filter(|(cid, _)| *cid == many[THEIR_WANTS_MAX]).count(), 1);
}

#[test]
fn peers_take_turns() {
    let mut bench = Bench::with(&[A, B]);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let wants = || names.iter().map(|name| want(name, Kind::Block)).collect::<Vec<_>>();
    let first = bench.asks(A, wants());
    assert_eq!(first.len(), LOADS_PER_PEER_MAX);
    let second = bench.asks(B, wants());
    assert_eq!(second.len(), LOADS_PER_PEER_MAX, "one peer's queue does not keep another waiting");
    let next = bench.found(A, "a", Found::Missing);
    assert!(story(&next).contains(&format!("load for 1 {}", outbox::BLOCK_BYTES_MAX)));
}

#[test]
fn a_peer_that_waits_is_served_before_one_that_was_served() {
    let peers: Vec<_> = (1..=5).map(Peer).collect();
    let mut bench = Bench::with(&peers);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    for peer in &peers {
        bench.asks(*peer, names.iter().map(|name| want(name, Kind::Block)).collect());
    }
    let next = story(&bench.found(Peer(1), "a", Found::Missing));
    assert!(next.contains(&format!("load for 5 {}", outbox::BLOCK_BYTES_MAX)), "{next:?}");
}

#[test]
fn look_ups_end_when_no_room_is_left_and_go_on_when_messages_are_written() {
    let mut bench = Bench::with(&[A]);
    let big: Vec<_> = (0..40_u8).map(|n| raw(vec![n; 1 << 20])).collect();
    let entries =
        big.iter().map(|(cid, _)| Entry::Want(Want { cid: *cid, kind: Kind::Block, send_dont_have: true }));
    let mut open = bench.asks(A, entries.collect());
    let (mut sent, mut served, mut in_flight, mut peak) = (Vec::new(), 0, 0, 0);
    loop {
        let mut next = Vec::new();
        for effect in open.drain(..) {
            match effect {
                Effect::Load { peer, cid, .. } => {
                    let (_, bytes) = big.iter().find(|(own, _)| *own == cid).unwrap();
                    next.extend(bench.on(Event::Loaded { peer, cid, found: Found::Content(bytes.clone()) }));
                }
                Effect::Send { message, bytes, .. } => {
                    assert!(bytes <= crate::message::MESSAGE_BYTES_MAX);
                    served += message.blocks.len();
                    in_flight += bytes;
                    sent.push(bytes);
                }
                other => panic!("{other:?}"),
            }
        }
        peak = peak.max(in_flight);
        open = next;
        if open.is_empty() {
            let Some(bytes) = sent.pop() else { break };
            in_flight -= bytes;
            open = bench.on(Event::Sent { peer: A, bytes });
        }
    }
    assert_eq!(served, big.len());
    let bound = QUEUED_BYTES_PER_PEER_MAX + LOADS_PER_PEER_MAX * (1 << 20) + (1 << 20);
    assert!((QUEUED_BYTES_PER_PEER_MAX - (2 << 20)..=bound).contains(&peak), "{peak}");
}

#[test]
fn all_peers_together_get_only_so_much_room() {
    let mut bench = Bench::with(&[]);
    let big: Vec<_> = (0..12_u8).map(|n| raw(vec![n; 1 << 20])).collect();
    let (mut queued, mut open) = (0, Vec::new());
    for peer in (1..=24).map(Peer) {
        bench.on(Event::Connected(peer));
        let want = |cid: Cid| Entry::Want(Want { cid, kind: Kind::Block, send_dont_have: true });
        open.extend(bench.asks(peer, big.iter().map(|(cid, _)| want(*cid)).collect()));
    }
    while let Some(effect) = open.pop() {
        match effect {
            Effect::Load { peer, cid, .. } => {
                let (_, bytes) = big.iter().find(|(own, _)| *own == cid).unwrap();
                open.extend(bench.on(Event::Loaded { peer, cid, found: Found::Content(bytes.clone()) }));
            }
            Effect::Send { bytes, .. } => queued += bytes,
            other => panic!("{other:?}"),
        }
    }
    let bound = QUEUED_BYTES_MAX + LOADS_MAX * (1 << 20) + (1 << 20);
    assert!((QUEUED_BYTES_MAX - (2 << 20)..=bound).contains(&queued), "{queued}");
}

#[test]
fn a_cancelled_want_leaves_its_place_in_the_queue() {
    let mut bench = Bench::with(&[A]);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "cancelled", "last"];
    let loads = bench.asks(A, names.iter().map(|name| want(name, Kind::Block)).collect());
    assert_eq!(loads.len(), LOADS_PER_PEER_MAX);
    bench.asks(A, vec![Entry::Cancel(cid("cancelled"))]);
    let next = bench.found(A, "a", Found::Missing);
    let last = Effect::Load { peer: A, cid: cid("last"), bytes_max: outbox::BLOCK_BYTES_MAX };
    assert!(next.contains(&last), "{next:?}");
}

#[test]
fn a_message_is_cut_before_it_is_too_long() {
    let mut bench = Bench::with(&[A]);
    let blocks =
        [(1, 1_900_000), (2, 3_000_000), (3, 1_900_000)].map(|(byte, length)| raw(vec![byte; length]));
    let want = |cid: Cid| Entry::Want(Want { cid, kind: Kind::Block, send_dont_have: true });
    bench.asks(A, blocks.iter().map(|(cid, _)| want(*cid)).collect());
    let mut sent = Vec::new();
    for (cid, bytes) in blocks {
        let effects = bench.on(Event::Loaded { peer: A, cid, found: Found::Content(bytes) });
        sent.extend(effects.into_iter().map(|effect| match effect {
            Effect::Send { message, bytes, .. } => (message.blocks.len(), bytes),
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(sent.iter().map(|(blocks, _)| blocks).sum::<usize>(), 3);
    assert!(sent.iter().all(|(_, bytes)| *bytes <= crate::message::MESSAGE_BYTES_MAX), "{sent:?}");
}

#[test]
fn a_message_has_only_as_many_items_as_the_others_accept() {
    let mut outbox = Outbox::default();
    for _ in 0..=crate::message::ITEMS_MAX {
        outbox.tell(cid("x"), Presence::DontHave);
    }
    let (first, _) = outbox.next(false).unwrap();
    let (second, _) = outbox.next(false).unwrap();
    assert_eq!((first.presences.len(), second.presences.len()), (crate::message::ITEMS_MAX, 1));
}

#[test]
fn one_peer_too_many_is_turned_away() {
    let peers: Vec<_> = (0..PEERS_MAX as u64).map(Peer).collect();
    let mut bench = Bench::with(&peers);
    let extra = Peer(PEERS_MAX as u64);
    check(&bench.on(Event::Connected(extra)), &[&format!("disconnect {}", extra.0)]);
    check(&bench.asks(extra, vec![want("x", Kind::Block)]), &[]);
}

#[test]
fn the_first_list_is_the_whole_list() {
    let mut bench = Bench::with(&[A]);
    let full = |effects: &[Effect]| match effects {
        [Effect::Send { message, .. }] => message.full,
        other => panic!("{other:?}"),
    };
    assert!(full(&bench.want("x")));
    assert!(!full(&bench.want("y")));
}

#[test]
fn look_ups_of_a_peer_that_left_do_not_count_for_ever() {
    let mut bench = Bench::with(&[]);
    for round in 0..LOADS_MAX as u64 {
        let peer = Peer(100 + round);
        bench.on(Event::Connected(peer));
        bench.asks(peer, vec![want("x", Kind::Block)]);
        bench.on(Event::Disconnected(peer));
    }
    bench.on(Event::Connected(A));
    check(&bench.asks(A, vec![want("y", Kind::Block)]), &[]);
    let large = outbox::BLOCK_BYTES_MAX;
    check(&bench.found(Peer(100), "x", content("x")), &[&format!("load for 1 {large}")]);
}
