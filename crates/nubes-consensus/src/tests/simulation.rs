//! Many committees in virtual time, and machines with defects that must be found.

use super::counter::{Counter, Defect, Disk, Load};
use crate::{
    MachineError, StateMachine,
    simulate::{Certificates, Crashes, Links, Outcome, Partition, Scenario, SimulationError, run},
};
use std::{sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// Whose machine has which defect; and whether its disk is lost in a crash.
#[derive(Clone, Copy)]
struct Plant {
    validator: usize,
    defect: Defect,
    forgets: bool,
}

const HEALTHY: Plant = Plant { validator: usize::MAX, defect: Defect::None, forgets: false };

fn simulate(scenario: &Scenario, plant: Plant) -> Result<Outcome, SimulationError> {
    let disks: Vec<Arc<Disk>> = (0..scenario.validators).map(|_| Arc::default()).collect();
    let make = move |index: usize, _| {
        let planted = index == plant.validator;
        let disk = if planted && plant.forgets { Arc::default() } else { Arc::clone(&disks[index]) };
        let defect = if planted { plant.defect } else { Defect::None };
        Arc::new(Counter::new(Load::Endless, defect, disk)) as Arc<dyn StateMachine>
    };
    run(scenario, make, |machines| {
        let heads = machines.iter().map(|machine| machine.head().0).max();
        heads.map_or(Err("nobody is running".to_owned()), |_| Ok(()))
    })
}

fn lossy(scenario: Scenario) -> Scenario {
    let links =
        Links { latency: Duration::from_millis(50), jitter: Duration::from_millis(40), loss_percent: 10 };
    Scenario { links, ..scenario }
}

fn split(scenario: Scenario) -> Scenario {
    let cut = Partition { from: 3 * SECOND, until: 6 * SECOND, group: vec![0, 1] };
    Scenario { partitions: vec![cut], ..scenario }
}

fn crashing(scenario: Scenario) -> Scenario {
    Scenario { crashes: Crashes::Random { every: SECOND, downtime: SECOND / 2, count: 1 }, ..scenario }
}

#[track_caller]
fn twice_the_same(scenario: &Scenario) {
    let first =
        simulate(scenario, HEALTHY).unwrap_or_else(|error| panic!("seed {}: {error:?}", scenario.seed));
    assert_eq!(first, simulate(scenario, HEALTHY).unwrap(), "seed {}", scenario.seed);
    assert!(first.heights.iter().all(|height| *height >= scenario.blocks), "{first:?}");
    assert!(first.hashes.len() as u64 >= scenario.blocks);
}

#[test]
fn ten_seeds_with_loss_a_partition_and_crashes_run_twice_the_same_slow() {
    for seed in 0..10 {
        twice_the_same(&crashing(split(lossy(Scenario::calm(seed, 30)))));
    }
}

#[test]
fn threshold_certificates_survive_loss_partition_and_crashes_at_once_slow() {
    for seed in 0..3 {
        let scenario = Scenario { certificates: Certificates::Threshold, ..Scenario::calm(seed, 30) };
        twice_the_same(&crashing(split(lossy(scenario))));
    }
}

#[test]
fn another_seed_is_another_run() {
    let run = |seed| simulate(&lossy(Scenario::calm(seed, 5)), HEALTHY).unwrap();
    assert_ne!(run(1).auditor, run(2).auditor);
}

#[test]
fn one_and_seven_validators_agree_too() {
    for validators in [1, 7] {
        let scenario = Scenario { validators, ..Scenario::calm(0, 10) };
        assert_eq!(simulate(&scenario, HEALTHY).unwrap().heights.len(), validators as usize);
    }
}

#[test]
fn blocks_with_another_seed_than_their_parent_gives_never_become_final_slow() {
    let make = |_, _| {
        Arc::new(Counter::new(Load::Endless, Defect::OwnSeed, Arc::default())) as Arc<dyn StateMachine>
    };
    let check = |machines: &[Arc<dyn StateMachine>]| {
        if machines.iter().all(|machine| machine.head().0 == 0) {
            Ok(())
        } else {
            Err("a chosen seed became final".to_owned())
        }
    };
    let error = run(&Scenario::calm(0, 1), make, check).unwrap_err();
    assert!(matches!(error, SimulationError::Stalled { .. }), "{error:?}");
}

#[test]
fn a_machine_with_other_states_is_found() {
    let plant = Plant { validator: 2, defect: Defect::WrongRoot, ..HEALTHY };
    let error = simulate(&Scenario::calm(0, 30), plant).unwrap_err();
    let found =
        matches!(error, SimulationError::Machine { validator: 2, source: MachineError::Invalid { .. } });
    assert!(found, "{error:?}");
}

/// Of five runs in each of which validator 1 crashes once, those in which it is seen to have lost something.
fn found_in(plant: Plant) -> usize {
    let found = (0..5).filter(|seed| {
        let crashes = Crashes::Once { validator: 1, at: 4 * SECOND, downtime: SECOND };
        match simulate(&Scenario { crashes, ..Scenario::calm(*seed, 60) }, plant) {
            Ok(_) => false,
            Err(SimulationError::Lost { validator: 1, .. }) => true,
            Err(error) => panic!("{error:?}"),
        }
    });
    found.count()
}

#[test]
fn a_machine_that_forgets_its_disk_is_found() {
    assert_eq!(found_in(Plant { validator: 1, forgets: true, ..HEALTHY }), 5);
}

#[test]
fn a_machine_that_calls_a_block_durable_too_early_is_found() {
    assert_eq!(found_in(Plant { validator: 1, defect: Defect::DurableTooEarly, ..HEALTHY }), 5);
}

#[test]
fn a_caller_s_check_ends_the_run() {
    let make =
        |_, _| Arc::new(Counter::new(Load::Endless, Defect::None, Arc::default())) as Arc<dyn StateMachine>;
    let check = |machines: &[Arc<dyn StateMachine>]| {
        if machines.iter().any(|machine| machine.head().0 >= 3) { Err("height 3".to_owned()) } else { Ok(()) }
    };
    let error = run(&Scenario::calm(0, 10), make, check).unwrap_err();
    assert!(matches!(&error, SimulationError::Check { what } if what == "height 3"), "{error:?}");
}

#[test]
fn two_of_four_make_no_progress_and_the_run_says_so_slow() {
    let cut = Partition { from: SECOND, until: 10_000 * SECOND, group: vec![0, 1] };
    let error =
        simulate(&Scenario { partitions: vec![cut], ..Scenario::calm(0, 1_000) }, HEALTHY).unwrap_err();
    assert!(matches!(error, SimulationError::Stalled { .. }), "{error:?}");
}

#[test]
fn a_scenario_about_nobody_is_refused() {
    let crash = Crashes::Once { validator: 4, at: SECOND, downtime: SECOND };
    let cut = Partition { from: SECOND, until: SECOND, group: vec![0] };
    let calm = || Scenario::calm(0, 1);
    let scenarios = [
        Scenario { crashes: crash, ..calm() },
        Scenario { partitions: vec![cut], ..calm() },
        Scenario { validators: 0, ..calm() },
    ];
    for scenario in scenarios {
        assert!(matches!(simulate(&scenario, HEALTHY), Err(SimulationError::Scenario { .. })));
    }
}
