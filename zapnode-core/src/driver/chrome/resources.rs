//! What a browser and everything below it take of the machine.

use super::process::Processes;
use crate::driver::Resources;

/// Looks at a process and everything below it; `None` if it is gone. Blocks for some milliseconds.
pub(crate) fn of_tree(root: u32) -> Option<Resources> {
    let processes = Processes::with_usage();
    let mut all = Resources::default();
    for pid in processes.tree(root) {
        let Some(taken) = processes.usage(pid) else {
            continue;
        };
        all.memory_bytes += proportional(pid).unwrap_or(taken.memory_bytes);
        all.processor_time += taken.processor_time;
        all.processes += 1;
    }
    (all.processes > 0).then_some(all)
}

/// A process's memory with its share of what it has in common with others: Chrome's processes share
/// much, and adding up what each has resident counts that many times.
#[cfg(target_os = "linux")]
fn proportional(pid: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(not(target_os = "linux"))]
fn proportional(_pid: u32) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_process_takes_memory_and_time_and_one_that_is_gone_nothing() {
        let own = of_tree(std::process::id()).expect("this process");
        assert!(own.processes >= 1);
        assert!(own.memory_bytes > 1 << 20, "{own:?}");
        assert!(
            own.processor_time < Duration::from_secs(24 * 3600),
            "{own:?}"
        );
        assert_eq!(of_tree(u32::MAX - 7), None);
    }
}
