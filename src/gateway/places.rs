//! Bulkheads between passes: how many may be under way at once, in all and beside whom.
//!
//! A pass mostly waits for a vendor or for pass Culture, so there are many places; what keeps one slow party from taking them
//! all is counted beside. A pass begins only when there is room for it everywhere, so that none holds a place while it waits for
//! another; what has read its vendor leaves the room beside that host. Pure: the schedule asks, and gives back.
//!
//! Invariant: what [`Places`] has let in never exceeds any bound of [`Bounds`], nor as many beside one host as its adapter allows.

use std::collections::BTreeMap;

/// How many passes may be under way at once in one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// In all.
    pub(super) in_all: usize,
    /// For one pass Culture account: one that is told to wait for an hour leaves places to the others.
    pub(super) of_an_account: usize,
    /// Of connections whose last pass failed: vendors that hang, however many, leave places to those that work.
    pub(super) of_failing: usize,
}

/// The bounds of a server.
pub(super) const BOUNDS: Bounds = Bounds { in_all: 128, of_an_account: 96, of_failing: 48 };

/// A vendor's host, and how many passes may talk to it at once.
pub(super) type Host = (String, u32);

/// A connection that wants a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The connection.
    pub(super) id: String,
    /// Its pass Culture account.
    pub(super) account: String,
    /// The vendor's host; none when it talks to none.
    pub(super) host: Option<Host>,
    /// Did its last pass fail?
    pub(super) is_failing: bool,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Everything is taken: nobody gets one.
    Full,
    /// It is under way already, or those beside it take all that they may: another may get one.
    NotBeside,
}

/// The places of one process.
#[derive(Debug)]
pub(super) struct Places {
    bounds: Bounds,
    taken: BTreeMap<String, Candidate>,
    hosts: BTreeMap<String, usize>,
    accounts: BTreeMap<String, usize>,
    failing: usize,
}

impl Places {
    /// None is taken.
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self { bounds, taken: BTreeMap::new(), hosts: BTreeMap::new(), accounts: BTreeMap::new(), failing: 0 }
    }

    /// Is every place taken?
    pub(super) fn is_full(&self) -> bool {
        self.taken.len() >= self.bounds.in_all
    }

    /// Is this connection under way?
    pub(super) fn has(&self, id: &str) -> bool {
        self.taken.contains_key(id)
    }

    /// Gives a place, or says why there is none.
    pub(super) fn take(&mut self, candidate: &Candidate) -> Result<(), NoPlace> {
        if self.is_full() {
            return Err(NoPlace::Full);
        }
        let count = |counts: &BTreeMap<String, usize>, key: &str| counts.get(key).copied().unwrap_or(0);
        let host_is_full = candidate
            .host
            .as_ref()
            .is_some_and(|(host, at_once)| count(&self.hosts, host) >= usize::try_from(*at_once).unwrap_or(1).max(1));
        let beside = self.has(&candidate.id)
            || host_is_full
            || count(&self.accounts, &candidate.account) >= self.bounds.of_an_account
            || (candidate.is_failing && self.failing >= self.bounds.of_failing);
        if beside {
            return Err(NoPlace::NotBeside);
        }
        if let Some((host, _)) = &candidate.host {
            *self.hosts.entry(host.clone()).or_default() += 1;
        }
        *self.accounts.entry(candidate.account.clone()).or_default() += 1;
        self.failing += usize::from(candidate.is_failing);
        self.taken.insert(candidate.id.clone(), candidate.clone());
        Ok(())
    }

    /// A pass has read its vendor: another one may talk to it.
    pub(super) fn leave_host(&mut self, id: &str) {
        if let Some((host, _)) = self.taken.get_mut(id).and_then(|candidate| candidate.host.take()) {
            one_less(&mut self.hosts, &host);
        }
    }

    /// Takes a place back.
    pub(super) fn give_back(&mut self, id: &str) {
        self.leave_host(id);
        let Some(candidate) = self.taken.remove(id) else { return };
        one_less(&mut self.accounts, &candidate.account);
        self.failing = self.failing.saturating_sub(usize::from(candidate.is_failing));
    }
}

