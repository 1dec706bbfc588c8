//! What the official tool printed, step by step, and the comparison of two such transcripts. Plain functions over lines.
use ferromq_interop::Release;

/// The output of one step.
pub struct Step {
    pub words: String,
    pub lines: Vec<String>,
    pub exit: String,
}

/// Cuts the lines of `Operator` into steps.
pub fn parse(lines: &[String]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        if let Some(words) = line.strip_prefix("STEP ") {
            steps.push(Step { words: words.to_owned(), lines: Vec::new(), exit: String::new() });
        } else if let Some(step) = steps.last_mut() {
            match line.strip_prefix("EXIT ") {
                Some(code) => step.exit = code.to_owned(),
                None => step.lines.push(line.clone()),
            }
        }
    }
    steps
}

/// Every step in which the two differ, as text.
pub fn compare(ours: &[Step], theirs: &[Step], release: Release) -> Vec<String> {
    assert_eq!(ours.len(), theirs.len(), "both transcripts are complete");
    ours.iter().zip(theirs).filter_map(|(ours, theirs)| difference(ours, theirs, release)).collect()
}

fn difference(ours: &Step, theirs: &Step, release: Release) -> Option<String> {
    assert_eq!(ours.words, theirs.words);
    let command = ours.words.split(' ').next().unwrap_or_default();
    if release == Release::V4_9_7 && ["clusterList", "exportMetrics"].contains(&command) {
        // Fail with Apache's 5.4.0 broker, which has no `getTransferedTps`; ours has.
        let fine = !ours.lines.iter().any(|line| line.contains("Exception"));
        return (!fine).then(|| format!("--- {}: {:?}", ours.words, ours.lines));
    }
    let (mut a, mut b) = (normal(command, &ours.lines), normal(command, &theirs.lines));
    if ["getBrokerConfig", "getNamesrvConfig"].contains(&command) {
        (a, b) = common_settings(&a, &b);
    }
    if ours.words.starts_with('!') && (ours.exit.as_str(), theirs.exit.as_str()) != ("0", "0") {
        return Some(format!("--- {}: {:#?} / {:#?}", ours.words, ours.lines, theirs.lines));
    }
    if a == b && ours.exit == theirs.exit {
        return None;
    }
    let only = |these: &[String], those: &[String], mark: &str| -> String {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("  {mark} {line}\n")).collect()
    };
    let exits =
        if ours.exit == theirs.exit { String::new() } else { format!("  exit {} / {}\n", ours.exit, theirs.exit) };
    Some(format!("--- {}\n{}{}{exits}", ours.words, only(&b, &a, "Apache:"), only(&a, &b, "ours:  ")))
}

/// Lists whose order is that of a Java hash set.
const UNORDERED: &[&str] = &[
    "topicList",
    "statsAll",
    "getBrokerConfig",
    "getNamesrvConfig",
    "consumerProgress",
    "printMsg",
    "consumeMessage",
    "resetOffsetByTime",
];
/// Rows of brokerStatus whose values must agree; of the others only the names.
const STATUS_VALUES: &[&str] =
    &["brokerActive", "brokerVersionDesc", "commitLogMinOffset", "consumeQueueDiskRatio", "dispatchBehindBytes"];

fn normal(command: &str, lines: &[String]) -> Vec<String> {
    let noise = |line: &&String| {
        let text = line.trim_start();
        // Traces of exceptions; what the Java logging library says about itself.
        let trace = text.len() < line.len() && (text.starts_with("at ") || text.starts_with("... "));
        // A retry topic that nobody sent to: Apache answers a new group's question with "not found", ours with 0 as 4.9 does, which
        // the client then commits (see the probe's differences).
        let retry = text.contains("%RETRY%G_orders") && ["consumerProgress", "consumerStatus"].contains(&command);
        // Clients that are gone: Apache may list one whose last heartbeat overtook its leave-taking.
        let gone = command == "producer" && !text.contains("PG_held");
        // The spelling of 4.9, which Apache's 5.x broker has no more.
        let spelling = text.contains("getTransferedTps");
        // The group of the official tool's own consumer, which exists from its first use on.
        let tool = UNORDERED.contains(&command) && text.contains("TOOLS_CONSUMER");
        // Of queues without a match the official tool says so.
        let unmatched = text.contains("status=NO_MATCHED_MSG");
        // The official tool writes the body to a file and names it, ours prints it.
        let body = text.starts_with("Message Body") || text.starts_with("WARNING: ");
        !(text.is_empty() || unmatched || tool || body || trace || retry || gone || spelling || line.contains(" |-"))
    };
    if command == "topicRoute" && lines.first().is_some_and(|line| line.starts_with('{')) {
        return vec![masked(&lines.concat().split_whitespace().collect::<String>())];
        // white space in JSON says nothing
    }
    let mut lines: Vec<String> = lines.iter().filter(noise).map(|line| line_of(command, line)).collect();
    if UNORDERED.contains(&command) {
        lines.sort();
    }
    lines
}

