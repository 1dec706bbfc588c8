//! How the members of a group get the messages of a topic (5.x): requests 401 and 402, and the file `messageRequestMode.json`.
use std::collections::BTreeMap;

json_enum! {
    /// Who keeps account of what a member has.
    pub enum MessageRequestMode: Pull {
        Pull = 0 "PULL",
        Pop = 1 "POP",
    }
}

json_body! {
    /// SET_MESSAGE_REQUEST_MODE: one group and one topic (wire.md 5.13).
    #[derive(Eq)]
    pub struct SetMessageRequestMode {
        consumer_group: String = "consumerGroup";
        mode: MessageRequestMode = "mode";
        /// How many other members get a queue too; 0: all.
        pop_share_queue_num: i32 = "popShareQueueNum";
        topic: String = "topic";
    }
}

json_body! {
    /// All of them, by topic and group (store.md 6.3).
    #[derive(Eq)]
    pub struct MessageRequestModeTable {
        message_request_mode_map: BTreeMap<String, BTreeMap<String, SetMessageRequestMode>> = "messageRequestModeMap";
    }
}

json_codec!(SetMessageRequestMode, MessageRequestModeTable);
