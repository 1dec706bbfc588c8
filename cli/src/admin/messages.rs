//! Subcommands about single messages.
use super::{show, Call};
use crate::{failure::Failure, when};
use ferromq::{Boundary, Message, MessageExt, MessageQueue, Producer};
use std::fmt::Write;

/// Messages per read of printMsg and consumeMessage.
const BATCH: i32 = 32;

super::commands! {
    "queryMsgById", "Query Message by Id.", by_id, ["t" "topic" Must "topic name", "i" "msgId" Must "Message Id"];
    "queryMsgByKey", "Query Message by Key.", by_key, [
        "t" "topic" Must "Topic name", "k" "msgKey" Must "Message Key",
        "b" "beginTimestamp" May "Begin timestamp(ms). default:0", "e" "endTimestamp" May "End timestamp(ms). default:Long.MAX_VALUE",
        "m" "maxNum" May "The maximum number of messages returned by the query, default:64"];
    "queryMsgByUniqueKey", "Query Message by Unique key.", by_unique_key,
        ["t" "topic" Must "The topic of msg", "i" "msgId" Must "Message Id"];
    "queryMsgByOffset", "Query Message by offset.", by_offset, [
        "t" "topic" Must "topic name", "b" "brokerName" Must "Broker Name", "i" "queueId" Must "Queue Id",
        "o" "offset" Must "Queue Offset"];
    "sendMessage", "Send a message.", send, [
        "t" "topic" Must "Topic name", "p" "body" Must "UTF-8 string format of the message body", "k" "key" May "Message keys",
        "c" "tags" May "Message tags", "b" "broker" May "Send message to target broker", "i" "qid" May "Send message to target queue"];
    "printMsg", "Print Message Detail.", print, [
        "t" "topic" Must "topic name", "s" "subExpression" May "Subscribe Expression(eg: TagA || TagB)",
        "b" "beginTimestamp" May "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]",
        "e" "endTimestamp" May "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]", "d" "printBody" May "print body"];
    "consumeMessage", "Consume message.", consume, [
        "t" "topic" Must "Topic name", "b" "brokerName" May "Broker name", "i" "queueId" May "Queue Id", "o" "offset" May "Queue offset",
        "g" "consumerGroup" May "Consumer group name (not needed here)",
        "s" "beginTimestamp" May "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]",
        "e" "endTimestamp" May "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]",
        "c" "messageNumber" May "Number of message to be consumed"];
}

fn missing() -> Failure {
    Failure::new("query message by key finished, but no message.")
}

async fn by_id(call: &Call) -> Result<String, Failure> {
    let (topic, id) = (call.need("t").trim(), call.need("i").trim());
    let found = call.admin.view_message(topic, id).await.map_err(Failure::new)?.ok_or_else(missing)?;
    Ok(show::labelled(&found, true) + &track(call, &found).await?)
}

async fn by_unique_key(call: &Call) -> Result<String, Failure> {
    let (topic, id) = (call.need("t").trim(), call.need("i").trim());
    let found = call.admin.view_message(topic, id).await.map_err(Failure::new)?.ok_or_else(missing)?;
    Ok(show::labelled(&found, false) + &track(call, &found).await?)
}

/// What became of a message, group by group.
async fn track(call: &Call, message: &MessageExt) -> Result<String, Failure> {
    let route = call.admin.topic_route(message.topic()).await.map_err(Failure::new)?;
    let broker = route.broker_datas.iter().find(|broker| broker.broker_name == message.broker_name());
    let Some(addr) = broker.and_then(|broker| broker.master()) else { return Ok(String::new()) };
    let groups = call.admin.groups_of_topic(addr, message.topic()).await.map_err(Failure::new)?;
    if groups.is_empty() {
        return Ok("\n\nWARN: No Consumer\n".into());
    }
    let mut out = String::from("\n\n");
    for group in groups {
        let state = match call.admin.consumers_at(addr, &group).await.map_err(Failure::new)? {
            None => "NOT_ONLINE",
            Some(online) if !online.consume_type.name().ends_with("PASSIVELY") => "PULL",
            Some(online) if online.message_model.name() == "BROADCASTING" => "CONSUME_BROADCASTING",
            Some(online) => {
                let stats =
                    call.admin.consume_stats_at(addr, &group, Some(message.topic())).await.map_err(Failure::new)?;
                let at = stats.offset_table.get(&message.queue());
                let subscription = online.subscription_table.get(message.topic());
                let wanted = subscription
                    .is_none_or(|of| of.tags_set.is_empty() || message.tag().is_some_and(|t| of.tags_set.contains(t)));
                match at.is_some_and(|at| at.consumer_offset > message.queue_offset()) {
                    true if wanted => "CONSUMED",
                    true => "CONSUMED_BUT_FILTERED",
                    false => "NOT_CONSUME_YET",
                }
            }
        };
        let why = match state {
            "NOT_ONLINE" => format!("CODE:206 DESC:the consumer group[{group}] not online"),
            _ => "null".to_owned(),
        };
        let _ = writeln!(out, "MessageTrack [consumerGroup={group}, trackType={state}, exceptionDesc={why}]");
    }
    Ok(out)
}

