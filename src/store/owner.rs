//! Who this process is, and whether the process behind an [`Owner`] is provably gone.
//!
//! Invariant: when in doubt an owner is alive. A wrong "dead" would let two processes push one connection at once; a wrong
//! "alive" costs one lease time.

use std::fs;
use std::io;
use std::process;
use std::sync::OnceLock;

use super::Owner;

impl Owner {
    /// This process, under a new name: two owners of one process exclude one another too.
    #[must_use]
    pub fn current(purpose: &str) -> Self {
        let pid = process::id();
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            host: this_host().to_owned(),
            pid,
            started: read_stat(pid).ok().map_or(0, |stat| stat.started),
            purpose: purpose.to_owned(),
        }
    }
}

/// Is the owner's process provably gone? Only ever true for a process of this machine, this boot and this set of visible
/// processes; other machines' owners are dead when their lease runs out.
#[must_use]
pub fn is_dead(owner: &Owner) -> bool {
    // Process 1 must be visible: with `hidepid` the processes of others look gone although they are not.
    if owner.host != this_host() || owner.started == 0 || read_stat(1).is_err() {
        return false;
    }
    match read_stat(owner.pid) {
        Ok(stat) => stat.started != owner.started || stat.is_over,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Does the owner's process number mean a process that this one can see?
#[must_use]
pub fn is_here(owner: &Owner) -> bool {
    owner.host == this_host()
}

/// Boot id and process namespace: what a pid means something in. Containers share the boot id but not the pids.
fn this_host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| read_host().unwrap_or_else(|_| format!("unknown-{}", uuid::Uuid::new_v4())))
}

fn read_host() -> io::Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let namespace = fs::read_link("/proc/self/ns/pid")?;
    Ok(format!("{}/{}", boot.trim(), namespace.display()))
}

/// The part of `/proc/PID/stat` (proc(5)) that tells a process from another with the same pid.
struct Stat {
    /// Field 22: start time in clock ticks since boot.
    started: u64,
    /// Zombie or dead: it runs no more, its parent only has not looked.
    is_over: bool,
}

fn read_stat(pid: u32) -> io::Result<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The command name (field 2) may hold anything, brackets and spaces included, so fields count from its last bracket.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some(Stat { started, is_over: matches!(state, "Z" | "X" | "x") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_whatever_the_command_is_called() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1 1";
        assert_eq!(parse_stat(line).map(|stat| (stat.started, stat.is_over)), Some((4242, false)));
        assert!(parse_stat("7 (a) S 1").is_none());
        assert!(parse_stat("").is_none());
    }

    #[test]
    fn an_owner_of_another_machine_is_never_dead() {
        let mut owner = Owner::current("test");
        owner.host = "elsewhere".to_owned();
        owner.pid = u32::MAX;
        assert!(!is_dead(&owner));
    }

    #[test]
    fn two_owners_of_one_process_have_different_names() {
        assert_ne!(Owner::current("sync").id, Owner::current("sync").id);
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use super::*;

        fn child() -> (process::Child, Owner) {
            let child = process::Command::new("sleep").arg("600").spawn().unwrap();
            let mut owner = Owner::current("test");
            owner.pid = child.id();
            owner.started = read_stat(child.id()).unwrap().started;
            (child, owner)
        }

        #[test]
        fn a_running_process_is_alive_and_a_killed_one_is_dead() {
            let (mut child, owner) = child();
            assert!(!is_dead(&owner));
            child.kill().unwrap();
            // Not reaped yet: a zombie runs no more. The kernel needs a moment to get there.
            let asked = std::time::Instant::now();
            while !is_dead(&owner) && asked.elapsed().as_secs() < 20 {
                std::thread::yield_now();
            }
            assert!(is_dead(&owner), "a zombie is dead");
            child.wait().unwrap();
            assert!(is_dead(&owner), "a reaped process is dead");
        }

        #[test]
        fn a_reused_pid_is_another_process() {
            let (mut child, mut owner) = child();
            owner.started += 1;
            assert!(is_dead(&owner));
            child.kill().unwrap();
            child.wait().unwrap();
        }

        #[test]
        fn this_process_is_alive() {
            assert!(!is_dead(&Owner::current("test")));
        }
    }
}
