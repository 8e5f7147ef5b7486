//! Three books compared after the storm.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// What a soak did, and what was wrong after it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Whose.
    pub(crate) who: String,
    /// Bookings asked for.
    pub(crate) asked: u64,
    /// Those that a beneficiary got.
    pub(crate) booked: u64,
    /// Those that a beneficiary cancelled.
    pub(crate) cancelled: u64,
    /// `kill -9` of a server.
    pub(crate) kills: u64,
    /// How often every connection to the database was cut.
    pub(crate) cuts: u64,
    /// Faults armed, at the vendor and at pass Culture.
    pub(crate) faults: u64,
    /// Signed messages that were answered.
    pub(crate) answered: u64,
    /// Seats that pass Culture believes in and the vendor did not sell, beyond what people were called for.
    pub(crate) silent_lost: u64,
    /// Seats that the vendor sold and nobody holds, beyond what people were called for.
    pub(crate) silent_ghosts: u64,
    /// Barcodes that two live bookings hold.
    pub(crate) doubled: u64,
    /// Bookings that are still under way.
    pub(crate) open: u64,
    /// Seats that wait on the list of people.
    pub(crate) on_the_list: u64,
    /// Those among them for which the vendor's book shows nothing wrong.
    pub(crate) false_alarms: u64,
    /// Longest wait for an answer to a message.
    pub(crate) slowest: Duration,
}

impl Found {
    pub(crate) fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.booked += other.booked;
        self.cancelled += other.cancelled;
        self.kills += other.kills;
        self.cuts += other.cuts;
        self.faults += other.faults;
        self.answered += other.answered;
        self.silent_lost += other.silent_lost;
        self.silent_ghosts += other.silent_ghosts;
        self.doubled += other.doubled;
        self.open += other.open;
        self.on_the_list += other.on_the_list;
        self.false_alarms += other.false_alarms;
        self.slowest = self.slowest.max(other.slowest);
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} asked {} booked {} cancelled {} kills {} cuts {} faults {} answered {}; silent lost {}, silent ghosts {}, doubled {}, open {}; \
             seats on the list {}, of them false alarms {}; slowest answer {:.2} s",
            self.who,
            self.asked,
            self.booked,
            self.cancelled,
            self.kills,
            self.cuts,
            self.faults,
            self.answered,
            self.silent_lost,
            self.silent_ghosts,
            self.doubled,
            self.open,
            self.on_the_list,
            self.false_alarms,
            self.slowest.as_secs_f64()
        )
    }
}

/// The seats of one house in three books.
pub(crate) struct Books {
    /// The bookings that pass Culture believes in: seats, and the barcodes for them (one may stand for two seats).
    pub(crate) believed: Vec<(u64, Vec<String>)>,
    /// Seats that the vendor counts as sold.
    pub(crate) sold: u64,
    /// Those among them that `believed` holds.
    pub(crate) sold_and_believed: u64,
    /// Seats of the gateway's rows that call for a person.
    pub(crate) on_the_list: u64,
}

impl Books {
    pub(crate) fn compare(&self, found: &mut Found) {
        let mut given = BTreeSet::new();
        for (_, barcodes) in &self.believed {
            let own: BTreeSet<&String> = barcodes.iter().collect();
            found.doubled += own.iter().filter(|barcode| given.contains(**barcode)).count() as u64;
            given.extend(own);
        }
        let believed: u64 = self.believed.iter().map(|(seats, _)| seats).sum();
        let lost = believed.saturating_sub(self.sold_and_believed);
        let ghosts = self.sold - self.sold_and_believed;
        found.on_the_list = self.on_the_list;
        // A person who was called finds what is wrong with the seats of his entry; what is wrong beyond it nobody knows of.
        found.silent_lost = lost.saturating_sub(self.on_the_list);
        found.silent_ghosts = ghosts.saturating_sub(self.on_the_list.saturating_sub(lost));
        found.false_alarms = self.on_the_list.saturating_sub(lost + ghosts);
    }
}

#[test]
fn what_is_wrong_beyond_the_list_is_silent() {
    let books = |believed: &[&str], sold, both, list| {
        let mut found = Found::default();
        let believed = believed.iter().map(|&code| (1, vec![code.to_owned()])).collect();
        Books { believed, sold, sold_and_believed: both, on_the_list: list }.compare(&mut found);
        (found.silent_lost, found.silent_ghosts, found.doubled, found.false_alarms)
    };
    assert_eq!(books(&["a", "b"], 2, 2, 0), (0, 0, 0, 0));
    assert_eq!(books(&["a", "b"], 3, 2, 0), (0, 1, 0, 0), "a seat that nobody holds");
    assert_eq!(books(&["a", "b"], 3, 2, 1), (0, 0, 0, 0), "a person was called for it");
    assert_eq!(books(&["a", "b"], 1, 1, 0), (1, 0, 0, 0), "a booking without its seat");
    assert_eq!(books(&["a", "b"], 2, 2, 2), (0, 0, 0, 2), "called for nothing");
    assert_eq!(books(&["a", "a"], 1, 1, 0).2, 1, "one seat, two holders");
}