async fn by_key(call: &Call) -> Result<String, Failure> {
    const MOST: i32 = 64;
    let (begin, end) = (call.number("b", 0)?, call.number("e", i64::MAX)?);
    let (topic, key, most) = (call.need("t").trim(), call.need("k").trim(), call.number("m", MOST)?);
    let found = call.admin.query_by_key(topic, key, most, begin, end).await.map_err(Failure::new)?;
    if found.is_empty() {
        return Err(missing());
    }
    let mut out = format!("{:<50} {:>4} {:>40}\n", "#Message ID", "#QID", "#Offset");
    for message in &found {
        let _ = writeln!(out, "{:<50} {:>4} {:>40}", message.message_id(), message.queue_id(), message.queue_offset());
    }
    Ok(out)
}

async fn by_offset(call: &Call) -> Result<String, Failure> {
    let queue = MessageQueue::new(call.need("t").trim(), call.need("b").trim(), call.number("i", 0)?);
    let (found, _) = call.admin.read(&queue, call.number("o", 0)?, 1, "*").await.map_err(Failure::new)?;
    match found.first() {
        Some(message) => Ok(show::labelled(message, true) + &track(call, message).await?),
        None => Ok(String::new()),
    }
}

async fn send(call: &Call) -> Result<String, Failure> {
    let mut message = Message::new(call.need("t").trim(), call.need("p").as_bytes().to_vec());
    if let Some(keys) = call.get("k") {
        message = message.with_keys(keys.split(' '));
    }
    if let Some(tag) = call.get("c") {
        message = message.with_tag(tag);
    }
    let queue = match (call.get("b"), call.get("i")) {
        (Some(broker), Some(_)) => Some(MessageQueue::new(message.topic(), broker.trim(), call.number("i", 0)?)),
        (None, Some(_)) => return Err(Failure::new("Broker name must be set if the queue is chosen!")),
        (Some(_), None) => return Err(Failure::new("the queue (-i) must be set if the broker is chosen")),
        (None, None) => None,
    };
    let namesrv = call.admin.name_servers().join(";");
    let producer = Producer::builder("TOOLS_PRODUCER").namesrv(&namesrv).start().await.map_err(Failure::new)?;
    let outcome = match &queue {
        Some(queue) => producer.send_to(message, queue).await,
        None => producer.send(message).await,
    };
    producer.shutdown().await;
    let sent = outcome.map_err(Failure::new)?;
    let row =
        |broker: &str, queue: &str, result: &str, id: &str| format!("{broker:<32}  {queue:<4}  {result:<20}    {id}\n");
    let (queue, status) = (&sent.queue, sent.status.name());
    Ok(row("#Broker Name", "#QID", "#Send Result", "#MsgId")
        + &row(&queue.broker_name, &queue.queue_id.to_string(), status, &sent.message_id))
}

/// A point in time of the command line.
fn time(call: &Call, letter: &str) -> Result<Option<i64>, Failure> {
    let Some(text) = call.get(letter) else { return Ok(None) };
    when::time_of_tool(text.trim()).map(Some).ok_or_else(|| {
        Failure::new(format!("option -{letter}: expected is milliseconds since 1970 or yyyy-MM-dd#HH:mm:ss:SSS"))
    })
}

/// The messages of a queue between two offsets, at most `most`.
async fn range(
    call: &Call,
    queue: &MessageQueue,
    (from, to): (i64, i64),
    most: usize,
) -> Result<Vec<MessageExt>, Failure> {
    let (expression, mut found, mut at) = (call.get("s").unwrap_or("*"), Vec::new(), from);
    while at < to && found.len() < most {
        let (messages, next) = call.admin.read(queue, at, BATCH, expression).await.map_err(Failure::new)?;
        found.extend(messages.into_iter().filter(|message| message.queue_offset() < to));
        if next <= at {
            break;
        }
        at = next;
    }
    found.truncate(most);
    Ok(found)
}

async fn queues(call: &Call) -> Result<Vec<MessageQueue>, Failure> {
    let topic = call.need("t").trim();
    let route = call.admin.topic_route(topic).await.map_err(Failure::new)?;
    Ok(ferromq::subscribe_queues(topic, &route))
}