fn one_less(counts: &mut BTreeMap<String, usize>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(id: usize, host: Option<(usize, u32)>, account: usize, is_failing: bool) -> Candidate {
        Candidate {
            id: format!("c{id}"),
            account: format!("a{account}"),
            host: host.map(|(host, at_once)| (format!("https://h{host}.example"), at_once)),
            is_failing,
        }
    }

    const SMALL: Bounds = Bounds { in_all: 12, of_an_account: 8, of_failing: 5 };

    proptest! {
        #[test]
        fn no_bound_is_ever_exceeded_and_who_fits_gets_a_place(
            moves in prop::collection::vec((0_usize..40, 0_usize..6, 0_usize..3, any::<bool>(), any::<bool>()), 1..300),
        ) {
            let mut places = Places::new(SMALL);
            let mut inside: BTreeMap<String, Candidate> = BTreeMap::new();
            for (id, host, account, is_failing, gives_back) in moves {
                if gives_back {
                    places.give_back(&format!("c{id}"));
                    inside.remove(&format!("c{id}"));
                    continue;
                }
                let one = candidate(id, (host > 0).then(|| (host, u32::try_from(host).unwrap())), account, is_failing);
                let beside = |fits: &dyn Fn(&Candidate) -> bool| inside.values().filter(|other| fits(other)).count();
                let room = inside.len() < SMALL.in_all
                    && !inside.contains_key(&one.id)
                    && one.host.as_ref().is_none_or(|(_, at_once)| beside(&|other| other.host == one.host) < *at_once as usize)
                    && beside(&|other| other.account == one.account) < SMALL.of_an_account
                    && (!is_failing || beside(&|other| other.is_failing) < SMALL.of_failing);
                let answer = places.take(&one);
                prop_assert_eq!(answer.is_ok(), room, "{:?} among {:?}", answer, inside);
                if room {
                    inside.insert(one.id.clone(), one);
                }
            }
        }
    }

    #[test]
    fn vendors_that_hang_hold_their_own_places_only() {
        let mut places = Places::new(BOUNDS);
        // Two hundred vendors hang, each with ten connections; the first time nobody knows of it.
        let mut hanging = 0;
        for id in 0..2_000 {
            hanging += usize::from(places.take(&candidate(id, Some((id % 200, 1)), 0, true)).is_ok());
        }
        assert_eq!(hanging, BOUNDS.of_failing);
        for id in 2_000..2_060 {
            let took = places.take(&candidate(id, None, 1, false));
            assert_eq!(took, Ok(()), "a shop whose passes work finds a place");
        }
    }

    #[test]
    fn an_editor_gets_as_many_places_as_its_adapter_allows() {
        let mut places = Places::new(BOUNDS);
        let took = (0..500).filter(|id| places.take(&candidate(*id, Some((0, 4)), 0, false)).is_ok()).count();
        assert_eq!(took, 4);
        places.give_back("c0");
        assert_eq!(places.take(&candidate(0, Some((0, 4)), 0, false)), Ok(()));
        assert_eq!(places.take(&candidate(1, None, 0, false)), Err(NoPlace::NotBeside), "under way already");
        // What has read its vendor and talks to pass Culture leaves room beside the host, once.
        places.leave_host("c1");
        places.leave_host("c1");
        assert_eq!(places.take(&candidate(501, Some((0, 4)), 0, false)), Ok(()));
        assert_eq!(places.take(&candidate(502, Some((0, 4)), 0, false)), Err(NoPlace::NotBeside));
        places.give_back("c1");
        assert_eq!(places.take(&candidate(502, Some((0, 4)), 0, false)), Err(NoPlace::NotBeside));
    }
}
