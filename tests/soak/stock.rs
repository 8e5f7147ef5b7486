//! A bookshop in the storm: its file is rewritten, commands and servers die, pass Culture misbehaves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use passerelle::sandbox::Fault as NorthFault;

use crate::chaos::{Dice, north_fault};
use crate::shop::{CONNECTION, Shop, ean};
use crate::{Place, Plan};

/// Titles of the shop.
const TITLES: u64 = 80;

type Shelf = BTreeMap<u64, (u32, u32)>;

/// Runs the storm, then calm, then compares the last file with what is online.
pub(crate) fn soak(plan: Plan, place: &Place) {
    let shop = Shop::with_store(TITLES, place.url());
    let mut dice = Dice::new(plan.seed ^ 0x5707);
    let mut shelf: Shelf = (0..TITLES).map(|number| (number, (1_000 + u32::try_from(number).unwrap(), 3))).collect();
    // What any file ever said of a title; zero copies may always be shown, since it can be withdrawn.
    let mut said: BTreeSet<(String, u32, u32)> = BTreeSet::new();
    let (mut runs, mut kills) = (0_u64, 0_u64);
    write(&shop, &shelf, &mut said);
    let ends = Instant::now() + plan.length;
    while Instant::now() < ends {
        for _ in 0..dice.below(8) {
            let number = dice.below(TITLES);
            let price = 500 + u32::try_from(dice.below(1_000)).unwrap();
            shelf.insert(number, (price, u32::try_from(dice.below(6)).unwrap()));
        }
        if dice.below(3) == 0 {
            shelf.remove(&dice.below(TITLES));
        }
        write(&shop, &shelf, &mut said);
        if dice.below(2) == 0 {
            let part = "/public/offers/v1/products";
            let _ = shop.sandbox.inject(NorthFault::next(1, part, north_fault(&mut dice)));
        }
        let mut child = shop.command(&["--format", "json", "sync", CONNECTION]).spawn().unwrap();
        if dice.below(3) == 0 {
            std::thread::sleep(dice.millis(700));
            let _ = child.kill();
            kills += 1;
        }
        let _ = child.wait();
        runs += 1;
        nothing_unsaid(&shop, &said, plan.seed);
    }
    shop.sandbox.clear_faults();
    let began = Instant::now();
    let expected: BTreeMap<String, (u32, u32)> =
        shelf.iter().filter(|(_, (_, copies))| *copies > 0).map(|(number, terms)| (ean(*number), *terms)).collect();
    loop {
        // A person lets through what the guard holds: the file is right here.
        let _ = shop.run(&["sync", CONNECTION, "--release"]);
        let online: BTreeMap<String, (u32, u32)> = shop
            .online()
            .into_iter()
            .filter_map(|(ean, (cents, left))| Some((ean, (cents, left.filter(|left| *left > 0)?))))
            .collect();
        if online == expected {
            break;
        }
        let differing: Vec<_> =
            expected.iter().filter(|(ean, terms)| online.get(*ean) != Some(terms)).take(5).collect();
        assert!(
            began.elapsed() < Duration::from_secs(90),
            "the last file is not what is online (seed {}): {} online, {} expected, e.g. {differing:?}",
            plan.seed,
            online.len(),
            expected.len()
        );
    }
    nothing_unsaid(&shop, &said, plan.seed);
    println!("shop: {runs} passes, {kills} killed, {} titles online, 0 twins", expected.len());
}

fn write(shop: &Shop, shelf: &Shelf, said: &mut BTreeSet<(String, u32, u32)>) {
    for (number, (cents, copies)) in shelf {
        said.insert((ean(*number), *cents, *copies));
    }
    shop.write_rows(shelf.iter().map(|(number, (cents, copies))| (*number, *cents, *copies)));
}

/// Each book is one offer, and what is shown of it some file said.
fn nothing_unsaid(shop: &Shop, said: &BTreeSet<(String, u32, u32)>, seed: u64) {
    let mut seen = BTreeSet::new();
    for offer in shop.sandbox.offers() {
        let (Some(ean), Some(cents), Some(copies)) = (offer.ean, offer.price_cents, offer.remaining) else { continue };
        assert!(seen.insert(ean.clone()), "two offers of {ean} (seed {seed})");
        assert!(
            copies == 0 || said.contains(&(ean.clone(), cents, copies)),
            "{ean} is online at {cents} × {copies}, which no file said (seed {seed})"
        );
    }
}
