//! Requests about topics: routes, lists, removal (broker.md 1.6 to 1.8).
use super::answers::Answers;
use super::{done, with_body, Outcome, Refusal, Service};
use crate::kv::ORDER_TOPIC_CONFIG;
use crate::tables::RouteOptions;
use ferromq_protocol::body::TopicRouteData;
use ferromq_protocol::code::{request as req, response as res};
use ferromq_protocol::headers::{DeleteTopicInNamesrv, GetTopicsByCluster, RegisterTopic};
use ferromq_protocol::{Command, Header};

/// Clients since V4_9_4 read standard JSON (wire.md 2.5).
const STANDARD_SINCE_VERSION: i32 = 401;
/// What the reference adds to the remark of a missing route. Operators follow it.
const HELP: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

/// Routes answered before the tables are given free for a moment: those that register wait no longer than that.
const ROUTES_PER_LOCK: usize = 64;

/// True for 105.
pub(super) fn asks_for_route(request: &Command) -> bool {
    request.code == req::GET_ROUTEINFO_BY_TOPIC
}

fn no_route(topic: Option<&str>) -> Refusal {
    let topic = topic.unwrap_or("null");
    Refusal(res::TOPIC_NOT_EXIST, format!("No topic route info in name server for the topic: {topic}{HELP}"))
}

impl Service {
    /// A run of 105, none or many of the same topic. Their answers were encoded when the routes last changed.
    pub(super) fn routes(&self, requests: &[Command], answers: &mut Answers<'_>) {
        let (order, acting_master, ready) = {
            let config = self.config.read();
            let ready =
                !config.need_wait_for_service || self.now_ms() >= config.wait_seconds_for_service.saturating_mul(1000);
            (config.order_message_enable || config.cluster_test, config.support_acting_master, ready)
        };
        for requests in requests.chunks(ROUTES_PER_LOCK) {
            let tables = self.tables.read();
            for request in requests {
                if !ready {
                    answers.refuse(request, Refusal(res::SYSTEM_ERROR, "name server not ready".into()));
                    continue;
                }
                let topic = request.ext.get("topic");
                let is_true = |name| request.ext.get(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
                let options = RouteOptions {
                    standard: request.version >= STANDARD_SINCE_VERSION || is_true("acceptStandardJsonOnly"),
                    zone: request.ext.get("__ZONE_NAME").filter(|zone| !zone.is_empty() && is_true("__ZONE_MODE")),
                    order_conf: topic.filter(|_| order).and_then(|topic| self.kv.get(ORDER_TOPIC_CONFIG, topic)),
                    acting_master,
                };
                match topic.and_then(|topic| tables.route(topic, &options)) {
                    Some(route) => answers.succeed(request, &route),
                    None => answers.refuse(request, no_route(topic)),
                }
            }
        }
    }

    /// 206, 224, 304, 311, 312, 313.
    pub(super) fn topic_list(&self, request: &Command) -> Outcome {
        let enabled = {
            let config = self.config.read();
            match request.code {
                req::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => config.enable_all_topic_list,
                req::GET_SYSTEM_TOPIC_LIST_FROM_NS => true,
                _ => config.enable_topic_list,
            }
        };
        if !enabled {
            return Err(Refusal(res::SYSTEM_ERROR, "disable".into()));
        }
        let tables = self.tables.read();
        let list = match request.code {
            req::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => tables.all_topics(),
            req::GET_TOPICS_BY_CLUSTER => tables.topics_of_cluster(GetTopicsByCluster::decode(&request.ext)?.cluster),
            req::GET_SYSTEM_TOPIC_LIST_FROM_NS => tables.system_topics(),
            req::GET_UNIT_TOPIC_LIST => tables.unit_topics(),
            code => tables.unit_subscription_topics(code == req::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST),
        };
        drop(tables);
        with_body(request, list.encode())
    }

    /// 216.
    pub(super) fn delete_topic(&self, request: &Command) -> Outcome {
        let header = DeleteTopicInNamesrv::decode(&request.ext)?;
        self.tables.write().delete_topic(header.topic, header.cluster_name);
        done(request)
    }

    /// 217.
    pub(super) fn register_topic(&self, request: &Command) -> Outcome {
        let header = RegisterTopic::decode(&request.ext)?;
        if !request.body.is_empty() {
            let route = TopicRouteData::decode(&request.body);
            let route = route.map_err(|e| Refusal(res::SYSTEM_ERROR, format!("route cannot be read: {e}")))?;
            self.tables.write().register_topic(header.topic, &route.queue_datas);
        }
        done(request)
    }
}
