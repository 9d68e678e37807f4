//! Work that can never succeed, and messages without use, delay no other work.

use amiferry_core::code::Code;
use amiferry_simulator::kms::{KeyState, set_key_state};

use crate::stage::images::But;
use crate::stage::{Options, Role, minutes, run_test, spec};

#[test]
fn garbage_and_an_image_that_cannot_be_stored_delay_the_others_by_no_sweep() {
    run_test(Options::default(), async |stage| {
        let sweep = stage.config.workers.sweep_interval.duration();
        let key = stage.landscape.workload_key.clone();
        set_key_state(&mut stage.world.lock(), &key, KeyState::Disabled).unwrap();
        // The most urgent of all: it goes first whenever it is due.
        let never = stage.image(spec("orders-db", "orders-db-0", &[8]).encrypted(&key));
        stage.forget(&never);
        stage.start_both();
        stage.until_parked(Role::Source, Code::StoreFailed, minutes(10)).await;
        for n in 0..3_000 {
            for role in [Role::Source, Role::Target] {
                stage.send(role, format!("{{\"garbage\": {n}}}"));
            }
        }
        for n in 0..8 {
            let workload = if n % 2 == 0 { "web" } else { "analytics" };
            stage.image(spec(workload, &format!("{workload}-{n}"), &[8]).unannounced());
        }
        // The next sweep finds them; the rest is the time that EC2 takes for a store and a restore.
        stage.complete_within(sweep + minutes(10)).await;
    });
}
