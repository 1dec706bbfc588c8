//! `ferromq store` as an operator uses it, on a directory that a broker of ours has written and left.
mod support;

use support::{failure, ferromq, run, stdout, Server};

/// Runs `ferromq store` with these words.
fn store(args: &[&str]) -> std::process::Output {
    run(ferromq().arg("store").args(args), "")
}

/// Inspect, verify, dump and repair, with the exit codes that scripts rely on; a directory in use is refused.
#[test]
fn the_tools_of_an_operator() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().to_str().expect("UTF-8");
    let server = Server::start(&["--namesrv-port", "0", "--broker-port", "0", "--data-dir", root]);
    let lines: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
    let send = ["produce", "--namesrv", &server.namesrv, "-t", "orders", "--key", "k"];
    stdout(run(ferromq().args(send), &lines.join("\n")));
    let data = server.data_dir.clone();
    assert!(failure(store(&["verify", &data]), 2).contains("in use"));
    assert!(server.signal("TERM"));

    let seen: serde_json::Value = serde_json::from_str(&stdout(store(&["inspect", "--json", &data]))).expect("JSON");
    let queues = seen["queues"].as_array().expect("queues").iter().filter(|queue| queue["topic"] == "orders");
    assert_eq!(queues.map(|queue| queue["max"].as_i64().expect("a number")).sum::<i64>(), 50);
    let table = stdout(store(&["inspect", &data]));
    assert!(table.contains("TOPIC") && table.contains("orders") && table.contains("stopped cleanly"), "{table}");

    let dumped = stdout(store(&["dump", &data, "--topic", "orders", "--from", "0"]));
    let mut bodies: Vec<String> = dumped
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["body"].as_str().expect("text").into()
        })
        .collect();
    let mut wanted = lines.clone();
    bodies.sort();
    wanted.sort();
    assert_eq!(bodies, wanted);
    assert_eq!(stdout(store(&["dump", &data, "--to", "0"])), "");

    assert!(stdout(store(&["verify", &data])).starts_with("sound: "));
    let queue = std::path::Path::new(&data).join("consumequeue/orders");
    std::fs::remove_dir_all(&queue).expect("consume queues");
    let output = store(&["verify", &data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("the consume queue is missing"));
    assert!(stdout(store(&["repair", &data])).contains("built again"));
    assert!(stdout(store(&["verify", "--json", &data])).contains("\"damages\":0"));
    assert!(failure(store(&["inspect", "/nowhere/at/all"]), 2).contains("/nowhere/at/all"));
}
