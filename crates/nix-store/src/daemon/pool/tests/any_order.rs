//! Downloads, answers and faults in any order.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{
    super::*,
    rig::{Answer, Rig, waits},
};

#[derive(Clone, Debug)]
enum Step {
    Hold(u8),
    Release(u8),
    Open,
    FailToOpen,
    Agree,
    Refuse,
    Lose(u8),
    Pass(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..8_u8).prop_map(Step::Hold),
        6 => (0..8_u8).prop_map(Step::Release),
        4 => Just(Step::Open),
        1 => Just(Step::FailToOpen),
        6 => Just(Step::Agree),
        1 => Just(Step::Refuse),
        1 => any::<u8>().prop_map(Step::Lose),
        2 => (1..20_000_u16).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn daemon_holds_what_is_held_and_nothing_else_whatever_happens(
        steps in steps(),
        connections in 1..3_usize,
        rotate_after in 1..4_usize,
    ) {
        let mut rig = Rig::new(|config| {
            config.connections = connections;
            config.rotate_after = rotate_after;
            config.rotate_every = Duration::from_secs(20);
            config.abandon_after = Duration::from_secs(30);
        });
        let mut holders: BTreeMap<String, Vec<Answer>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Hold(path) => {
                    let path = format!("/s/{path}");
                    let answer = rig.hold(&path);
                    holders.entry(path).or_default().push(answer);
                }
                Step::Release(path) => {
                    let path = format!("/s/{path}");
                    if holders.get_mut(&path).and_then(Vec::pop).is_some() {
                        rig.release(&path);
                    }
                }
                Step::Open if !rig.opening.is_empty() => { rig.open(); }
                Step::FailToOpen if !rig.opening.is_empty() => rig.fail_to_open(Unrooted::Absent),
                Step::Agree if !rig.asked.is_empty() => { rig.agree(); }
                Step::Refuse if !rig.asked.is_empty() => rig.refuse(),
                Step::Lose(which) if !rig.roots.is_empty() => {
                    let id = *rig.roots.keys().nth(usize::from(which) % rig.roots.len()).unwrap();
                    rig.lose(id);
                }
                Step::Pass(milliseconds) => rig.pass(Duration::from_millis(milliseconds.into())),
                Step::Open | Step::FailToOpen | Step::Agree | Step::Refuse | Step::Lose(_) => {}
            }
            prop_assert!(rig.pool.members.len() <= connections * 4);
            // A caller that was told that a path is held, and stays, has it held on an open connection,
            // or on one that is on its way after a break.
            for (path, answers) in &mut holders {
                if answers.is_empty() { continue; }
                let pending = rig.asked.values().any(|asked| **asked == **path)
                    || rig.pool.queue.iter().any(|queued| **queued == **path);
                let refused = rig.pool.entries.get(&path.as_str().into()).is_some_and(|entry| entry.root == RootState::Refused);
                prop_assert!(pending || refused || rig.is_rooted(path), "{path} is lost");
            }
        }
        // A healthy daemon again: everything wanted is held, unless it was refused before.
        for _ in 0..3 {
            rig.serve();
            rig.pass(Duration::from_secs(2));
        }
        rig.serve();
        for (path, answers) in &mut holders {
            if answers.is_empty() { continue; }
            let refused = rig.pool.entries.get(&path.as_str().into()).is_some_and(|entry| entry.root == RootState::Refused);
            prop_assert!(refused || rig.is_rooted(path), "{path} is not held");
            for answer in answers {
                prop_assert!(!waits(answer), "somebody waits for {path}");
            }
        }
        // And when all is released, nothing remains.
        for (path, answers) in holders {
            for _ in answers {
                rig.release(&path);
            }
        }
        rig.pass(Duration::from_secs(20));
        prop_assert!(rig.roots.is_empty());
        prop_assert_eq!(rig.pool.entries.len(), 0);
        prop_assert_eq!(rig.pool.next_wakeup(rig.now), None);
    }
}
