//! A real Prometheus with the jobs of the example scrapes a worker that asks for a token.

use std::fs;

use crate::prometheus::Prometheus;
use crate::support::{Role, Simulator, scrape, wait};
use crate::tools::root;

const TOKEN: &str = "canary-token-4f1d7a90c2b35e68";

/// The example as it is shipped, with other addresses and no Alertmanager.
fn example(source: &str, target: &str) -> String {
    let text = fs::read_to_string(root().join("deploy/prometheus/prometheus.example.yml")).unwrap();
    let (jobs, _) = text.split_once("alerting:").unwrap();
    let mut jobs = jobs.replace("30s", "2s");
    for (old, new) in [("127.0.0.1:9464", source), ("127.0.0.1:9465", target)] {
        assert!(jobs.contains(old), "{jobs}");
        jobs = jobs.replace(old, new);
    }
    jobs.replace("- amiferry.rules.yml", "- none.yml")
}

#[test]
fn the_jobs_of_the_example_scrape_workers_that_ask_for_a_token_and_fail_with_another() {
    let Some(simulator) = Simulator::start() else { return };
    let token = simulator.folder().join("listen-token");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let named = format!("[workers]\nlisten_token_file = {:?}\n", token.display().to_string());
    let config = simulator.changed_config("guarded.toml", &[("[workers]\n", &named)]);
    let workers = [Role::Source, Role::Target].map(|role| simulator.worker(role, &config));
    let [source, target] = [&workers[0], &workers[1]].map(scrape::address);

    let folder = tempfile::tempdir().unwrap();
    let (jobs, sent) = (folder.path().join("prometheus.yml"), folder.path().join("amiferry-token"));
    fs::write(jobs, example(&source, &target)).unwrap();
    fs::write(&sent, TOKEN).unwrap();
    let arguments = ["--config.file=prometheus.yml", "--storage.tsdb.path=data"];
    let Some(prometheus) = Prometheus::run(folder, &arguments.map(str::to_owned)) else { return };
    let until_all = |up: &str| {
        wait::until(&format!("both workers with up {up}"), || {
            (prometheus.query(&format!("up {up}")).len() == 2).then_some(())
        });
    };
    until_all("== 1");
    // Prometheus reads the file again for each scrape.
    fs::write(&sent, TOKEN.replace('8', "9")).unwrap();
    until_all("== 0");
    fs::write(&sent, TOKEN).unwrap();
    until_all("== 1");
}
