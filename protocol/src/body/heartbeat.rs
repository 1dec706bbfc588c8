//! Heartbeats and subscriptions (wire.md 5.6).
use crate::filter::{self, TagExpression, TagExpressionError};
use std::collections::BTreeSet;

/// Expression type of tag expressions.
pub const EXPRESSION_TAG: &str = "TAG";
/// Expression type of SQL expressions.
pub const EXPRESSION_SQL92: &str = "SQL92";

json_enum! {
    /// How a group consumes.
    pub enum ConsumeType: Passively {
        /// Pull consumers.
        Actively = 0 "CONSUME_ACTIVELY",
        /// Push consumers.
        Passively = 1 "CONSUME_PASSIVELY",
        /// 5.x.
        Pop = 2 "CONSUME_POP",
    }
}

json_enum! {
    /// Who gets a message.
    pub enum MessageModel: Clustering {
        /// Every member.
        Broadcasting = 0 "BROADCASTING",
        /// One member.
        Clustering = 1 "CLUSTERING",
    }
}

json_enum! {
    /// Where a group without offsets starts.
    pub enum ConsumeFromWhere: LastOffset {
        LastOffset = 0 "CONSUME_FROM_LAST_OFFSET",
        /// Deprecated, as last offset.
        LastOffsetAndFromMinWhenBootFirst = 1 "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
        /// Deprecated, as last offset.
        MinOffset = 2 "CONSUME_FROM_MIN_OFFSET",
        /// Deprecated, as last offset.
        MaxOffset = 3 "CONSUME_FROM_MAX_OFFSET",
        FirstOffset = 4 "CONSUME_FROM_FIRST_OFFSET",
        Timestamp = 5 "CONSUME_FROM_TIMESTAMP",
    }
}

json_body! {
    /// What a group wants of a topic.
    #[derive(Eq)]
    pub struct SubscriptionData {
        /// Obsolete: such subscriptions match everything on the broker.
        class_filter_mode: bool = "classFilterMode";
        /// Hashes of the tags.
        code_set: BTreeSet<i32> = "codeSet";
        expression_type: String = "expressionType" (EXPRESSION_TAG.to_owned());
        /// The expression; `*` selects all.
        sub_string: String = "subString";
        /// Milliseconds of the last change; 0 when the peer did not say, which Java takes for now.
        sub_version: i64 = "subVersion";
        tags_set: BTreeSet<String> = "tagsSet";
        topic: String = "topic";
    }
}

impl SubscriptionData {
    /// The subscription of a tag expression; `sub_version` is left at 0 for the caller to set.
    pub fn parse_tag(topic: &str, expression: &str) -> Result<Self, TagExpressionError> {
        let TagExpression { text, tags, codes } = TagExpression::parse(Some(expression))?;
        Ok(Self { topic: topic.to_owned(), sub_string: text, tags_set: tags, code_set: codes, ..Self::default() })
    }

    /// True for tag expressions; a missing type counts as one.
    pub fn is_tag(&self) -> bool {
        self.expression_type.is_empty() || self.expression_type == EXPRESSION_TAG
    }

    /// The broker's check of a tag subscription against a tag code of the consume queue.
    pub fn matches_code(&self, tags_code: i64) -> bool {
        self.class_filter_mode || filter::matches_code(&self.sub_string, &self.code_set, tags_code)
    }

    /// The consumer's check of a tag subscription against the TAGS property.
    pub fn matches_tag(&self, tag: Option<&str>) -> bool {
        self.class_filter_mode || filter::matches_tag(&self.tags_set, tag)
    }
}

json_body! {
    /// A consumer group of a client.
    #[derive(Eq)]
    pub struct ConsumerData {
        consume_from_where: ConsumeFromWhere = "consumeFromWhere";
        consume_type: ConsumeType = "consumeType";
        group_name: String = "groupName";
        message_model: MessageModel = "messageModel";
        subscription_data_set: Vec<SubscriptionData> = "subscriptionDataSet";
        unit_mode: bool = "unitMode" | "isUnitMode";
    }
}

json_body! {
    /// A producer group of a client.
    #[derive(Eq)]
    pub struct ProducerData {
        group_name: String = "groupName";
    }
}

json_body! {
    /// What a client tells every broker it talks to (34).
    #[derive(Eq)]
    pub struct HeartbeatData {
        client_id: String = "clientID";
        consumer_data_set: Vec<ConsumerData> = "consumerDataSet";
        /// 5.x; 0 asks for no comparison.
        heartbeat_fingerprint: i32 = "heartbeatFingerprint";
        producer_data_set: Vec<ProducerData> = "producerDataSet";
        /// 5.x: the subscriptions are left out, the fingerprint stands for them.
        without_sub: bool = "withoutSub" | "isWithoutSub";
    }
}

json_body! {
    /// A subscription to be checked by the broker (46).
    #[derive(Eq)]
    pub struct CheckClientConfigBody {
        client_id: String = "clientId";
        group: String = "group";
        namespace: Option<String> = "namespace";
        subscription_data: Option<SubscriptionData> = "subscriptionData";
    }
}
json_codec!(SubscriptionData, HeartbeatData, CheckClientConfigBody);
