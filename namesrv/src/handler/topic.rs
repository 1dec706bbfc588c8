//! Requests about topics: routes, lists, removal (broker.md 1.6 to 1.8).
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

impl Service {
    /// 105.
    pub(super) fn route(&self, request: &Command) -> Outcome {
        let topic = request.ext.get("topic");
        let is_true = |name| request.ext.get(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let (order, acting_master, ready) = {
            let config = self.config.read();
            let ready =
                !config.need_wait_for_service || self.now_ms() >= config.wait_seconds_for_service.saturating_mul(1000);
            (config.order_message_enable || config.cluster_test, config.support_acting_master, ready)
        };
        if !ready {
            return Err(Refusal(res::SYSTEM_ERROR, "name server not ready".into()));
        }
        let options = RouteOptions {
            standard: request.version >= STANDARD_SINCE_VERSION || is_true("acceptStandardJsonOnly"),
            zone: request.ext.get("__ZONE_NAME").filter(|zone| !zone.is_empty() && is_true("__ZONE_MODE")),
            order_conf: topic.filter(|_| order).and_then(|topic| self.kv.get(ORDER_TOPIC_CONFIG, topic)),
            acting_master,
        };
        let route = topic.and_then(|topic| self.tables.read().route(topic, &options));
        match route {
            Some(route) => with_body(request, route),
            None => {
                let topic = topic.unwrap_or("null");
                let remark = format!("No topic route info in name server for the topic: {topic}{HELP}");
                Err(Refusal(res::TOPIC_NOT_EXIST, remark))
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