fn line_of(command: &str, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match command {
        // Id, queue, offset; 5.x adds how it found the message.
        "queryMsgByKey" if words.len() == 4 && !line.starts_with('#') => masked(&words[..3].join(" ")),
        "queryMsgByKey" => masked(line.trim_end().trim_end_matches("#IndexKey")),
        "clusterList" => masked(line).split(' ').map(without_timer).collect::<Vec<_>>().join(" "),
        // Broker, queue, success, round trip time.
        "checkMsgSendRT" if words.len() == 4 => words[..3].join(" "),
        // Of every group: its rate of the last minute stands before the total.
        "consumerProgress" if words.len() == 7 || words.len() == 5 => {
            masked(&[&words[..words.len() - 2], &words[words.len() - 1..]].concat().join(" "))
        }
        // Topic, group, accumulation; the rest are rates of the last minute.
        "statsAll" if words.len() == 7 => words[..3].join(" "),
        "statsAll" if words.len() == 5 => words[..2].join(" "),
        "brokerStatus" => {
            let key =
                words.iter().position(|word| *word == ":").and_then(|at| Some((at, words.get(at.checked_sub(1)?)?)));
            match key {
                Some((at, key)) if !STATUS_VALUES.contains(key) => format!("{} :", words[at - 1]),
                _ if line.contains("commitLogDiskRatio_") => "commitLogDiskRatio of a directory".to_owned(),
                _ => masked(line),
            }
        }
        _ => masked(line),
    }
}

/// How far the timer wheel is behind, as `1-0(...`, depends on the machine.
fn without_timer(word: &str) -> &str {
    let timer = word.split_once('(').and_then(|(behind, _)| behind.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match timer {
        Some((seconds, messages)) if is_number(seconds) && is_number(messages) => "<timer>",
        _ => word,
    }
}

/// Settings that both have and that are not about the machine.
fn common_settings(a: &[String], b: &[String]) -> (Vec<String>, Vec<String>) {
    const OWN: &[&str] = &["Path", "listenPort", "haListenPort", "namesrvAddr", "brokerIP", "rocketmqHome"];
    // Test clusters use small files.
    const SMALL: &[&str] = &["mappedFileSize", "maxHashSlotNum", "maxIndexNum", "registerNameServerPeriod"];
    let is_own = |line: &str| OWN.iter().chain(SMALL).any(|own| line.contains(own));
    let name = |line: &String| line.split(" = ").next().unwrap_or_default().to_owned();
    let keep = |these: &[String], those: &[String]| {
        let others: Vec<String> = those.iter().map(name).collect();
        let kept = |line: &&String| others.contains(&name(line)) && !is_own(line);
        these.iter().filter(kept).cloned().collect::<Vec<_>>()
    };
    (keep(a, b), keep(b, a))
}

/// The line with one blank between words, and with marks for times, addresses, ids, rates.
fn masked(line: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in line.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if c.is_ascii_alphanumeric() || ".:@#$%/-_".contains(c) {
            word.push(c);
        } else {
            out.push_str(&mask(&word));
            word.clear();
            out.push(c);
        }
    }
    out.push_str(&mask(&word));
    sort_properties(&mut out);
    // Milliseconds follow the time of day after a comma; round trips are numbers of their own.
    while let Some(at) = out.find("time>,").filter(|at| out[at + 6..].starts_with(|c: char| c.is_ascii_digit())) {
        let rest = out[at + 6..].trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
        out.replace_range(at + 5.., &rest);
    }
    for (name, end) in [("spentTimeMills=", ']'), ("rt=", ',')] {
        if let Some(at) = out.find(name) {
            let from = at + name.len();
            let to = out[from..].find(end).map_or(out.len(), |to| from + to);
            out.replace_range(from..to, "<ms>");
        }
    }
    out
}

/// Messages' properties come in the order of a Java hash table, which depends on how it grew.
fn sort_properties(line: &mut String) {
    let Some(from) = line.find("roperties").and_then(|at| Some(at + line[at..].find('{')? + 1)) else { return };
    let Some(to) = line[from..].find('}').map(|len| from + len) else { return };
    let pairs = line[from..to].split(", ");
    // The Java client adds the bounds of the queue.
    let added = |pair: &str| pair.starts_with("MIN_OFFSET=") || pair.starts_with("MAX_OFFSET=");
    let mut pairs: Vec<&str> = pairs.filter(|pair| !added(pair)).collect();
    pairs.sort_unstable();
    let sorted = pairs.join(", ");
    line.replace_range(from..to, &sorted);
}

fn mask(word: &str) -> String {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hex = word.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
    let only = |of: &str| word.chars().all(|c| c.is_ascii_digit() || of.contains(c));
    if word.contains("/export") || word.starts_with("/tmp") {
        "<folder>".into()
    } else if word.contains('@') && (digits > 0 || word.contains("$$")) && !word.contains("@G_") {
        "<object>".into()
    } else if hex && word.len() >= 32 {
        "<id>".into()
    } else if digits >= 13 && only("") {
        "<time>".into()
    } else if digits >= 4 && only(":-.,#/") && word.contains([':', '-']) {
        "<address or time>".into()
    } else if digits >= 2 && only(".-") && word.contains('.') {
        "<rate>".into()
    } else {
        word.to_owned()
    }
}
