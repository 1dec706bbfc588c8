//! Which messages a pull wants: what came with it, or what its group subscribed to (broker.md 4.2, 6).
use super::{forbidden, PullRefusal, PullRequest};
use crate::config::BrokerConfig;
use crate::filter::Sql;
use crate::service::error::FAQ;
use crate::service::topics::perm;
use crate::service::{filters, Caller, Service};
use ferromq_protocol::body::{MessageModel, SubscriptionData, SubscriptionGroupConfig, EXPRESSION_TAG};
use ferromq_protocol::code::response;
use ferromq_protocol::filter::{self, TagExpression};
use ferromq_protocol::{properties, record, topic as names};
use ferromq_store::UnitFilter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A filter that comes with a pull.
#[derive(Debug, Clone, Copy)]
pub struct Expression<'a> {
    /// The expression; none and `*` select all tags.
    pub text: Option<&'a str>,
    /// `TAG` (also when empty) or `SQL92`.
    pub kind: &'a str,
}

/// Which messages are wanted.
#[derive(Debug, Clone)]
pub enum PullFilter {
    /// Every message.
    All,
    /// The tags that the group subscribed to.
    Subscribed(Arc<SubscriptionData>),
    /// The tags that came with the pull.
    Given(Arc<TagExpression>),
    /// Those for whose properties the expression is true.
    Sql(Arc<Sql>),
    /// An expression that came with the pull and does not compile. It lets everything pass, as with the reference, whose
    /// clients have their expressions checked before (CHECK_CLIENT_CONFIG).
    NotCompiled,
    /// A retry topic, with `filterSupportRetry`: the tags, and the group's expression for the topic a message came from.
    Retry(Box<PullFilter>, BTreeMap<String, Arc<Sql>>),
}

impl UnitFilter for PullFilter {
    fn matches(&self, tags_code: i64) -> bool {
        match self {
            Self::All | Self::Sql(_) | Self::NotCompiled => true,
            Self::Subscribed(data) => data.matches_code(tags_code),
            Self::Given(expression) => expression.matches_code(tags_code),
            Self::Retry(tags, _) => tags.matches(tags_code),
        }
    }

    fn matches_all(&self) -> bool {
        matches!(self, Self::All | Self::NotCompiled)
    }

    fn reads_records(&self) -> bool {
        matches!(self, Self::Sql(_) | Self::Retry(..))
    }

    fn matches_record(&self, record: &[u8]) -> bool {
        let Ok(record) = record::parse(record, false) else { return false };
        let text = record.properties();
        match self {
            Self::Sql(sql) => sql.matches(text),
            Self::Retry(_, by_topic) => {
                let sql = properties::get(text, properties::RETRY_TOPIC).and_then(|origin| by_topic.get(origin));
                sql.is_none_or(|sql| sql.matches(text))
            }
            _ => true,
        }
    }
}

/// The filter of a pull.
pub(super) fn of(
    service: &Service,
    config: &BrokerConfig,
    caller: &Caller,
    request: &PullRequest<'_>,
    group: &SubscriptionGroupConfig,
) -> Result<PullFilter, PullRefusal> {
    let (filter, is_tag) = match request.expression {
        Some(expression) => (given(&expression)?, is_tag(expression.kind)),
        None => subscribed(service, request, group)?,
    };
    if config.reject_pull_consumer_enable
        && !names::is_system_group(request.group)
        && !service.members.may_pull(request.group, caller.link.as_ref().map(|link| link.id()))
    {
        let remark = format!("the consumer's group info not exist, or the pull consumer is rejected by server.{FAQ}");
        return Err(PullRefusal::new(response::SUBSCRIPTION_NOT_EXIST, remark));
    }
    if !is_tag && !config.enable_property_filter {
        return Err(PullRefusal::new(response::SYSTEM_ERROR, NO_SQL));
    }
    match request.topic.strip_prefix(names::RETRY_PREFIX) {
        Some(group) if config.filter_support_retry => {
            Ok(PullFilter::Retry(Box::new(filter), service.filters.of_group(group)))
        }
        _ => Ok(filter),
    }
}

