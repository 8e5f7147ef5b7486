//! `kill -9` at any moment: the next run ends in the exact right state, without waiting for the dead one's lease.
//!
//! The real process is killed after a random time, many times over, while the shop keeps changing; then one last run must bring pass
//! Culture to exactly what the file says. Seeds are fixed and printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod shop;

use std::time::{Duration, Instant};

use shop::{CONNECTION, Shop, ean};

/// A small generator, so that a seed means the same everywhere (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % sides
    }
}

const REFERENCES: u64 = 1_200;

fn stock(dice: &mut Dice) -> Vec<(u64, u32, u32)> {
    let offset = dice.roll(50);
    let (cents, copies) = (dice.roll(900), dice.roll(9));
    (0..REFERENCES)
        .filter(|number| *number == 0 || number % 97 != offset)
        .map(|number| {
            (
                number,
                1_000 + u32::try_from((number + cents) % 900).unwrap(),
                1 + u32::try_from((number + copies) % 9).unwrap(),
            )
        })
        .collect()
}

fn survives(seed: u64) {
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let shop = Shop::new(REFERENCES);
    // How long a whole run takes here and now: kills fall all over it.
    shop.write_rows(stock(&mut dice));
    let began = Instant::now();
    shop.sync(&[]);
    let whole = u64::try_from(began.elapsed().as_millis()).unwrap().max(50);
    let mut wanted = Vec::new();
    for _ in 0..6 {
        wanted = stock(&mut dice);
        shop.write_rows(wanted.clone());
        let mut child = shop.command(&["sync", CONNECTION]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(dice.roll(whole)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let began = Instant::now();
    let last = shop.run(&["sync", CONNECTION]);
    assert!(last.code <= 1, "seed {seed}: {last:#?}");
    assert!(began.elapsed() < Duration::from_secs(25), "seed {seed}: waited for a dead process's lease");
    let online = shop.online();
    for (number, cents, copies) in &wanted {
        assert_eq!(online.get(&ean(*number)), Some(&(*cents, Some(*copies))), "seed {seed}, reference {number}");
    }
    let gone = online.iter().filter(|(key, _)| wanted.iter().all(|(number, ..)| ean(*number) != **key));
    assert!(gone.into_iter().all(|(_, (_, copies))| *copies == Some(0)), "seed {seed}: what left the file is sold out");
    let offers = shop.sandbox.offers();
    assert_eq!(offers.len(), online.len(), "seed {seed}: no EAN has two offers");
}

#[test]
fn a_killed_sync_is_finished_by_the_next_seed_1() {
    survives(0x9E37_79B9_7F4A_7C15);
}

#[test]
fn a_killed_sync_is_finished_by_the_next_seed_2() {
    survives(0xD1B5_4A32_D192_ED03);
}

#[test]
fn a_killed_sync_is_finished_by_the_next_seed_3() {
    survives(0x94D0_49BB_1331_11EB);
}

#[test]
fn an_interrupted_sync_gives_its_lease_back_and_the_next_goes_on() {
    let shop = Shop::new(20);
    shop.write_rows((0..20).map(|number| (number, 1_000, 1)));
    shop.break_upserts(1, passerelle::sandbox::FaultEffect::Hang);
    let mut child = shop.command(&["sync", CONNECTION]).spawn().unwrap();
    let began = Instant::now();
    // It waits for pass Culture now, with its batch written down as in flight.
    while !shop.sandbox.requests().iter().any(|seen| seen.method == "POST") {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing was sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let next = shop.run(&["sync", CONNECTION]);
    assert_eq!((next.code, shop.online().len(), shop.sandbox.offers().len()), (0, 20, 20), "{next:#?}");
}
