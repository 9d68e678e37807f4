//! `amiferry plan`, and `--cost`.

use crate::support::{Role, Simulator};

#[test]
fn a_plan_has_a_time_for_every_image_that_can_be_copied_and_for_those_that_one_thinks_of() {
    let Some(simulator) = Simulator::with_images() else { return };
    let run = |more: &[&str]| simulator.run(&[&["plan"], more].concat(), &simulator.config());
    let ended = run(&["--output", "json"]);
    assert_eq!(ended.status, 0, "{ended:#?}");
    let plan = ended.json();
    let images = plan["images"].as_array().unwrap();
    assert!(images.len() >= 10, "{plan:#}");
    for image in images {
        assert!(image["finishes"].is_string() && image["store"]["ends"].is_string(), "{image:#}");
    }
    assert!(plan["cost"][0]["monthly"].as_f64().unwrap() > 0.0, "{plan:#}");
    let more = run(&["--output", "json", "--what-if", "40 x 200GiB gold"]).json();
    assert_eq!(more["images"].as_array().unwrap().len(), images.len() + 40);
    assert!(more["finishes"].as_str() > plan["finishes"].as_str(), "{more:#}");
    let table = run(&["--what-if", "1 x 1TiB silver"]);
    assert!(
        table.stdout.contains("WAVES") && table.stdout.contains("Without --what-if"),
        "{table:#?}"
    );
    let csv = run(&["--output", "csv"]);
    assert_eq!(csv.stdout.lines().count(), images.len() + 1, "{csv:#?}");

    let bad = run(&["--what-if", "40 of 200GiB gold"]);
    assert_eq!(bad.status, 2, "{bad:#?}");
    assert!(bad.stderr.contains("COUNT x SIZE POLICY"), "{bad:#?}");
    let unknown = run(&["--what-if", "40 x 200GiB platinum"]);
    assert_eq!(unknown.status, 1, "{unknown:#?}");
    assert!(unknown.stderr.contains("choose from: gold, silver, archive"), "{unknown:#?}");
}

#[test]
fn costs_are_estimated_from_the_table_that_the_configuration_names() {
    let Some(simulator) = Simulator::with_images() else { return };
    let workers =
        [Role::Source, Role::Target].map(|role| simulator.worker(role, &simulator.config()));
    simulator.until_complete(12);
    drop(workers);
    let cost = |config: &std::path::Path| {
        simulator.run(&["status", "--cost", "--output", "json"], config).json()["cost"].clone()
    };
    let built_in = cost(&simulator.config());
    assert!(built_in["policies"][0]["total"].as_f64().unwrap() > 0.0, "{built_in:#}");
    let table = simulator.run(&["audit", "--cost"], &simulator.config());
    assert!(table.stdout.contains("COST A MONTH"), "{table:#?}");

    let prices = simulator.folder().join("prices.toml");
    let empty = "schema_version = 1\nas_of = \"today\"\ncurrency = \"EUR\"\nsource = \"mine\"\nregion = []\n";
    std::fs::write(&prices, empty).unwrap();
    let text = std::fs::read_to_string(simulator.config()).unwrap();
    let config = simulator.folder().join("mine.toml");
    std::fs::write(&config, format!("{text}\n[cost]\nprices = {:?}\n", prices.to_str().unwrap()))
        .unwrap();
    let mine = cost(&config);
    assert_eq!(mine["currency"], "EUR", "{mine:#}");
    assert_eq!(mine["policies"][0]["total"], serde_json::Value::Null, "{mine:#}");

    std::fs::write(&prices, "currency = \"EUR\"\n").unwrap();
    let refused = simulator.run(&["status", "--cost"], &config);
    assert_eq!(refused.status, 10, "{refused:#?}");
    assert!(refused.stderr.contains("prices.toml"), "{refused:#?}");
}