fn given(expression: &Expression<'_>) -> Result<PullFilter, PullRefusal> {
    let unreadable =
        || PullRefusal::new(response::SUBSCRIPTION_PARSE_FAILED, "parse the consumer's subscription failed");
    match expression.text {
        None | Some("") if !is_tag(expression.kind) => Err(unreadable()),
        None | Some("" | filter::ALL) if is_tag(expression.kind) => Ok(PullFilter::All),
        text if is_tag(expression.kind) => {
            TagExpression::parse(text).map(|parsed| PullFilter::Given(Arc::new(parsed))).map_err(|_| unreadable())
        }
        text => Ok(match filters::compile(text.unwrap_or_default(), expression.kind) {
            Ok(sql) => PullFilter::Sql(Arc::new(sql)),
            Err(error) => {
                tracing::debug!(error, "the expression of a pull does not compile: it gets everything");
                PullFilter::NotCompiled
            }
        }),
    }
}

/// What the group subscribed to, and whether by tags.
fn subscribed(
    service: &Service,
    request: &PullRequest<'_>,
    group: &SubscriptionGroupConfig,
) -> Result<(PullFilter, bool), PullRefusal> {
    const FORBIDDEN_READ: i32 = perm::READ;
    let name = request.group;
    let Some(view) = service.members.view(name, request.topic) else {
        let remark = format!("the consumer's group info not exist{FAQ}");
        return Err(PullRefusal::new(response::SUBSCRIPTION_NOT_EXIST, remark));
    };
    if !group.consume_broadcast_enable && view.model == MessageModel::Broadcasting {
        let remark = format!("the consumer group[{name}] can not consume by broadcast way");
        return Err(PullRefusal::forbidden(forbidden::BROADCASTING, remark));
    }
    if service.groups.forbidden(name, request.topic) & FORBIDDEN_READ != 0 {
        let remark = format!("the consumer group[{name}] is forbidden for topic[{}]", request.topic);
        return Err(PullRefusal::forbidden(forbidden::SUBSCRIPTION, remark));
    }
    let Some(subscription) = view.subscription else {
        let remark = format!("the consumer's subscription not exist{FAQ}");
        return Err(PullRefusal::new(response::SUBSCRIPTION_NOT_EXIST, remark));
    };
    if subscription.sub_version < request.sub_version {
        return Err(PullRefusal::new(response::SUBSCRIPTION_NOT_LATEST, "the consumer's subscription not latest"));
    }
    if !subscription.is_tag() {
        return Ok((by_expression(service, request, &subscription)?, false));
    }
    let is_all = subscription.sub_string == filter::ALL;
    Ok((if is_all { PullFilter::All } else { PullFilter::Subscribed(subscription) }, true))
}

fn by_expression(
    service: &Service,
    request: &PullRequest<'_>,
    subscription: &SubscriptionData,
) -> Result<PullFilter, PullRefusal> {
    let Some(data) = service.filters.get(request.group, request.topic) else {
        let remark = "The broker's consumer filter data is not exist!Your expression may be wrong!";
        return Err(PullRefusal::new(response::FILTER_DATA_NOT_EXIST, remark));
    };
    if data.client_version < request.sub_version {
        let remark = "the consumer's consumer filter data not latest";
        return Err(PullRefusal::new(response::FILTER_DATA_NOT_LATEST, remark));
    }
    Ok(if subscription.class_filter_mode { PullFilter::All } else { PullFilter::Sql(Arc::clone(data.sql())) })
}

fn is_tag(kind: &str) -> bool {
    kind.is_empty() || kind == EXPRESSION_TAG
}

/// Remark for filters by expression when `enablePropertyFilter` is off.
pub const NO_SQL: &str = "The broker does not support consumer to filter message by SQL92";

#[cfg(test)]
mod tests {
    use super::*;

    // The filter of a pull: nothing is all, bars only are an error; an expression has to be there, and may be wrong.
    #[test]
    fn given_filters() {
        let given = |text, kind| given(&Expression { text, kind });
        assert!(
            matches!(given(None, ""), Ok(PullFilter::All)) && matches!(given(Some("*"), "TAG"), Ok(PullFilter::All))
        );
        assert_eq!(given(Some("||"), "TAG").unwrap_err().refusal.code, 23);
        assert!(matches!(given(Some("a > 1"), "SQL92"), Ok(PullFilter::Sql(_))));
        assert!(matches!(given(Some("a >"), "SQL92"), Ok(PullFilter::NotCompiled)));
        assert!(matches!(given(Some("a > 1"), "XPATH"), Ok(PullFilter::NotCompiled)));
        assert_eq!(given(None, "SQL92").unwrap_err().refusal.code, 23);
        assert_eq!(given(Some(""), "SQL92").unwrap_err().refusal.code, 23);
        let filter = given(Some("a || b"), "TAG").unwrap();
        assert!(filter.matches(97) && filter.matches(98) && !filter.matches(99) && !filter.matches(0));
    }
}