async fn bounds(
    call: &Call,
    queue: &MessageQueue,
    begin: Option<i64>,
    end: Option<i64>,
) -> Result<(i64, i64), Failure> {
    let (min, max) = (call.admin.min_offset(queue).await, call.admin.max_offset(queue).await);
    let (mut from, mut to) = (min.map_err(Failure::new)?, max.map_err(Failure::new)?);
    if let Some(begin) = begin {
        from = call.admin.search_offset(queue, begin, Boundary::Lower).await.map_err(Failure::new)?;
    }
    if let Some(end) = end {
        to = call
            .admin
            .search_offset(queue, end, Boundary::Upper)
            .await
            .map_err(Failure::new)?
            .saturating_add(1)
            .min(to);
    }
    Ok((from, to))
}

async fn print(call: &Call) -> Result<String, Failure> {
    let (begin, end, body) = (time(call, "b")?, time(call, "e")?, call.truth("d", true));
    let mut out = String::new();
    for queue in queues(call).await? {
        let (from, to) = bounds(call, &queue, begin, end).await?;
        let _ = writeln!(out, "minOffset={from}, maxOffset={to}, {}", show::queue(&queue));
        let found = range(call, &queue, (from, to), usize::MAX).await?;
        found.iter().for_each(|message| out += &show::one_line(message, body));
        let _ = writeln!(out, "{}", "-".repeat(56));
    }
    Ok(out)
}

/// What is wrong with the options of consumeMessage, in the tool's words, with which it ends well.
fn consume_mistake(call: &Call, most: i64, begin: Option<i64>, end: Option<i64>) -> Option<&'static str> {
    let now = when::now_ms();
    let has = |letter| call.get(letter).is_some();
    let mistakes = [
        (most <= 0, "Please input a positive messageNumber!"),
        (has("i") && !has("b"), "Please set the brokerName before queueId!"),
        (has("o") && !has("i"), "Please set queueId before offset!"),
        (begin.is_some_and(|begin| begin > now), "Please set the beginTimestamp before now!"),
        (end.is_some_and(|end| end > now), "Please set the endTimestamp before now!"),
        (
            begin.zip(end).is_some_and(|(begin, end)| begin > end),
            "Please make sure that the beginTimestamp is less than or equal to the endTimestamp",
        ),
    ];
    mistakes.iter().find(|(is_one, _)| *is_one).map(|(_, said)| *said)
}

async fn consume(call: &Call) -> Result<String, Failure> {
    const MOST: i64 = 128;
    let most = call.number("c", MOST)?;
    let (begin, end) = (time(call, "s")?, time(call, "e")?);
    if let Some(said) = consume_mistake(call, most, begin, end) {
        return Ok(said.to_owned());
    }
    let mut out = String::new();
    if call.get("i").is_some() {
        let queue = MessageQueue::new(call.need("t").trim(), call.need("b").trim(), call.number("i", 0)?);
        let (min, mut to) = consume_bounds(call, &queue, begin, end).await?;
        let mut from = call.number("o", 0)?;
        if from > to {
            return Ok(format!("{} no matched msg, offset={from}\n", show::queue(&queue)));
        }
        from = min.max(from);
        if to - from > most {
            let _ = writeln!(out, "The oldler {most} message will be provided");
            to = from + most - 1;
        }
        return Ok(out + &take(call, &queue, from, to).await?);
    }
    let mut left = most;
    for queue in queues(call).await? {
        if left <= 0 {
            break;
        }
        let (from, mut to) = consume_bounds(call, &queue, begin, end).await?;
        if to - from > left {
            let _ = writeln!(out, "The older {left} message of the {} queue will be provided", queue.queue_id);
            to = from + left - 1;
        }
        left -= to - from + 1;
        out += &take(call, &queue, from, to).await?;
    }
    Ok(out)
}

/// Where consumeMessage begins, and the last offset it asks for.
async fn consume_bounds(
    call: &Call,
    queue: &MessageQueue,
    begin: Option<i64>,
    end: Option<i64>,
) -> Result<(i64, i64), Failure> {
    let (from, to) = bounds(call, queue, begin, None).await?;
    match end {
        Some(end) => Ok((from, call.admin.search_offset(queue, end, Boundary::Lower).await.map_err(Failure::new)?)),
        None => Ok((from, to)),
    }
}

/// The messages with the offsets from `at` to `last`, and a line per read.
async fn take(call: &Call, queue: &MessageQueue, mut at: i64, last: i64) -> Result<String, Failure> {
    let mut out = String::new();
    while at <= last {
        let most = i32::try_from(last - at + 1).map_or(BATCH, |most| most.min(BATCH));
        let (messages, next) = call.admin.read(queue, at, most, "*").await.map_err(Failure::new)?;
        if !messages.is_empty() {
            out += "Consume ok\n";
            messages.iter().for_each(|message| out += &show::one_line(message, true));
        } else if next > at {
            let _ = writeln!(out, "{} no matched msg. status=NO_MATCHED_MSG, offset={next}", show::queue(queue));
        } else {
            let _ = writeln!(out, "{} print msg finished. status=NO_NEW_MSG, offset={next}", show::queue(queue));
            break;
        }
        at = next;
    }
    Ok(out)
}
