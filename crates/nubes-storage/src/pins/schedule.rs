//! When which waiting pin is tried; pure.

use super::PinId;
use nubes_base::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A pin that nobody gave so often is given up: after some seventeen minutes.
pub const ATTEMPTS_MAX: u32 = 11;
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Who is being worked on, and who waits for a better time.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    running: BTreeSet<PinId>,
    /// Failed attempts, and the moment of the next one.
    pauses: BTreeMap<PinId, (u32, Timestamp)>,
}

impl Schedule {
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether `id` may be begun.
    pub(super) fn is_free(&self, id: PinId, now: Timestamp) -> bool {
        !self.running.contains(&id) && self.pauses.get(&id).is_none_or(|(_, due)| *due <= now)
    }

    pub(super) fn begin(&mut self, id: PinId) {
        let is_new = self.running.insert(id);
        assert!(is_new, "pin {id} is worked on twice");
    }

    /// The pin is settled or gone.
    pub(super) fn end(&mut self, id: PinId) {
        self.running.remove(&id);
        self.pauses.remove(&id);
    }

    /// Nobody had it. False: it was the last attempt.
    pub(super) fn pause(&mut self, id: PinId, now: Timestamp) -> bool {
        self.running.remove(&id);
        let failed = self.pauses.get(&id).map_or(0, |(failed, _)| *failed) + 1;
        if failed >= ATTEMPTS_MAX {
            self.pauses.remove(&id);
            return false;
        }
        let pause = PAUSE_FIRST * (1 << (failed - 1));
        let due = now.unix_ms() + u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.pauses.insert(id, (failed, Timestamp::from_unix_ms(due)));
        true
    }

    /// How long until some pause ends.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Duration> {
        let dues = self.pauses.iter().filter(|(id, _)| !self.running.contains(id)).map(|(_, (_, due))| *due);
        dues.min().map(|due| due.since(now))
    }

    /// Forgets the pauses that are over of pins that are gone.
    pub(super) fn forget(&mut self, now: Timestamp, mut is_there: impl FnMut(PinId) -> bool) {
        self.pauses.retain(|id, (_, due)| *due > now || is_there(*id));
    }
}

#[cfg(test)]
mod tests {
    use super::{ATTEMPTS_MAX, Schedule};
    use crate::pins::PinId;
    use nubes_base::Timestamp;
    use std::time::Duration;

    const PIN: PinId = PinId(7);

    const fn at(ms: u64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn pauses_double_until_a_pin_is_given_up() {
        let (mut schedule, mut now, mut pauses) = (Schedule::default(), 0, Vec::new());
        for attempt in 1..=ATTEMPTS_MAX {
            assert!(schedule.is_free(PIN, at(now)), "attempt {attempt}");
            schedule.begin(PIN);
            assert!(!schedule.is_free(PIN, at(now)));
            assert_eq!(schedule.next_due(at(now)), None);
            if !schedule.pause(PIN, at(now)) {
                assert_eq!(attempt, ATTEMPTS_MAX);
                break;
            }
            let pause = schedule.next_due(at(now)).unwrap();
            now += u64::try_from(pause.as_millis()).unwrap();
            assert!(!schedule.is_free(PIN, at(now - 1)));
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(schedule.next_due(at(now)), None);
        assert_eq!(schedule.running(), 0);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut schedule = Schedule::default();
        schedule.begin(PIN);
        assert!(schedule.pause(PIN, at(0)));
        assert_eq!(schedule.next_due(at(0)), Some(Duration::from_secs(1)));
        schedule.forget(at(999), |_| false);
        assert_eq!(schedule.next_due(at(999)), Some(Duration::from_millis(1)));
        schedule.forget(at(1000), |_| false);
        assert_eq!(schedule.next_due(at(0)), None);
        schedule.begin(PIN);
        schedule.end(PIN);
        assert!(schedule.is_free(PIN, at(0)));
    }
}
